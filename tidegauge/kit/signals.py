"""The signals that ask a program to end: SIGTERM from Kubernetes, SIGINT from a person."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import asyncio

__all__ = ["on_end_signals"]

END: Final = (signal.SIGTERM, signal.SIGINT)
Step = tuple[Callable[[], object], float]


def on_end_signals(
    end: Callable[[], object], loop: asyncio.AbstractEventLoop | None = None, steps: Sequence[Step] = ()
) -> None:
    """Call a function at each signal that asks to end; the program then ends in order by itself.

    Parameters
    ----------
    end
        Called each time. A second call often means: do not wait.
    loop
        The event loop to call it in; without one it is called in the main thread, between two instructions.
    steps
        What to do before the first call, in a loop: functions, each with the seconds to wait after it.
        Another signal leaves out those that are still to come.
    """
    if loop is None:
        for number in END:
            signal.signal(number, lambda *_: end())
        return
    drain = _Drain(end, loop, steps)
    for number in END:
        loop.add_signal_handler(number, drain.ask)


class _Drain:
    """Steps before the end."""

    def __init__(
        self, end: Callable[[], object], loop: asyncio.AbstractEventLoop, steps: Sequence[Step]
    ) -> None:
        self._end, self._loop, self._left = end, loop, list(steps)
        self._waiting: asyncio.TimerHandle | None = None

    def ask(self) -> None:
        """Begin with the first step; asked again, leave out what is left."""
        if self._waiting is not None:
            self._waiting.cancel()
            self._left.clear()
        self._go_on()

    def _go_on(self) -> None:
        if not self._left:
            self._end()
            return
        step, seconds = self._left.pop(0)
        step()
        self._waiting = self._loop.call_later(seconds, self._go_on)
