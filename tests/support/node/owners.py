"""Who made a box: a note by which the next start can prove what was left behind."""

import json
import os
from pathlib import Path
from typing import NamedTuple

NOTES = Path("/run/tidegauge-node")


class Owner(NamedTuple):
    """A process, by pid and start time, and the folder its node writes to."""

    pid: int
    started: str
    folder: Path

    def lives(self) -> bool:
        """Whether that process is still there; a pid alone may have gone to another."""
        return _started(self.pid) == self.started


def note_owner(name: str, folder: Path) -> None:
    """Note that this process made the box of this name."""
    NOTES.mkdir(exist_ok=True)
    pid = os.getpid()
    _note(name).write_text(json.dumps([pid, _started(pid), str(folder)]))


def forget(name: str) -> None:
    """The box is gone."""
    _note(name).unlink(missing_ok=True)


def owners() -> dict[str, Owner]:
    """All boxes that were noted, by name."""
    return {note.stem: _read(note) for note in NOTES.glob("tg-*.json")}


def _read(note: Path) -> Owner:
    pid, started, folder = json.loads(note.read_text())
    return Owner(pid, started, Path(folder))


def _note(name: str) -> Path:
    return NOTES / f"{name}.json"


def _started(pid: int) -> str | None:
    try:  # in ticks since boot
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (FileNotFoundError, ProcessLookupError):
        return None
