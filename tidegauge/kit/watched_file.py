"""Files that are read again when they change."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

__all__ = ["WatchedFile", "parse_token"]

logger = logging.getLogger(__name__)

T = TypeVar("T")


class WatchedFile(Generic[T]):
    """A file's contents as a value, read again when the file has changed.

    A change that cannot be read is logged once and the last good value stays in force.

    Parameters
    ----------
    path
        The file.
    parse
        Its bytes to the value; raises `ValueError` for bytes that are none.
    """

    def __init__(self, path: Path, parse: Callable[[bytes], T]) -> None:
        self._path, self._parse = path, parse
        self._stamp = self._stamp_now()
        self.value = parse(path.read_bytes())

    def refresh(self) -> bool:
        """Look at the file; returns whether the value changed."""
        stamp = self._stamp_now()
        if stamp == self._stamp or stamp is None:
            return False
        self._stamp = stamp
        try:
            value = self._parse(self._path.read_bytes())
        except (OSError, ValueError) as error:
            logger.error(
                "%s changed and cannot be used, going on with what it said before: %s", self._path, error
            )
            return False
        changed = value != self.value
        self.value = value
        return changed

    def _stamp_now(self) -> tuple[int, int, int] | None:
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino


def parse_token(data: bytes) -> bytes:
    """Return the token in a file, without white space around it; raise `ValueError` when there is none."""
    token = data.strip()
    if not token:
        raise ValueError("the token file is empty: put the token into it, or start without --token-file")
    return token
