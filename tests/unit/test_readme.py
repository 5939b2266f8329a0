"""The README's Python runs as it stands, and prints what the page says."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def test_the_python_of_the_readme_prints_what_the_page_says(tmp_path):
    code, printed = re.search(r"```python\n(.*?)```.*?```text\n(.*?)```", README, re.DOTALL).groups()
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert (run.stdout, run.returncode) == (printed, 0), run.stderr


def make(*arguments: str) -> str:
    run = subprocess.run(
        ["make", "--no-print-directory", *arguments], cwd=ROOT, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_make_demo_says_at_once_what_it_does_and_how_long_it_takes(tmp_path):
    told = make("welcome", f"VENV={tmp_path}")
    assert "serves it with 3 replicas" in told
    assert re.search(r"The first time it installs some \d+ MB .* a few minutes", told)
    steps = make("-n", "demo", f"VENV={tmp_path}")
    assert steps.index("serves it with 3 replicas") < steps.index("pip install")
    assert "--quiet" not in steps
