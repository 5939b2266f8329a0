"""The state of one series in memory: sums of recent panes, instances seen, rows counted and lost.

Changed in the event loop only, by the writer's deliveries: it is always the store as it was after some
commit.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from tidegauge.counting.counts import Counts
from tidegauge.profile.profile import Profile
from tidegauge.protocol.pane import Pane
from tidegauge.report.model import Report
from tidegauge_aggregator.domain.accounts import Account, Totals
from tidegauge_aggregator.domain.pane_sum import PaneSum
from tidegauge_aggregator.domain.recent_pods import RecentPods
from tidegauge_aggregator.domain.rows import Accepted, EvaluationRow, SeriesRow
from tidegauge_aggregator.evaluation.building import Building
from tidegauge_aggregator.evaluation.series_monitor import SeriesMonitor

__all__ = ["LIVE_SECONDS", "RECENT_PANES", "SEEN_PANES", "HeldBefore", "Series"]

LIVE_SECONDS: Final = 600.0  # an instance that was silent for longer is no longer expected
SEEN_PANES: Final = 3  # a pod with a pane among the last three counts as seen
RECENT_PANES: Final = 60  # panes in the recent share of rows that were counted


@dataclass(frozen=True, slots=True)
class HeldBefore:
    """What was held of a series before it was loaded: all of it is in the store too."""

    sums: dict[int, PaneSum]
    recent: dict[int, tuple[int, int]]


@dataclass(slots=True)
class Series:
    """One series in memory.

    Parameters
    ----------
    row
        As the store has it.
    profile
        The profile, or this replica's shard of it.

    Attributes
    ----------
    sums
        Panes whose messages the store holds one by one.
    recent
        Rows counted and lost in each of the last panes.
    live
        Accounts of the instances that are expected to go on.
    totals
        Rows counted and lost since the first pane.
    newest
        The newest pane that came, -1 before the first.
    newest_rows
        The newest pane that came with rows, -1 before the first.
    evaluated, report
        The last pane that was evaluated, and what was found.
    is_going
        Whether it is being dropped, and must not take any pane.
    unsaved
        An evaluation that the store could not take yet.
    aside
        While it is being loaded, what was held before.
    monitor, pods
        The monitor, and single pods' rows; None while the series is unloaded: then `sums` is not complete.
        While it is being loaded, `pods` and `sums` hold what came since that began.
    """

    row: SeriesRow
    profile: Profile
    sums: dict[int, PaneSum] = field(default_factory=dict)
    recent: dict[int, tuple[int, int]] = field(default_factory=dict)
    live: dict[str, Account] = field(default_factory=dict)
    totals: Totals = field(default_factory=Totals)
    newest: int = -1
    newest_rows: int = -1
    last_seen_seconds: float = 0.0
    evaluated: int = -1
    report: Report | None = None
    monitor: SeriesMonitor | None = None
    pods: RecentPods | None = None
    unsaved: EvaluationRow | None = None
    is_going: bool = False
    held_before: HeldBefore | None = None

    @property
    def pane_seconds(self) -> int:
        """Length of a pane."""
        return self.row.key.pane_seconds

    def take(self, pane: Pane, counts: Counts, accepted: Accepted) -> None:
        """Add a pane that the store has just accepted for the first time."""
        self.add(accepted.inbox, pane, counts)
        self.totals.change(accepted.before, accepted.after)
        assert accepted.after is not None
        self.see(pane.instance, accepted.after)

    def add(self, inbox: int, pane: Pane, counts: Counts) -> None:
        """Add a pane's counts, which the store's inbox holds under that number."""
        if (found := self.sums.get(pane.pane)) is None:
            found = self.sums[pane.pane] = PaneSum(self.profile)
        found.add(inbox, pane, counts)
        if self.pods is not None:
            self.pods.add(pane, counts)
        self.remember(pane.pane, pane.rows, sum(pane.lost.values()))

    def unload(self) -> None:
        """Hold neither windows nor single pods' rows, until all is loaded from the store again."""
        self.monitor = self.pods = None

    def begin_load(self, pods: RecentPods) -> None:
        """Hold apart what comes from now on: all before it is in the store, and is read there."""
        self.held_before = HeldBefore(self.sums, dict(self.recent))
        self.sums, self.pods = {}, pods

    def end_load(self, built: Building) -> None:
        """Take what was built from the store, and add what came meanwhile."""
        assert self.held_before is not None
        assert self.pods is not None
        for pane, found in built.sums.items():
            self.attach(pane, found)
        built.pods.add_later(self.pods)
        self._recall(built.panes, self.held_before.recent)
        self.row, self.evaluated, self.report = built.row, built.row.evaluated, built.report
        self.monitor, self.pods, self.unsaved, self.held_before = built.monitor, built.pods, None, None

    def _recall(self, stored: dict[int, tuple[int, int]], known: dict[int, tuple[int, int]]) -> None:
        """Take recent panes as stored, and add what came since they were known."""
        later, self.recent = self.recent, {}
        for pane, (rows, lost) in stored.items():
            self.remember(pane, rows, lost)
        for pane, (rows, lost) in later.items():
            before = known.get(pane, (0, 0))
            self.remember(pane, rows - before[0], lost - before[1])

    def give_up_load(self) -> None:
        """Hold what was held before, and what came meanwhile."""
        assert self.held_before is not None
        for pane, found in self.held_before.sums.items():
            self.attach(pane, found)
        self.held_before = None
        self.unload()

    def see(self, instance: str, account: Account) -> None:
        """Take an instance's account; one that ended on purpose is no longer expected."""
        self.last_seen_seconds = max(self.last_seen_seconds, account.last_seen_seconds)
        if account.final:
            self.live.pop(instance, None)
        else:
            self.live[instance] = account

    def drop_silent(self, now_seconds: float) -> None:
        """Stop expecting instances that were not seen for `LIVE_SECONDS`."""
        silent = [
            name
            for name, account in self.live.items()
            if now_seconds - account.last_seen_seconds > LIVE_SECONDS
        ]
        for name in silent:
            del self.live[name]

    def take_unseen(self, pane: int) -> list[tuple[int, Counts]]:
        """Panes up to this one with what the evaluation has not had of them yet."""
        due = sorted(index for index, found in self.sums.items() if index <= pane and found.has_unseen)
        return [(index, self.sums[index].take_unseen()) for index in due]

    def detach(self, pane: int) -> PaneSum | None:
        """Give up a pane's sum to be merged in the store; what comes later begins a new one."""
        found = self.sums.get(pane)
        if found is None or found.has_unseen:
            return None
        return self.sums.pop(pane)

    def attach(self, pane: int, given: PaneSum) -> None:
        """Take back a sum that could not be merged."""
        later = self.sums.get(pane)
        if later is not None:
            given.add_sum(later)
        self.sums[pane] = given

    def remember(self, pane: int, rows: int, lost: int) -> None:
        """Keep rows and losses of a recent pane."""
        self.newest = max(self.newest, pane)
        if rows:
            self.newest_rows = max(self.newest_rows, pane)
        if pane <= self.newest - RECENT_PANES:
            return
        before = self.recent.get(pane, (0, 0))
        self.recent[pane] = before[0] + rows, before[1] + lost
        for old in [index for index in self.recent if index <= self.newest - RECENT_PANES]:
            del self.recent[old]
