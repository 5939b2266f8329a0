"""A monitor's report: verdicts, and of each feature's leading window all that people want to see."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from tidegauge.counting.ks import ks_two_sample
from tidegauge.monitor.alarms import Alarms
from tidegauge.monitor.latest import Best, Standing
from tidegauge.monitor.policy import Policy
from tidegauge.monitor.windows import Windows
from tidegauge.profile.features import NumericFeature
from tidegauge.profile.profile import Profile
from tidegauge.protocol.names import Severity, Verdict
from tidegauge.report.model import Baseline, FeatureReport, Report, by_urgency, published_share
from tidegauge.stats.evaluation import Evaluator
from tidegauge.stats.registry import Statistics, figures_of, leader_of, unknown_figures
from tidegauge.stats.tables import Sample, rounded_cells

__all__ = ["Judged", "outline", "summarise"]


class Judged(Protocol):
    """The input of a report: a monitor after its looks."""

    profile: Profile
    policy: Policy
    pane_seconds: float
    statistics: Statistics
    evaluator: Evaluator
    windows: Windows
    alarms: Alarms
    standing: Standing
    design_effect: npt.NDArray[np.float64]
    floors: npt.NDArray[np.float64]
    late_rows: int

    @property
    def ready(self) -> bool:
        """Whether the design effect of all features is known."""

    @property
    def baseline_seconds(self) -> float:
        """How long the design effect was learned."""

    def is_stale(self, pane_id: int, /) -> bool:
        """Whether the newest pane with rows is too old."""

    def verdicts(self, pane_id: int, /) -> list[Verdict]:
        """Each feature's verdict."""


def summarise(monitor: Judged, pane: int) -> Report:
    """The report at the end of a pane, from what the monitor's last looks found."""
    best = monitor.standing.best(monitor.alarms)
    features = [_with_figures(monitor, i, known, best) for i, known in enumerate(outline(monitor, pane))]
    stale = monitor.is_stale(pane)
    verdict, severity, since = Report.judge(features, stale=stale)
    return Report(
        verdict=verdict,
        severity=severity,
        since=since,
        pane=pane,
        pane_seconds=monitor.pane_seconds,
        rows=monitor.standing.rows,
        profile=monitor.profile.hash,
        features=by_urgency(features),
        baseline=Baseline(
            state="ready" if monitor.ready else "learning",
            seconds=monitor.baseline_seconds,
            of_seconds=0.0
            if monitor.ready and not monitor.baseline_seconds
            else monitor.policy.learning_seconds,
        ),
        late_rows=monitor.late_rows,
        stale=stale,
        hours_of_day=any(feature.hourly is not None for feature in monitor.profile.monitored),
        policy={**monitor.policy.to_dict(), "pairs": monitor.evaluator.pairs},
    )


def outline(monitor: Judged, pane: int) -> list[FeatureReport]:
    """Each feature's verdict, severity and since, without figures."""
    alarms = monitor.alarms
    unknown = unknown_figures(monitor.statistics)
    severities = [Severity.CRITICAL if critical else Severity.WARNING for critical in alarms.critical]
    return [
        FeatureReport(
            name=feature.name,
            kind=feature.kind,
            verdict=verdict,
            severity=severities[i] if verdict is Verdict.DRIFTING else None,
            since=int(alarms.since[0, i]) if verdict is Verdict.DRIFTING else None,
            floor=float(monitor.floors[0, i]),
        ).with_figures(unknown)
        for i, (feature, verdict) in enumerate(
            zip(monitor.profile.monitored, monitor.verdicts(pane), strict=True)
        )
    ]


def _with_figures(monitor: Judged, i: int, known: FeatureReport, best: Best) -> FeatureReport:
    scale = int(best.scale[i])
    if scale < 0:
        return known
    decided = replace(
        known,
        detected=bool(best.detected[i]),
        statistic=published_share(float(best.statistic[i])),
        lower=published_share(float(best.lower[i])),
        cause=best.cause[i],
        window=1 << scale,
        window_seconds=(1 << scale) * monitor.pane_seconds,
        window_rows=int(best.rows[i]),
        design_effect=float(monitor.design_effect[scale, i]),
    )
    return decided.with_figures(_figures(monitor, i, best))


def _figures(monitor: Judged, i: int, best: Best) -> dict[str, Any]:
    """Return everything that is worked out for the leading window only."""
    sample = monitor.evaluator.sample(monitor.windows.window(int(best.scale[i])), i)
    figures: dict[str, Any] = figures_of(sample, monitor.statistics)
    if not sample.is_comparable:
        return figures
    distance, noise = float(best.statistic[i]), float(best.noise[i])
    leader = leader_of(sample.kind, monitor.statistics)
    figures["pvalue"] = leader.pvalue(sample, distance, noise)
    figures["upper"] = published_share(distance + _slack(sample) + float(best.eps[i]))
    if (rounded := rounded_cells(sample.feature)).any():
        figures["rounded_rate"] = float(sample.cells[rounded].sum()) / sample.n
    return figures


def _slack(sample: Sample) -> float:
    """Return how much larger D over all values may be than D over the cells."""
    if not isinstance(sample.feature, NumericFeature):
        return 0.0
    ks = ks_two_sample(sample.cells, sample.feature.counts)
    return ks.upper - ks.statistic
