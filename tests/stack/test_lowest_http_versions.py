"""The connection relies on inner parts of uvicorn and httptools: the oldest versions allowed have them."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from support.cache import built_once, cache_folder

ROOT = Path(__file__).parents[2]
TESTS = ["tests/unit/test_http_connection.py", "tests/unit/test_http_half_closed.py"]
CHECKED = ("httptools", "uvicorn")


def lowest_versions(extra: str) -> list[str]:
    """What `pyproject.toml` allows at least, `NAME==VERSION` each."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    found = [re.fullmatch(r"([\w-]+)>=([\d.]+)", each) for each in extras[extra]]
    return [f"{each[1]}=={each[2]}" for each in found if each is not None and each[1] in CHECKED]


def installed(versions: list[str]) -> Path:
    """A folder with just these packages; the environment has all that they need."""
    key = "-".join(re.sub(r"[^\w.]+", "", each) for each in versions)

    def install(folder: Path) -> None:
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder)]
        subprocess.run([*command, *versions], check=True, timeout=300)

    name = f"lowest-{key}-{sys.version_info[0]}.{sys.version_info[1]}"
    return built_once("lowest", cache_folder() / name, install, print)


def test_both_programs_that_listen_allow_the_same_versions() -> None:
    assert lowest_versions("serving") == lowest_versions("aggregator")
    assert len(lowest_versions("serving")) == len(CHECKED)


def test_the_oldest_versions_allowed_pass_the_tests_of_the_connection() -> None:
    versions = lowest_versions("serving")
    environment = os.environ | {"PYTHONPATH": str(installed(versions))}
    ask = f"from importlib.metadata import version; print(*map(version, {CHECKED}))"
    seen = subprocess.run(
        [sys.executable, "-c", ask], env=environment, capture_output=True, text=True, check=True
    )
    pairs = zip(versions, CHECKED, seen.stdout.split(), strict=True)
    assert all(f"{name}=={found}.".startswith(f"{lowest}.") for lowest, name, found in pairs)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *TESTS]
    run = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    assert run.returncode == 0, run.stdout[-4_000:]
