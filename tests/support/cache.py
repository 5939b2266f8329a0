"""Where built things lie, each named after the hash of its sources: built once, and never there in part."""

import contextlib
import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

Tell = Callable[[str], None]  # hears a line of progress now and then


def cache_folder() -> Path:
    """Where built things lie: TIDEGAUGE_CACHE, else the user's cache folder."""
    if own := os.environ.get("TIDEGAUGE_CACHE"):
        return Path(own).expanduser().resolve()
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "tidegauge"


def built_once(what: str, path: Path, build: Callable[[Path], None], tell: Tell) -> Path:
    """A file or folder of the cache, built if it is not there.

    Parameters
    ----------
    what
        Its kind: of each only one is built at a time, whoever asks.
    path
        Its name holds a hash of all that it is built from.
    build
        Makes it at the place given; what it raises leaves nothing behind that could be taken for whole.
    tell
        Hears of waiting and building.
    """
    if not path.exists():
        with one_at_a_time(what, tell):
            made(path, lambda new: _timed(what, lambda: build(new), tell))
    return path


def made(path: Path, make: Callable[[Path], None]) -> Path:
    """A file or folder, made if it is not there: under another name first, so it is never there in part."""
    if not path.exists():
        new = path.with_name(f"{path.name}.new")
        _remove(new)
        make(new)
        new.rename(path)
    return path


@contextlib.contextmanager
def one_at_a_time(what: str, tell: Tell) -> Iterator[None]:
    """Wait until no other process is in here for the same thing; `tell` hears of it if one is."""
    cache_folder().mkdir(parents=True, exist_ok=True)
    with (cache_folder() / f"{what}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            tell(f"another build of {what} is running; waiting for it\n")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _timed(what: str, build: Callable[[], None], tell: Tell) -> None:
    started = time.monotonic()
    build()
    tell(f"{what} built in {time.monotonic() - started:.0f} s\n")


def _remove(path: Path) -> None:
    """Remove what an earlier build has left."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
