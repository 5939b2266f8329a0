"""Adds stored counts up: a pane's messages to a sum, old panes to a block. Runs in the evaluator's thread.

Counts add, so this loses nothing but who sent what.
"""

from __future__ import annotations

from collections.abc import Sequence

from tidegauge.counting.codec import EncodedSum
from tidegauge.counting.counts import Counts
from tidegauge.profile.profile import Profile
from tidegauge_aggregator.domain.pane_sum import PaneSum
from tidegauge_aggregator.domain.rows import SumRow

__all__ = ["Merging"]


class Merging:
    """A sum of panes that is to be stored.

    Parameters
    ----------
    profile
        The profile, or this replica's shard of it.
    pane, panes
        The first pane and the number of panes that the sum is of.
    """

    def __init__(self, profile: Profile, pane: int, panes: int) -> None:
        self._profile, self._pane, self._panes = profile, pane, panes
        self._stored = EncodedSum(profile)
        self._rows = self._lost = 0

    def add(self, rows: Sequence[SumRow]) -> None:
        """Add stored sums."""
        for row in rows:
            self._stored.add(row.counts)
            self._rows += row.rows
            self._lost += row.lost

    def total(self, given: PaneSum | None = None) -> SumRow:
        """Return all that was added, with the messages of a pane."""
        counts = Counts(self._profile, *self._stored.sums())
        if given is not None:
            counts = counts + given.counts()
            self._rows += given.rows
            self._lost += given.lost
        return SumRow(self._pane, self._panes, self._rows, self._lost, counts.to_bytes())
