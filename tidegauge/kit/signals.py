"""The signals that ask a program to end: SIGTERM from Kubernetes, SIGINT from a person."""

import signal
from collections.abc import Callable
from typing import Any, Final

__all__ = ["on_end_signals"]

END: Final = (signal.SIGTERM, signal.SIGINT)


def on_end_signals(end: Callable[[], object], loop: Any = None) -> None:
    """Call a function at each signal that asks to end; the program then ends in order by itself.

    Parameters
    ----------
    end
        Called each time. A second signal often means: do not wait.
    loop
        The event loop to call it in; without one it is called in the main thread, between two instructions.
    """
    for number in END:
        if loop is None:
            signal.signal(number, lambda *_: end())
        else:
            loop.add_signal_handler(number, end)
