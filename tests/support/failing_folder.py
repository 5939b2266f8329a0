"""A log folder on which the sidecar can be killed between any two steps, and whose disk can be full."""

import errno
from collections.abc import Callable
from typing import IO

from tidegauge_sidecar.folder import Folder


class Killed(BaseException):
    """The process is gone; nothing of ours may catch it."""


class FailingFolder(Folder):
    """`kill_after` counts down the changing steps; at 0 the next one is not done, or a write done by half."""

    kill_after: int | None = None
    halves_writes = False
    is_full = False
    steps = 0
    held: IO[bytes] | None = None

    def lock(self, name: str) -> IO[bytes] | None:
        self.held = super().lock(name)
        return self.held

    def unlock(self) -> None:
        """As the end of the process does it."""
        if self.held is not None:
            self.held.close()

    def write(self, name: str, data: bytes) -> None:
        if self.is_full:
            super().write(name, data[: len(data) // 2])
            raise OSError(errno.ENOSPC, "no space left on device", name)
        self._step(lambda: super(FailingFolder, self).write(name, data[: len(data) // 2]))
        super().write(name, data)

    def overwrite(self, name: str, offset: int, data: bytes) -> None:
        self._step(lambda: super(FailingFolder, self).overwrite(name, offset, data[: len(data) // 2]))
        super().overwrite(name, offset, data)

    def rename(self, old: str, new: str) -> None:
        self._step()
        super().rename(old, new)

    def remove(self, name: str) -> None:
        self._step()
        super().remove(name)

    def _step(self, half: Callable[[], None] | None = None) -> None:
        self.steps += 1
        if self.kill_after is None:
            return
        if self.kill_after == 0:
            self.kill_after = None
            if half is not None and self.halves_writes:
                half()
            raise Killed
        self.kill_after -= 1
