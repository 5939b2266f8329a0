"""The walks on the page of rooms: which files their lines name."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = {
    "serving": "serving/tidegauge_serving",
    "sidecar": "drift_sidecar/tidegauge_sidecar",
    "aggregator": "aggregator/tidegauge_aggregator",
    "operator": "operator/tidegauge_operator",
}


def walk(of: str, *programs: str) -> set[str]:
    """The files that a walk's lines of these programs name."""
    page = (ROOT / "docs/design/rooms.md").read_text()
    (section,) = re.findall(
        rf"^## The files that a {of} passes\n(.*?)(?=^## )", page, re.MULTILINE | re.DOTALL
    )
    return {
        f"{name}.py" if name.startswith("tidegauge/") else f"{FOLDERS[program]}/{name}.py"
        for program, line in re.findall(r"^\d+\. (\w+): (.*?)(?=^\d|\Z)", section, re.MULTILINE | re.DOTALL)
        if program in programs
        for name in re.findall(r"`([\w/]+)`", line)
    }
