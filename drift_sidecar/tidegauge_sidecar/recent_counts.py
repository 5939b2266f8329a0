"""The pod's own last minutes, for its metrics."""

from typing import Final

from tidegauge.counting.counts import Counts
from tidegauge.profile.profile import Profile

__all__ = ["SPAN_SECONDS", "RecentCounts"]

SPAN_SECONDS: Final = 300


class RecentCounts:
    """Counts of the last 5 to 10 minutes of panes: two parts, the older dropped when the newer is full.

    Written by one thread and read by others: the parts are replaced together.
    """

    def __init__(self, profile: Profile) -> None:
        self._zero = Counts.zero(profile)
        self._parts = (self._zero, self._zero)
        self._since_seconds = 0

    def add(self, start_seconds: int, counts: Counts) -> None:
        """Add a pane that starts at `start_seconds`; panes come in order."""
        older, newer = self._parts
        age = start_seconds - self._since_seconds
        if age >= SPAN_SECONDS:
            older, newer = (newer if age < 2 * SPAN_SECONDS else self._zero), self._zero
            self._since_seconds = start_seconds
        self._parts = (older, newer + counts if counts.rows else newer)

    def counts(self) -> Counts:
        """Return both parts together."""
        older, newer = self._parts
        return older + newer
