"""Commands of a page, run one after the other in one shell."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from support.pages import Commands

MARK = "@@@ block"


class CommandsFailed(AssertionError):
    """A command ended with another code than 0, or not in time."""


def run(
    blocks: Sequence[Commands],
    folder: Path,
    environment: Mapping[str, str],
    replaced: Mapping[str, str],
    timeout_seconds: float,
) -> list[str]:
    """What each block printed; what runs in the background ends with the last.

    Raises
    ------
    CommandsFailed
        With all that was printed until then.
    """
    script = "set -euo pipefail\n" + "".join(f"echo '{MARK}'\n{block.text}" for block in blocks)
    for old, new in replaced.items():
        script = script.replace(old, new)
    printed = folder / "printed.log"
    with printed.open("wb") as out:
        shell = subprocess.Popen(
            ["bash", "-c", script],
            cwd=folder,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            code = shell.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGKILL)
            shell.wait()
    text = printed.read_text(errors="replace")
    if code != 0:
        raise CommandsFailed(f"code {code}; printed:\n{text[-6000:]}")
    return text.split(f"{MARK}\n")[1:]


def programs_first(folder: Path, **programs: Path) -> dict[str, str]:
    """An environment in which these names are these programs, and Python is the one that runs the tests."""
    folder.mkdir()
    for name, path in programs.items():
        (folder / name).symlink_to(path)
    folders = [str(folder), str(Path(sys.executable).parent), os.environ["PATH"]]
    return {"PATH": os.pathsep.join(folders)}
