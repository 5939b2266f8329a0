"""The monitor of one series, and what is stored of it. Once built, only the evaluating thread uses it."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tidegauge.counting.counts import Counts
from tidegauge.errors import TidegaugeError
from tidegauge.monitor.findings import Findings, changes
from tidegauge.monitor.monitor import Monitor
from tidegauge.monitor.pods import PodRows, name_pods
from tidegauge.monitor.policy import Policy
from tidegauge.monitor.report_builder import summarise
from tidegauge.profile.profile import Profile
from tidegauge.report.model import Report, State
from tidegauge_aggregator.domain.rows import EvaluationRow, SeriesRow, TransitionRow

__all__ = ["Result", "SeriesMonitor", "read_report"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Result:
    """The findings of an evaluation, and the part of them to store."""

    report: Report
    row: EvaluationRow


def read_report(data: bytes) -> Report | None:
    """Read a stored report; None where none is stored, or one that this version cannot read."""
    if not data:
        return None
    try:
        return Report.from_dict(json.loads(data))
    except (TidegaugeError, ValueError) as error:
        logger.warning("a stored report cannot be read, the next evaluation writes it again: %s", error)
        return None


class SeriesMonitor:
    """A monitor that can be stopped and built again without any difference.

    Parameters
    ----------
    row
        The series as stored: what an earlier monitor left.
    whole
        The whole profile, whose pairs share the budget.
    profile
        The profile, or this replica's shard of it.
    policy
        The alarm policy.
    """

    def __init__(self, row: SeriesRow, whole: Profile, profile: Profile, policy: Policy) -> None:
        self.policy = policy
        self._unknown = sorted(set(policy.per_feature) - set(whole.names))
        if self._unknown:
            logger.warning(
                "the policy names features %s, which profile %s does not have", self._unknown, whole.hash[:12]
            )
        self.monitor = Monitor(
            profile,
            _without(policy, self._unknown),
            pairs=Monitor.count_pairs(whole),
            pane_seconds=row.key.pane_seconds,
        )
        self.report: Report | None = None
        self._profile = row.key.profile
        self._late_rows = 0
        self._was_ready = False
        if row.state:
            self._load(row)
            self.monitor.windows.frontier = (
                row.evaluated
            )  # further on than the state where looks are left out

    def _load(self, row: SeriesRow) -> None:
        try:
            self.monitor.load_state(row.state, row.baseline or None)
            self.report = read_report(row.report)
        except TidegaugeError as error:
            logger.warning("the stored state of %s does not fit, its alarms begin again: %s", row.key, error)
        self._late_rows = self.monitor.late_rows
        self._was_ready = self.monitor.ready

    @property
    def reach_panes(self) -> int:
        """Older panes than that are in no window."""
        return self.monitor.windows.reach_panes

    def restored(self) -> None:
        """Count no row as late that was stored before the last evaluation."""
        self.monitor.late_rows = self._late_rows

    def evaluate(
        self, first: int, last: int, fresh: Sequence[tuple[int, Counts]], pods: Sequence[PodRows]
    ) -> Result:
        """Add panes and do every look from pane `first` to `last`; changes of verdict on the way are kept.

        Of what drifts at the end, `pods` says in which of them.
        """
        before = self.report
        for pane, counts in fresh:
            self.monitor.add(pane, counts)
        seen: Mapping[str | None, State] = before.states if before else {}
        found = list[TransitionRow]()
        for pane in range(first, last + 1):
            seen = self._look(pane, seen, found)
        findings = self.monitor.look(last, whole=True)
        self.report = name_pods(self._report(findings), findings, pods, before)
        return Result(self.report, self._row(last, found))

    def _look(
        self, pane: int, before: Mapping[str | None, State], found: list[TransitionRow]
    ) -> Mapping[str | None, State]:
        """Add a pane's changes to those found, and return the states after it."""
        findings, seconds = self.monitor.look(pane), (pane + 1) * self.monitor.pane_seconds
        found += [
            TransitionRow(pane, seconds, json.dumps(change.to_dict()).encode())
            for change in changes(before, findings, profile=self._profile, seconds=seconds)
        ]
        return findings.states

    def _report(self, findings: Findings) -> Report:
        """Return the report of the findings, completed from the whole profile."""
        report = summarise(findings, self.monitor.statistics)
        policy = {**report.policy, "unknown_features": self._unknown}
        return replace(report, profile=self._profile, policy=policy)

    def _row(self, pane: int, changes: Sequence[TransitionRow]) -> EvaluationRow:
        assert self.report is not None
        is_learned = self._was_ready
        self._was_ready = self.monitor.ready
        baseline = None if is_learned else self.monitor.baseline()
        report = json.dumps(self.report.to_dict()).encode()
        return EvaluationRow(pane, self.monitor.state(), baseline, report, changes)


def _without(policy: Policy, unknown: Sequence[str]) -> Policy:
    """The policy without floors for features that the profile does not have."""
    if not unknown:
        return policy
    known: Mapping[str, Any] = {
        name: floors for name, floors in policy.per_feature.items() if name not in unknown
    }
    return replace(policy, per_feature=known)
