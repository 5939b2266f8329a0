"""What memory holds of one watch: sums of recent panes, who was heard, what was counted and lost.

Changed in the event loop only, by the writer's deliveries: it is always the store as it was after some
commit.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from tidegauge.counting.counts import Accumulator, Counts
from tidegauge.profile.profile import Profile
from tidegauge.protocol.pane import Pane
from tidegauge.report.model import Report

from .accounts import Account, Totals
from .evaluation import Gauge
from .recent_pods import RecentPods
from .store import Accepted, EvaluationRow, WatchRow

__all__ = ["HEARD_PANES", "LIVE_SECONDS", "RECENT_PANES", "PaneSum", "Watch"]

LIVE_SECONDS: Final = 600.0  # an instance that was silent for longer is no longer expected
HEARD_PANES: Final = 3  # a pod with a pane among the last three is heard from
RECENT_PANES: Final = 60  # panes in the recent share of rows that were counted


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
        """All that was added."""
        return self._total.counts()

    @property
    def has_unseen(self) -> bool:
        """Whether something was added since `take_unseen`."""
        return not self._seen or self._late is not None

    def take_unseen(self) -> Counts:
        """What was added since the last call."""
        fresh = self._late if self._seen else self._total
        self._seen, self._late = True, None
        return fresh.counts() if fresh else Counts.zero(self._total.profile)


@dataclass(slots=True)
class Watch:
    """One watch in memory.

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
    gauge, pods
        The monitor, and single pods' rows; None while the watch is asleep: then `sums` is not complete.
    """

    row: WatchRow
    profile: Profile
    sums: dict[int, PaneSum] = field(default_factory=dict)
    recent: dict[int, tuple[int, int]] = field(default_factory=dict)
    live: dict[str, Account] = field(default_factory=dict)
    totals: Totals = field(default_factory=Totals)
    newest: int = -1
    newest_rows: int = -1
    heard_seconds: float = 0.0
    evaluated: int = -1
    report: Report | None = None
    gauge: Gauge | None = None
    pods: RecentPods | None = None
    unsaved: EvaluationRow | None = None
    is_going: bool = False

    @property
    def pane_seconds(self) -> int:
        """Length of a pane."""
        return self.row.key.pane_seconds

    def take(self, pane: Pane, counts: Counts, accepted: Accepted) -> None:
        """Add a pane that the store has just accepted for the first time."""
        self.add(accepted.inbox, pane, counts)
        self.totals.change(accepted.before, accepted.after)
        assert accepted.after is not None
        self.hear(pane.instance, accepted.after)

    def add(self, inbox: int, pane: Pane, counts: Counts) -> None:
        """Add a pane's counts, which stand in the store's inbox under that number."""
        if (found := self.sums.get(pane.pane)) is None:
            found = self.sums[pane.pane] = PaneSum(self.profile)
        found.add(inbox, pane, counts)
        if self.pods is not None:
            self.pods.add(pane, counts)
        self.remember(pane.pane, pane.rows, sum(pane.lost.values()))

    def unload(self) -> None:
        """Hold neither windows nor single pods' rows, until all is loaded from the store again."""
        self.gauge = self.pods = None

    def hear(self, instance: str, account: Account) -> None:
        """Take an instance's account; one that ended on purpose is no longer expected."""
        self.heard_seconds = max(self.heard_seconds, account.heard_seconds)
        if account.final:
            self.live.pop(instance, None)
        else:
            self.live[instance] = account

    def drop_silent(self, now_seconds: float) -> None:
        """Stop expecting instances that were not heard for `LIVE_SECONDS`."""
        silent = [
            name for name, account in self.live.items() if now_seconds - account.heard_seconds > LIVE_SECONDS
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
