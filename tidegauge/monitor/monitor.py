"""The monitor: panes of counts in, verdicts out. No clock: the caller says which pane is over.

All it remembers is the rings of counts (`windows`), which are a pure function of the panes, and a small
alarm state. So it can be stopped and built again from stored panes and `Monitor.state` without any
difference.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tidegauge.arrays import IntArray
from tidegauge.counting.counts import Counts
from tidegauge.errors import WireError
from tidegauge.monitor import stored
from tidegauge.monitor.alarms import SEVERITIES, Alarms, Look
from tidegauge.monitor.findings import Findings, WindowLook, scale_for_pods
from tidegauge.monitor.given import require_counts, require_known_features, require_panes, whole_pane
from tidegauge.monitor.latest import LatestLooks, StrongestLooks
from tidegauge.monitor.learning import Learner
from tidegauge.monitor.policy import LEARNING_FLOOR, Policy
from tidegauge.monitor.report_builder import summarise
from tidegauge.monitor.states import states
from tidegauge.monitor.windows import Windows, hop_panes, window_panes
from tidegauge.profile.profile import Profile
from tidegauge.protocol.names import PANE_SECONDS, Verdict
from tidegauge.report.model import Baseline, Report, State
from tidegauge.stats.design_effect import profile_table
from tidegauge.stats.evaluation import Evaluator
from tidegauge.stats.registry import STATISTICS, Statistics, count_pairs
from tidegauge.stats.seasonality import HOUR_SECONDS, hour_weights
from tidegauge.stats.tables import Reference, Sample

__all__ = ["Monitor"]


class Monitor:
    """Watches one profile's features (or one shard's) under a policy.

    Parameters
    ----------
    profile
        The profile, or shard of one, whose counts come.
    policy
        The alarm policy; the default one if None.
    pairs
        (feature, statistic) pairs that may alarm in the whole deployment. A shard is given those of the
        whole profile (`Monitor.count_pairs`), so that all shards share one budget.
    pane_seconds
        Length of a pane. Pane ``i`` begins at ``i * pane_seconds`` after the epoch.
    timed
        Whether that is so. False where panes are so many rows each: then there are no hours of day, and a
        pane counts as one of `pane_seconds` for the budget.
    statistics
        What features are compared by, each a `tidegauge.stats.statistic.Statistic`.

    Examples
    --------
    >>> import tidegauge
    >>> rng = np.random.default_rng(1)
    >>> profile = tidegauge.Profile.fit(rng.normal(size=(10_000, 1)), feature_names=["x"])
    >>> monitor = tidegauge.Monitor(profile, tidegauge.Policy(design_effect=1))
    >>> for pane in range(20):
    ...     shift = 0.0 if pane < 10 else 1.0
    ...     monitor.add(pane, profile.count(rng.normal(shift, size=(500, 1))))
    >>> monitor.report(9).verdict.value, monitor.report(19).verdict.value
    ('Stable', 'Drifting')
    """

    def __init__(
        self,
        profile: Profile,
        policy: Policy | None = None,
        *,
        pairs: int | None = None,
        pane_seconds: float = PANE_SECONDS,
        timed: bool = True,
        statistics: Statistics = STATISTICS,
    ) -> None:
        self.profile = profile
        self.policy = policy or Policy()
        self.pane_seconds = pane_seconds
        self.timed = timed
        require_known_features(self.policy, profile)
        self.statistics = statistics
        self.reference = Reference(profile)
        self.evaluator = Evaluator(self.reference, pairs, statistics)
        self._has_hours = timed and pane_seconds <= HOUR_SECONDS and self.evaluator.has_hours
        self.windows = Windows(self.evaluator.width, self.policy.scales)
        self.alarms = Alarms(len(profile.monitored), self.policy.scales)
        self.latest = LatestLooks(self.policy.scales, len(profile.monitored))
        self.late_rows = 0
        self._newest_rows: int | None = None
        self._last_closed_rows: int | None = None
        self._pending: dict[int, IntArray] = {}
        self._budget = self.policy.budget(self.evaluator.pairs, pane_seconds)
        self._min_effect = np.array([[self.policy.floor(n, s) for n in profile.names] for s in SEVERITIES])
        self._learner = Learner(self.reference, self.policy.scales)
        self._hops = [hop_panes(scale) for scale in range(self.policy.scales)]
        self._set_design_effect()

    @staticmethod
    def count_pairs(profile: Profile) -> int:
        """Return (feature, statistic) pairs of a whole profile that may alarm."""
        return count_pairs(Reference(profile))

    # --- panes in --------------------------------------------------------------------------------------

    @property
    def evaluated_through(self) -> int | None:
        """The newest pane whose looks are done, None before the first."""
        return self.windows.frontier

    def add(self, pane_id: int, counts: Counts, panes: int = 1) -> None:
        """Take a pane's counts, in any order; counts of the same pane add up.

        Panes up to `evaluated_through` go into the blocks that are still kept: looks that are done stay as
        they are, later looks see them. Rows that no kept block holds are counted in `late_rows`.

        Parameters
        ----------
        pane_id
            The pane, or the first of several.
        counts
            Counted over this monitor's profile.
        panes
            Number of panes that the counts hold together: a power of two that `pane_id` is a multiple of.
            Only for rebuilding the past after `load_state`: such a block must lie before the newest ``4 *
            panes`` panes.

        Raises
        ------
        ProfileMismatch
            The counts are of another profile.
        PolicyError
            `pane_id` is no whole number, or `panes` no power of two that it is a multiple of.
        TypeError
            `counts` are none.
        """
        pane_id = whole_pane(pane_id)
        require_panes(pane_id, panes)
        require_counts(counts, self.profile)
        if not counts.rows:
            return
        frontier = self.windows.frontier
        self.note_rows(pane_id + panes - 1, is_closed=frontier is not None and pane_id <= frontier)
        if frontier is None or pane_id > frontier:
            self._keep(pane_id, counts)
            return
        raw = np.zeros(self.evaluator.width, dtype=np.int64)
        self.evaluator.fill(raw, counts, self.hours(pane_id, panes))
        if not self.windows.add(pane_id, self.evaluator.vector(raw), panes):
            self.late_rows += counts.rows

    def note_rows(self, pane: int, *, is_closed: bool) -> None:
        """Note that a pane has rows; `is_closed` where its looks are done."""
        self._newest_rows = pane if self._newest_rows is None else max(pane, self._newest_rows)
        if is_closed:
            before = self._last_closed_rows
            self._last_closed_rows = pane if before is None else max(pane, before)

    def _keep(self, pane: int, counts: Counts) -> None:
        raw = self._pending.get(pane)
        if raw is None:
            raw = self._pending[pane] = np.zeros(self.evaluator.width, dtype=np.int64)
        self.evaluator.fill(raw, counts, self.hours(pane))

    def hours(self, pane: int, panes: int = 1) -> IntArray | None:
        """Return weights of the hours of day, None where panes are longer than an hour or no times."""
        return hour_weights(pane, panes, self.pane_seconds) if self._has_hours else None

    # --- looks -----------------------------------------------------------------------------------------

    def advance(self, pane_id: int) -> None:
        """Do every look that has become due up to the end of pane `pane_id`, in order."""
        frontier = self.windows.frontier
        if frontier is None:
            frontier = min(min(self._pending, default=pane_id), pane_id) - 1
        while frontier < pane_id:
            frontier = min(self._next_pane(frontier), pane_id)
            self._step(frontier)

    def _next_pane(self, frontier: int) -> int:
        """The next pane to close: the following one, or the next with rows once all windows are empty."""
        newest = self._last_closed_rows
        if newest is not None and frontier - newest < self.windows.reach_panes:
            return frontier + 1
        return min((p for p in self._pending if p > frontier), default=1 << 62)

    def _step(self, pane: int) -> None:
        raw = self._pending.pop(pane, None)
        self.windows.close(pane, None if raw is None else self.evaluator.vector(raw))
        if raw is not None:
            self._last_closed_rows = pane
        due = [scale for scale, hop in enumerate(self._hops) if (pane + 1) % hop == 0]
        for look in self._look(due):
            self.alarms.update(look, self.floors)
            self.latest.take(look)
        if not self._ready:
            self._learn(pane, due, has_rows=raw is not None)

    def _look(self, scales: list[int]) -> list[Look]:
        windows = [self.windows.window(s) for s in scales]
        found = self.evaluator.evaluate(windows, self._budget.take(scales), self.design_effect[scales])
        firsts = [self.windows.first_pane(s) for s in scales]
        return [
            Look(s, first, first + window_panes(s) - 1, found.row(i))
            for i, (s, first) in enumerate(zip(scales, firsts, strict=True))
        ]

    # --- learning --------------------------------------------------------------------------------------

    def _learn(self, pane: int, due: list[int], *, has_rows: bool) -> None:
        for scale in due:
            if (pane + 1) % window_panes(scale) == 0:
                bins, expected = self.evaluator.bins(self.windows.window(scale))
                self._learner.add(scale, bins, expected, self.alarms.alarmed)
        is_new = has_rows and self._learner.end_pane()
        if self.baseline_seconds >= self.policy.learning_seconds:
            is_new = self._learner.done = True
        if is_new:
            self._set_design_effect()

    def _set_design_effect(self) -> None:
        shape = (self.policy.scales, len(self.profile.monitored))
        seconds = np.asarray(self.pane_seconds * 2.0 ** np.arange(self.policy.scales), dtype=np.float64)
        table, known = profile_table(self.profile.monitored, seconds)
        if self.policy.design_effect is not None:
            table, known = np.full(shape, self.policy.design_effect), np.ones(shape[1], dtype=bool)
        elif self._learner.done:
            table, known = np.where(known, table, self._learner.values()), np.ones_like(known)
        else:
            table = np.where(known, table, self._learner.guess)
        self.design_effect, self._known_effect = table, known
        self._ready = bool(known.all())
        raised = np.where(known, 0.0, LEARNING_FLOOR)
        self.floors = np.maximum(self._min_effect, raised)

    # --- verdicts out ----------------------------------------------------------------------------------

    def report(self, pane_id: int) -> Report:
        """Do every look due up to the end of pane `pane_id`, and say what is known then.

        Parameters
        ----------
        pane_id
            The newest pane that is over. An older one than in the last call does no looks.

        Raises
        ------
        PolicyError
            `pane_id` is no whole number.
        """
        return summarise(self.look(pane_id, whole=True), self.statistics)

    def look(self, pane_id: int, *, whole: bool = False) -> Findings:
        """Do every look due up to the end of pane `pane_id`, and return what is known then.

        Parameters
        ----------
        pane_id
            As in `report`.
        whole
            Whether reports and pods are made of it: they need samples and windows, which changes do not.

        Raises
        ------
        PolicyError
            `pane_id` is no whole number.
        """
        pane_id = whole_pane(pane_id)
        self.advance(pane_id)
        self._look_again()
        strongest, stale = self.latest.strongest(self.alarms), self.is_stale(pane_id)
        features = self._states(strongest, stale=stale)
        return Findings(
            pane=pane_id,
            pane_seconds=self.pane_seconds,
            profile=self.profile,
            policy=self.policy,
            pairs=self.evaluator.pairs,
            features=features,
            stale=stale,
            strongest=strongest,
            floor=self.floors[0],
            design_effect=self.design_effect[strongest.scale, np.arange(strongest.scale.size)],
            rows=self.latest.rows,
            late_rows=self.late_rows,
            baseline=self._baseline(),
            samples=self._samples(strongest) if whole else {},
            windows=self._windows(strongest, features) if whole else {},
        )

    def _samples(self, strongest: StrongestLooks) -> dict[int, Sample]:
        """Return the counts of each feature's leading window."""
        windows = {i: self.windows.window(s) for i, s in enumerate(strongest.scale.tolist()) if s >= 0}
        return {i: self.evaluator.sample(blocks, i) for i, blocks in windows.items()}

    def _windows(self, strongest: StrongestLooks, features: Sequence[State]) -> dict[int, WindowLook]:
        """Return the windows that pods are judged by, of the features that drift."""
        drifting = [i for i, state in enumerate(features) if state.verdict is Verdict.DRIFTING]
        return {
            scale: self.window(scale) for scale in {scale_for_pods(int(strongest.scale[i])) for i in drifting}
        }

    def window(self, scale: int) -> WindowLook:
        """Return the newest window of that scale."""
        first = self.windows.first_pane(scale)
        return WindowLook(
            panes=range(first, first + window_panes(scale)),
            sums=self.evaluator.sums([self.windows.window(scale)]),
            jury=self.evaluator.jury,
            alpha=float(self._budget.alpha[scale]),
            design_effect=self.design_effect[scale],
            floor=self.floors[0],
        )

    def _look_again(self) -> None:
        """Evaluate the windows whose last look is not known, as after `load_state`."""
        if unknown := self.latest.unknown_scales():
            for look in self._look(unknown):
                self.latest.take(look)

    def is_stale(self, pane_id: int) -> bool:
        """Return whether the newest pane with rows is too old, or there is none."""
        if self._newest_rows is None:
            return True
        return (pane_id - self._newest_rows) * self.pane_seconds > self.policy.stale_seconds

    def _states(self, strongest: StrongestLooks, *, stale: bool) -> tuple[State, ...]:
        """Return each feature's state, by what the last looks found."""
        # Rows may come without the prediction, which is not missing then: it was not asked.
        silent = stale | ~self.latest.heard
        blind = strongest.smallest_eps > self._min_effect[1]
        unsure = ~self._known_effect & strongest.detected & (strongest.lower > self._min_effect[0])
        return states(self.alarms, silent=silent, learning=blind | unsure)

    def _baseline(self) -> Baseline:
        known = self._ready and not self.baseline_seconds
        return Baseline(
            state="ready" if self._ready else "learning",
            seconds=self.baseline_seconds,
            of_seconds=0.0 if known else self.policy.learning_seconds,
        )

    @property
    def baseline_seconds(self) -> float:
        """Time with rows that the design effect has been learned from."""
        return self._learner.panes * self.pane_seconds

    @property
    def ready(self) -> bool:
        """Whether every feature's design effect is known."""
        return self._ready

    # --- restarts --------------------------------------------------------------------------------------

    def state(self) -> bytes:
        """Return the alarm state: small, to be stored after every report."""
        values = {
            "evaluated_through": self.windows.frontier,
            "newest_rows": self._newest_rows,
            "last_closed_rows": self._last_closed_rows,
            "late_rows": self.late_rows,
            "alarms": self.alarms.to_dict(),
        }
        return stored.to_bytes(self.profile, values)

    def baseline(self) -> bytes:
        """Return what the design effect is learned from, to be stored until `ready`, and once more then."""
        return stored.to_bytes(self.profile, {"learner": self._learner.to_dict()})

    def load_state(self, state: bytes, baseline: bytes | None = None) -> None:
        """Go on from a stored state; call it before anything is added, then add the stored panes.

        Raises
        ------
        WireError
            The bytes are no state of this version and number of features.
        ProfileMismatch
            It is that of another profile.
        """
        values = stored.read(state, self.profile)
        try:
            self.alarms.load(values["alarms"])
            self._newest_rows, self.late_rows = values["newest_rows"], int(values["late_rows"])
            self._last_closed_rows = values["last_closed_rows"]
            if values["evaluated_through"] is not None:
                self.windows.frontier = int(values["evaluated_through"])
        except (KeyError, TypeError, ValueError) as error:
            raise WireError(f"a monitor state that cannot be read: {error}") from error
        if baseline is not None:
            self._load_baseline(baseline)

    def _load_baseline(self, baseline: bytes) -> None:
        values = stored.read(baseline, self.profile)
        try:
            self._learner.load(values["learner"])
        except (KeyError, TypeError, ValueError) as error:
            raise WireError(f"a monitor's baseline that cannot be read: {error}") from error
        self._set_design_effect()
