"""A file system so small that it can be filled: a tmpfs in a mount namespace of its own."""

import errno
import subprocess
from pathlib import Path

import pytest

MOUNT = 'mount -t tmpfs -o size={size} tmpfs "{folder}" && echo mounted && exec sleep 600'


class SmallDisk:
    """Mounted at `folder` for programs that are started with the words of `inside` before their command.

    Skips the test where such a mount cannot be made.
    """

    def __init__(self, folder: Path, size: str) -> None:
        folder.mkdir(parents=True)
        command = ["unshare", "-m", "sh", "-c", MOUNT.format(size=size, folder=folder)]
        try:
            self._keeper = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
            )
        except OSError as error:
            pytest.skip(f"a full disk needs unshare and mount: {error}")
        if self._keeper.stdout.readline() != "mounted\n":
            pytest.skip(
                f"a full disk needs a mount namespace, for root only: {self._keeper.communicate()[1].strip()}"
            )
        self.inside = ["nsenter", "-m", "-t", str(self._keeper.pid)]
        self._filler = Path(f"/proc/{self._keeper.pid}/root{folder}/filler")

    def fill(self) -> None:
        """Take all room that is left."""
        with self._filler.open("ab", buffering=0) as filler:
            try:
                while True:
                    filler.write(bytes(4096))
            except OSError as error:
                assert error.errno == errno.ENOSPC  # noqa: PT017

    def free(self) -> None:
        """Give that room back."""
        self._filler.unlink()

    def remove(self) -> None:
        self._keeper.kill()
        self._keeper.communicate()
