"""Builds that tiers wait for: made one after the other, while the tests of earlier tiers run."""

import queue
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait

from support.cache import Tell

Build = Callable[[Tell], object]
LOOK_SECONDS = 1.0  # how often one who waits passes on what the build tells


class Builds:
    """What a run has to build, begun in the order given.

    A cold build keeps both cores of a small machine busy for minutes, most of a tier's tests one or none: so
    they share them.

    Parameters
    ----------
    builds
        By the name of who waits for it; each is given what hears of its progress.
    """

    def __init__(self, builds: Mapping[str, Build]) -> None:
        self._told: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._thread = ThreadPoolExecutor(1, "builds")
        self._begun = {name: self._thread.submit(build, self._told.put) for name, build in builds.items()}

    def wait(self, name: str, tell: Tell) -> None:
        """Return when the thing is built; `tell` hears what the builds have told since somebody waited.

        Raises
        ------
        Unavailable, RuntimeError
            What its build raised.
        """
        begun = self._begun[name]
        while not begun.done():
            wait([begun], LOOK_SECONDS)
            self._pass_on(tell)
        self._pass_on(tell)
        begun.result()

    def end(self) -> None:
        """Begin no further one."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _pass_on(self, tell: Tell) -> None:
        while not self._told.empty():
            tell(self._told.get())
