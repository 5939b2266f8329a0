"""The picture in docs/architecture.md shows what is there."""

import re
import subprocess
from pathlib import Path

from tidegauge_operator.settings import PORT as OPERATOR_PORT

from tidegauge.protocol import names

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/architecture.md").read_text()
PICTURE = PAGE.split("```")[1]
PANE = names.pane_path("{model}", "{profile}", "{pane}", "{instance}")  # type: ignore[arg-type]


def test_each_program_has_its_port() -> None:
    assert dict(re.findall(r"([a-z-]+) :(\d+)", PICTURE)) == {
        "serving": str(names.SERVING_PORT),
        "drift-sidecar": str(names.SIDECAR_PORT),
        "aggregator": str(names.AGGREGATOR_PORT),
        "operator": str(OPERATOR_PORT),
    }


def test_each_path_is_one_that_the_aggregator_has() -> None:
    described = set(re.findall(r"`GET (/[^`]*)`", (ROOT / "docs/aggregator-api.md").read_text()))
    assert PANE in PICTURE
    shown = set(re.findall(r"[ ▶](/[a-z0-9/]+)", PICTURE.replace(PANE, "")))
    assert shown == {"/metrics", "/v1/report"}
    assert shown <= described


def test_a_pane_is_as_long_as_it_says() -> None:
    assert f"open pane ({names.PANE_SECONDS} s" in PICTURE


def test_each_folder_of_the_tree_is_there_and_none_is_left_out() -> None:
    (section,) = re.findall(r"## Where things are in the tree\n(.*)", PAGE, re.DOTALL)
    named = {path.split("/")[0] for path in re.findall(r"`([\w/.-]+/[\w.-]*)`", section)}
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, check=True, text=True)
    there = {path.split("/")[0] for path in tracked.stdout.splitlines() if "/" in path}
    assert {name for name in named if not (ROOT / name).is_dir()} == set()
    assert {name for name in there - named - {"docs", "images"} if name[0] != "."} == set()
