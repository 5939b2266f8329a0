"""A monitor's report: verdicts, and of each feature's leading window all that people want to see."""

from __future__ import annotations

from typing import Any

from tidegauge.counting.ks import ks_two_sample
from tidegauge.monitor.findings import Findings
from tidegauge.profile.features import NumericFeature
from tidegauge.report.model import FeatureReport, Report, by_urgency, published_share
from tidegauge.stats.registry import STATISTICS, Statistics, figures_of, leader_of, unknown_figures
from tidegauge.stats.tables import Sample, rounded_cells

__all__ = ["summarise"]


def summarise(findings: Findings, statistics: Statistics = STATISTICS) -> Report:
    """Make the report of what was found.

    Parameters
    ----------
    findings
        What the looks found; a feature without a sample has no figures.
    statistics
        What gives the figures.
    """
    features = [
        _feature(findings, i, findings.samples.get(i), statistics) for i in range(len(findings.features))
    ]
    verdict, severity, since = findings.states[None]
    return Report(
        verdict=verdict,
        severity=severity,
        since=since,
        pane=findings.pane,
        pane_seconds=findings.pane_seconds,
        rows=findings.rows,
        profile=findings.profile.hash,
        features=by_urgency(features),
        baseline=findings.baseline,
        late_rows=findings.late_rows,
        stale=findings.stale,
        hours_of_day=any(feature.hourly is not None for feature in findings.profile.monitored),
        policy={**findings.policy.to_dict(), "pairs": findings.pairs},
    )


def _feature(findings: Findings, i: int, sample: Sample | None, statistics: Statistics) -> FeatureReport:
    feature, state = findings.profile.monitored[i], findings.features[i]
    known: dict[str, Any] = {} if sample is None else _decision(findings, i)
    report = FeatureReport(
        name=feature.name,
        kind=feature.kind,
        verdict=state.verdict,
        severity=state.severity,
        since=state.since,
        floor=float(findings.floor[i]),
        **known,
    ).with_figures(unknown_figures(statistics))
    return report if sample is None else report.with_figures(_figures(findings, i, sample, statistics))


def _decision(findings: Findings, i: int) -> dict[str, Any]:
    """Return what the leading look says of a feature."""
    strongest, panes = findings.strongest, 1 << int(findings.strongest.scale[i])
    return {
        "detected": bool(strongest.detected[i]),
        "statistic": published_share(float(strongest.statistic[i])),
        "lower": published_share(float(strongest.lower[i])),
        "cause": strongest.cause[i],
        "window": panes,
        "window_seconds": panes * findings.pane_seconds,
        "window_rows": int(strongest.rows[i]),
        "design_effect": float(findings.design_effect[i]),
    }


def _figures(findings: Findings, i: int, sample: Sample, statistics: Statistics) -> dict[str, Any]:
    """Return everything that is worked out for the leading window only."""
    figures: dict[str, Any] = figures_of(sample, statistics)
    if not sample.is_comparable:
        return figures
    strongest = findings.strongest
    distance, leader = float(strongest.statistic[i]), leader_of(sample.kind, statistics)
    figures["pvalue"] = leader.pvalue(sample, distance, float(strongest.noise[i]))
    figures["upper"] = published_share(distance + _slack(sample) + float(strongest.eps[i]))
    if (rounded := rounded_cells(sample.feature)).any():
        figures["rounded_rate"] = float(sample.cells[rounded].sum()) / sample.n
    return figures


def _slack(sample: Sample) -> float:
    """Return how much larger D over all values may be than D over the cells."""
    if not isinstance(sample.feature, NumericFeature):
        return 0.0
    ks = ks_two_sample(sample.cells, sample.feature.counts)
    return ks.upper - ks.statistic
