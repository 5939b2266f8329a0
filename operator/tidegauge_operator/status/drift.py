"""`status.drift` from a report. Pure, like the whole status."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tidegauge.protocol.names import Extent, Severity, Verdict
from tidegauge.report.model import Coverage, FeatureReport, Report

__all__ = ["by_severity", "drift", "expected_pods", "located", "shards", "silent"]

Document = dict[str, Any]

TOP_FEATURES: Final = 5


def drift(report: Report, deployment: Document | None, before: Mapping[str, Any], now: str) -> Document:
    """Return the verdict with its figures; `before` is the last one written."""
    drifting = report.drifting
    same = before.get("verdict") == report.verdict.value
    return {
        "verdict": report.verdict.value,
        "since": report.time(report.since) or (before.get("since", now) if same else now),
        "rows": report.rows,
        "coverage": _coverage(report.coverage, deployment),
        "driftingFeatures": len(drifting),
        "topFeatures": [_top(feature) for feature in drifting[:TOP_FEATURES]],
    }


def _coverage(coverage: Coverage | None, deployment: Document | None) -> Document:
    if coverage is None:
        return {"pods": ""}
    expected = expected_pods(coverage, deployment)
    document: Document = {"pods": f"{coverage.pods_heard}/{'?' if expected is None else expected}"}
    if coverage.rows_ratio is not None:
        document["rows"] = round(coverage.rows_ratio, 4)
    return document


def shards(replicas: int, silent: int) -> Document:
    """Say how many shards of how many answer; nothing for a single one."""
    return {"shards": f"{max(0, replicas - silent)}/{replicas}"} if replicas > 1 else {}


def expected_pods(coverage: Coverage, deployment: Document | None) -> int | None:
    """Return the aggregator's number, but at most the wanted one: it learns later that pods were removed."""
    if coverage.pods_expected is None or deployment is None:
        return coverage.pods_expected
    wanted: int = deployment.get("spec", {}).get("replicas", 1)
    return min(coverage.pods_expected, max(wanted, coverage.pods_heard))


def by_severity(feature: FeatureReport) -> tuple[bool, str]:
    """Order by severity and name, not by size: figures change all the time."""
    return feature.severity is not Severity.CRITICAL, feature.name


def located(feature: FeatureReport) -> str:
    """Return the feature's name, with the pods that its drift is confined to."""
    return f"{feature.name} ({feature.where})" if feature.extent is Extent.CONFINED else feature.name


def _top(feature: FeatureReport) -> Document:
    document = {
        "name": feature.name,
        "statistic": round(feature.statistic or 0.0, 4),
        "lowerBound": round(feature.lower or 0.0, 4),
        "window": f"{round(feature.window_seconds or 0)}s",
    }
    # Names alone, and in no order of size: they change when something happened, figures all the time.
    confined = sorted({pod.pod for pod in feature.pods}) if feature.extent is Extent.CONFINED else []
    severity = {"severity": feature.severity.value} if feature.severity else {}
    return document | severity | ({"pods": confined} if confined else {})


def silent(before: Mapping[str, Any], now: str) -> Document:
    """Return the last verdict as `Unknown`, because no report comes any more."""
    if before["verdict"] == Verdict.UNKNOWN.value:
        return dict(before)
    return {
        "verdict": Verdict.UNKNOWN.value,
        "since": now,
        "rows": 0,
        "coverage": {"pods": ""},
        "driftingFeatures": 0,
        "topFeatures": [],
    }
