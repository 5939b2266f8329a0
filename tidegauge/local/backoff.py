"""Restart delays of a dead process: as the kubelet's, but short enough for a person who waits."""

from dataclasses import dataclass

__all__ = ["Backoff"]


@dataclass
class Backoff:
    """Delay before a restart: none at first, then doubling; forgotten after a life that was long enough.

    Parameters
    ----------
    first_seconds
        Delay before the second restart.
    most_seconds
        Longest delay.
    settled_seconds
        A process that lived at least this long starts again at once.
    """

    first_seconds: float = 1.0
    most_seconds: float = 5.0
    settled_seconds: float = 5.0
    _next_seconds: float = 0.0

    def after(self, lived_seconds: float) -> float:
        """Seconds to wait after a life of `lived_seconds`."""
        delay = 0.0 if lived_seconds >= self.settled_seconds else self._next_seconds
        self._next_seconds = min(self.most_seconds, max(self.first_seconds, 2 * delay))
        return delay
