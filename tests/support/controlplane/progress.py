"""Progress of a build, as a person or a log file wants to see it."""

import sys
import time

from support.cache import Tell

_PAUSE_SECONDS = 15.0


def progress() -> Tell:
    """Tell on standard error: one line written over on a terminal, else a line now and then.

    A text that ends its line is always told.
    """
    last = float("-inf")

    def tell(text: str) -> None:
        nonlocal last
        if sys.stderr.isatty():
            print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
        elif text.endswith("\n") or time.monotonic() - last >= _PAUSE_SECONDS:
            last = time.monotonic()
            print(text.rstrip(), file=sys.stderr, flush=True)

    return tell
