"""``stack.json``: what runs where, for other commands and for scripts."""

from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from tidegauge.errors import ResourceError

__all__ = ["STATE_FILE", "ProcessState", "StackState", "load_state"]

STATE_FILE: Final = "stack.json"


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
    """The whole stack; `ready` once every process is. `profile` is the reference profile's path."""

    model: str
    profile: str
    pid: int
    url: str
    aggregator_urls: list[str]
    token_file: str
    pane_seconds: int
    ready: bool
    processes: list[ProcessState]

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
