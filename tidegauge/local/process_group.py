"""A process group that dies with its owner, even if the owner is killed with -9.

A shell of one line leads the group and waits at a pipe whose other end only the owner holds. When the owner
is gone, in whatever way, the pipe ends and the shell kills the whole group, itself included. A group of its
own also keeps the terminal's Ctrl-C from the processes, so that the owner can stop them in order. POSIX
only, so it works on macOS too.
"""

import subprocess
from types import TracebackType
from typing import Final, Self

__all__ = ["ProcessGroup"]

_WAIT_FOR_OWNER: Final = "read _ || kill -s KILL 0"


class ProcessGroup:
    """The guarded group; processes join it with ``Popen(process_group=guard.group)``."""

    def __init__(self) -> None:
        self._shell = subprocess.Popen(
            ["/bin/sh", "-c", _WAIT_FOR_OWNER], stdin=subprocess.PIPE, process_group=0, cwd="/"
        )
        self.group = self._shell.pid

    def release(self) -> None:
        """End the guard and leave the rest of the group alone."""
        self._shell.communicate(b"released\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
