"""The file operations that the sidecar does, each a single step that is done or not done."""

import fcntl
import os
from pathlib import Path
from typing import IO

__all__ = ["Folder"]


class Folder:
    """One folder on disk; names are relative to it.

    Crash safety rests on the order of these steps, so nothing else in this room touches the log volume.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def sizes(self, below: str = ".") -> dict[str, int]:
        """Return sizes in bytes of the plain files in the folder (or one below it), by name."""
        try:
            with os.scandir(self.path / below) as entries:
                return {entry.name: entry.stat().st_size for entry in entries if entry.is_file()}
        except FileNotFoundError:  # the folder, or a file that went while it was listed
            return {} if not (self.path / below).is_dir() else self.sizes(below)

    def read(self, name: str, offset: int = 0, size: int = -1) -> bytes:
        """Return bytes of a file from `offset` on; none if there is no such file."""
        try:
            with open(self.path / name, "rb", buffering=0) as file:
                file.seek(offset)
                return _read_all(file, size)
        except FileNotFoundError:
            return b""

    def write(self, name: str, data: bytes) -> None:
        """Write a whole file; after a crash a part of it may be there."""
        with open(self.path / name, "wb", buffering=0) as file:
            _write_all(file, data)

    def overwrite(self, name: str, offset: int, data: bytes) -> None:
        """Write over bytes of an existing file: needs no new space on the disk."""
        with open(self.path / name, "r+b", buffering=0) as file:
            file.seek(offset)
            _write_all(file, data)

    def rename(self, old: str, new: str) -> None:
        """Rename a file, over an existing one, atomically."""
        os.replace(self.path / old, self.path / new)

    def remove(self, name: str) -> None:
        """Remove a file; that it is gone already is fine."""
        (self.path / name).unlink(missing_ok=True)

    def make(self, below: str) -> None:
        """Make a folder below this one."""
        (self.path / below).mkdir(parents=True, exist_ok=True)

    def is_locked(self, name: str) -> bool:
        """Return whether a living process holds the `flock` of a file; False if there is no such file."""
        try:
            with open(self.path / name, "rb") as file:
                return not _try_lock(file)
        except FileNotFoundError:
            return False

    def lock(self, name: str) -> IO[bytes] | None:
        """Lock a file, made if need be, until the result is closed; None if another process holds it."""
        file = open(self.path / name, "ab")  # noqa: SIM115 - the lock lasts as long as the file is open
        if _try_lock(file):
            return file
        file.close()
        return None


def _read_all(file: IO[bytes], size: int) -> bytes:
    return file.read() if size < 0 else file.read(size)


def _write_all(file: IO[bytes], data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]


def _try_lock(file: IO[bytes]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
