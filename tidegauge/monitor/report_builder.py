"""A monitor's report: verdicts, and of each feature's leading window all that people want to see."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from scipy.special import chdtrc, kolmogorov

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
from tidegauge.stats.statistics import g_test, jensen_shannon, psi, rank_mean, wasserstein
from tidegauge.stats.tables import STATISTICS, Reference, rounded_cells

__all__ = ["Judged", "outline", "summarise"]


class Judged(Protocol):
    """The input of a report: a monitor after its looks."""

    profile: Profile
    policy: Policy
    pane_seconds: float
    reference: Reference
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
        policy={**monitor.policy.to_dict(), "pairs": monitor.reference.pairs},
    )


def outline(monitor: Judged, pane: int) -> list[FeatureReport]:
    """Each feature's verdict, severity and since, without figures."""
    alarms = monitor.alarms
    severities = [Severity.CRITICAL if critical else Severity.WARNING for critical in alarms.critical]
    return [
        FeatureReport(
            name=feature.name,
            kind=feature.kind,
            verdict=verdict,
            severity=severities[i] if verdict is Verdict.DRIFTING else None,
            since=int(alarms.since[0, i]) if verdict is Verdict.DRIFTING else None,
            floor=float(monitor.floors[0, i]),
        )
        for i, (feature, verdict) in enumerate(
            zip(monitor.profile.monitored, monitor.verdicts(pane), strict=True)
        )
    ]


def _with_figures(monitor: Judged, i: int, known: FeatureReport, best: Best) -> FeatureReport:
    scale = int(best.scale[i])
    if scale < 0:
        return known
    return replace(
        known,
        detected=bool(best.detected[i]),
        statistic=published_share(float(best.statistic[i])),
        lower=published_share(float(best.lower[i])),
        cause=STATISTICS[int(best.cause[i])],
        window=1 << scale,
        window_seconds=(1 << scale) * monitor.pane_seconds,
        window_rows=int(best.rows[i]),
        design_effect=float(monitor.design_effect[scale, i]),
        **_measures(monitor, i, best),
    )


def _measures(monitor: Judged, i: int, best: Best) -> dict[str, Any]:
    """Everything that is worked out for the leading window only."""
    r, feature = monitor.reference, monitor.profile.monitored[i]
    cells, missing, beyond = monitor.evaluator.counts(monitor.windows.window(int(best.scale[i])), i)
    n = int(cells.sum())
    result: dict[str, Any] = {
        "missing_rate": missing / (n + missing) if n + missing else None,
        "reference_missing_rate": feature.missing / (feature.total + feature.missing),
    }
    if n == 0 or not r.known[i]:
        return result
    starts = r.bin_cells[r.bin_offsets[i] : r.bin_offsets[i + 1]] - r.offsets[i]
    live, reference = np.add.reduceat(cells, starts), np.add.reduceat(feature.compared, starts)
    index, g = psi(live, reference), g_test(live, reference)
    result |= {
        "g": g.statistic,
        "psi": index.statistic,
        "psi_noise": index.noise,
        "js": jensen_shannon(live, reference),
    }
    unseen = r.unseen_bins[r.bin_offsets[i] : r.bin_offsets[i + 1]]
    if not r.continuous[i]:
        result["unseen_rate"] = float(live[unseen].sum()) / n
    if i in r.rounded:
        result["rounded_rate"] = float(cells[rounded_cells(feature)].sum()) / n
    noise, scale = float(best.noise[i]), int(best.scale[i])
    eps = float(monitor.standing.eps(scale)[i])
    slack = 0.0
    if r.continuous[i]:
        result["pvalue"] = float(kolmogorov(best.statistic[i] / math.sqrt(noise)))
    else:
        thinned = g.statistic * (1 / n + 1 / r.m[i]) / noise
        result["pvalue"] = float(chdtrc(g.degrees, thinned)) if g.degrees else 1.0
    if isinstance(feature, NumericFeature):
        ks = ks_two_sample(cells, feature.counts)
        slack = ks.upper - ks.statistic
        result |= {"rank_mean": rank_mean(cells, feature.counts).statistic, "exceedance_rate": beyond / n}
        result["wasserstein"] = _wasserstein(feature, cells)
    result["upper"] = published_share(float(best.statistic[i]) + slack + eps)
    return result


def _wasserstein(feature: NumericFeature, cells: npt.NDArray[np.int64]) -> float | None:
    if not np.isfinite(feature.cut_points).all() or feature.cut_points.size < 2:
        return None
    return wasserstein(cells, feature.counts, feature.cut_points.astype(np.float64))
