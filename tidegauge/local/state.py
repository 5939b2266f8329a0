"""``stack.json``: what runs where, for other commands and for scripts."""

import fcntl
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from tidegauge.errors import ResourceError

__all__ = ["STATE_FILE", "ProcessState", "StackState", "load_running", "load_state", "locked"]

STATE_FILE: Final = "stack.json"
_LOCK_FILE: Final = "lock"


class ProcessState(Struct):
    """One process: `pid` is 0 while it waits for its restart."""

    name: str
    role: str
    pid: int
    port: int
    ready: bool
    restarts: int
    log_file: str


class StackState(Struct):
    """The whole stack; `ready` once every process is. `profile` is the reference profile's path.

    Its programs carry the `id` in their readiness and reports: an address may have gone to another stack.
    """

    model: str
    profile: str
    pid: int
    url: str
    aggregator_urls: list[str]
    token_file: str
    pane_seconds: int
    ready: bool
    processes: list[ProcessState]
    id: str = ""

    def save(self, folder: Path) -> None:
        """Write the file so that a reader sees the old or the new one, never half of one."""
        unfinished = folder / (STATE_FILE + ".part")
        unfinished.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=2))
        unfinished.rename(folder / STATE_FILE)


def load_state(folder: Path) -> StackState:
    """Read a stack's file.

    Raises
    ------
    ResourceError
        If there is none, or it is not one.
    """
    try:
        return msgspec.json.decode((folder / STATE_FILE).read_bytes(), type=StackState)
    except FileNotFoundError:
        raise ResourceError(f"{folder} holds no {STATE_FILE}: no stack runs there") from None
    except msgspec.MsgspecError as error:
        raise ResourceError(f"{folder / STATE_FILE} is not the state of a stack: {error}") from error


def load_running(folder: Path) -> StackState:
    """Read the file of a stack that runs now.

    Raises
    ------
    ResourceError
        As `load_state`; or the stack has ended, and its addresses may be another's by now.
    """
    state = load_state(folder)
    if not _is_locked(folder):
        raise ResourceError(
            f"{folder}: this stack is not running: start it again with `tidegauge up`, "
            f"with --dir {shlex.quote(str(folder))}"
        )
    return state


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder for one stack; the kernel lets go of it however the stack ends.

    Raises
    ------
    ResourceError
        Another stack holds it.
    """
    with (folder / _LOCK_FILE).open("wb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ResourceError(f"{folder}: another stack runs in this folder, choose another one") from None
        yield


def _is_locked(folder: Path) -> bool:
    try:
        with (folder / _LOCK_FILE).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False
