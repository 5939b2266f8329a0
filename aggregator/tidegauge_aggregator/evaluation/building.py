"""Builds a series' monitor again from what is stored, part by part.

Runs in the evaluator's thread; nobody else has it before `Building.finish` has returned.
"""

from __future__ import annotations

from collections.abc import Sequence

from tidegauge.counting.counts import Counts
from tidegauge.monitor.policy import Policy
from tidegauge.monitor.rebuilding import Rebuilding
from tidegauge.profile.profile import Profile
from tidegauge.protocol.pane import Pane
from tidegauge_aggregator.domain.pane_sum import PaneSum
from tidegauge_aggregator.domain.recent_pods import RecentPods
from tidegauge_aggregator.domain.rows import InboxRow, SeriesRow, SumRow

from .series_monitor import SeriesMonitor, read_report

__all__ = ["Building"]


class Building:
    """A monitor under construction, and what else is held of its series while it is loaded.

    Parameters
    ----------
    row
        The series as stored.
    whole
        The whole profile, whose pairs share the budget.
    profile
        The profile, or this replica's shard of it.
    policy
        The alarm policy.

    Attributes
    ----------
    row
        The series as stored.
    monitor
        The monitor.
    report
        The stored report, None before the first evaluation.
    pods
        Single pods' rows of messages that are not merged yet.
    sums
        Panes whose messages are not merged yet.
    panes
        Rows counted and lost in each pane that was added by itself.
    """

    def __init__(self, row: SeriesRow, whole: Profile, profile: Profile, policy: Policy) -> None:
        self.row, self._profile = row, profile
        self.monitor = SeriesMonitor(row, whole, profile, policy)
        self.report = read_report(row.report)
        self.pods = self.new_pods()
        self.sums: dict[int, PaneSum] = {}
        self.panes: dict[int, tuple[int, int]] = {}
        self._rebuilding = Rebuilding(self.monitor.monitor)

    @property
    def oldest_pane(self) -> int:
        """Older panes than that are in no window."""
        return max(0, self.row.evaluated - self.monitor.reach_panes)

    def new_pods(self) -> RecentPods:
        """Make an empty memory of single pods' rows, for what arrives while this is built."""
        return RecentPods(self.monitor.monitor.reference)

    def add_sums(self, rows: Sequence[SumRow]) -> None:
        """Add merged panes."""
        for row in rows:
            self._rebuilding.add(row.pane, row.rows, row.counts, row.panes)
            if row.panes == 1:
                self._remember(row.pane, row.rows, row.lost)

    def add_messages(self, rows: Sequence[InboxRow]) -> None:
        """Add messages that are not merged yet."""
        for row in rows:
            pane = Pane.from_bytes(row.message)
            counts = Counts.from_bytes(pane.counts, self._profile)
            if (found := self.sums.get(pane.pane)) is None:
                found = self.sums[pane.pane] = PaneSum(self._profile)
            found.add(row.id, pane, counts)
            self.pods.add(pane, counts)
            self._remember(pane.pane, pane.rows, sum(pane.lost.values()))

    def _remember(self, pane: int, rows: int, lost: int) -> None:
        before = self.panes.get(pane, (0, 0))
        self.panes[pane] = before[0] + rows, before[1] + lost

    def finish(self) -> None:
        """Give the windows all that was stored of panes which were evaluated before."""
        self._rebuilding.finish()
        for pane, found in self.sums.items():
            if pane <= self.row.evaluated:
                self.monitor.monitor.add(pane, found.take_unseen())
        self.monitor.restored()
