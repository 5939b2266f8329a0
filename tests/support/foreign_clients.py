"""An environment with other people's clients of model servers: installed once, as `tests/clients` pins it.

They want older versions of what this program uses, so they do not fit into its own environment.
"""

import hashlib
import subprocess
import sys
import venv
from pathlib import Path

from support.cache import Tell, built_once, cache_folder

REQUIREMENTS = Path(__file__).parents[1] / "clients" / "requirements.txt"
SECONDS = 1_500.0


def foreign_clients(tell: Tell) -> Path:
    """The folder of the environment's programs, installed if need be; `tell` hears of that."""
    key = hashlib.sha256(REQUIREMENTS.read_bytes() + sys.version.encode()).hexdigest()[:12]
    return built_once("clients", cache_folder() / f"clients-{key}", _install, tell) / "bin"


def run_client(
    program: str, *arguments: str, folder: Path | None = None, seconds: float = 240
) -> "subprocess.CompletedProcess[str]":
    """Run a script, or a module by its name, with the environment's Python."""
    python = foreign_clients(lambda _: None) / "python"
    what = [program] if program.endswith(".py") else ["-m", program]
    return subprocess.run(
        [str(python), *what, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


def _install(new: Path) -> None:
    """Versions are pinned one by one: to look for versions that fit takes pip a quarter of an hour."""
    venv.create(new, with_pip=False)
    command = [sys.executable, "-m", "pip", "--python", str(new / "bin" / "python"), "install"]
    command += ["--quiet", "--no-input", "--no-deps", "--no-compile", "--requirement", str(REQUIREMENTS)]
    command.append("--ignore-requires-python")  # of MLServer only a file is read
    subprocess.run(command, check=True, timeout=SECONDS)
