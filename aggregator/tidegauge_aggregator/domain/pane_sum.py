"""One pane's counts, summed over all instances."""

from __future__ import annotations

from tidegauge.counting.counts import Accumulator, Counts
from tidegauge.profile.profile import Profile
from tidegauge.protocol.pane import Pane

__all__ = ["PaneSum"]


class PaneSum:
    """One pane's counts over all instances, as long as the store holds their messages one by one.

    Attributes
    ----------
    ids
        The messages' numbers in the store's inbox.
    rows, lost
        Rows counted and rows reported lost in them.
    """

    def __init__(self, profile: Profile) -> None:
        self._total = Accumulator(profile)
        self._late: Accumulator | None = None
        self._seen = False
        self.ids: list[int] = []
        self.rows = 0
        self.lost = 0

    def add(self, inbox: int, pane: Pane, counts: Counts) -> None:
        """Add one instance's pane."""
        self._total.add_counts(counts)
        if self._seen:
            self._late = self._late or Accumulator(counts.profile)
            self._late.add_counts(counts)
        self.ids.append(inbox)
        self.rows += pane.rows
        self.lost += sum(pane.lost.values())

    def add_sum(self, later: PaneSum) -> None:
        """Add what came for the same pane after this sum was given up for merging."""
        self._total.add_counts(later.counts())
        self.ids += later.ids
        self.rows += later.rows
        self.lost += later.lost
        if later.has_unseen:
            self._late = self._late or Accumulator(self._total.profile)
            self._late.add_counts(later.take_unseen())

    def counts(self) -> Counts:
        """Return all that was added."""
        return self._total.counts()

    @property
    def has_unseen(self) -> bool:
        """Whether something was added since `take_unseen`."""
        return not self._seen or self._late is not None

    def take_unseen(self) -> Counts:
        """Return what was added since the last call."""
        fresh = self._late if self._seen else self._total
        self._seen, self._late = True, None
        return fresh.counts() if fresh else Counts.zero(self._total.profile)
