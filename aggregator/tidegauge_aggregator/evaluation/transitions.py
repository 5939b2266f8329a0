"""Changes of verdict between two reports: the history."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tidegauge.protocol.names import Verdict
from tidegauge.report.model import FeatureReport, Report

__all__ = ["transitions"]


def transitions(before: Report | None, after: Report) -> Iterator[dict[str, Any]]:
    """Return the changes: the model first (`feature` None), then its features. At first all is `Unknown`."""
    was = (before.verdict, before.severity) if before else (Verdict.UNKNOWN, None)
    if (after.verdict, after.severity) != was:
        yield _transition(after, was[0], None)
    for name, feature in after.features.items():
        old = before.features.get(name) if before else None
        was = (old.verdict, old.severity) if old else (Verdict.UNKNOWN, None)
        if (feature.verdict, feature.severity) != was:
            yield _transition(after, was[0], feature)


def _transition(report: Report, was: Verdict, feature: FeatureReport | None) -> dict[str, Any]:
    about = feature or next(iter(report.drifting), None)
    verdict, severity = (feature or report).verdict, (feature or report).severity
    return {
        "pane": report.pane,
        "time": report.time(report.pane),
        "profile": report.profile,
        "feature": feature.name if feature else None,
        "verdict": verdict.value,
        "severity": severity.value if severity else None,
        "before": was.value,
        "statistic": about.statistic if about else None,
        "lower": about.lower if about else None,
        "window": about.window if about else None,
        "window_rows": about.window_rows if about else 0,
        "cause": about.cause if about else None,
    }
