"""The last reports as metrics: a few series per feature, never one per cell (`docs/metrics.md`)."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.core import Metric as Family
from prometheus_client.registry import Collector

from tidegauge.protocol.names import Metric, Severity, Verdict
from tidegauge.report.model import FeatureReport, Report
from tidegauge_aggregator.service.aggregator import Aggregator
from tidegauge_aggregator.service.queries import Queries
from tidegauge_aggregator.service.series import Series

__all__ = ["ReportCollector"]

_SEVERITIES = {None: 0, Severity.WARNING: 1, Severity.CRITICAL: 2}
_FEATURE_GAUGES = (
    (
        Metric.DRIFT_STATISTIC,
        "Kolmogorov-Smirnov D, or total variation distance of a categorical feature.",
        "statistic",
    ),
    (Metric.DRIFT_LOWER_BOUND, "Lower confidence bound of the share of rows that moved.", "lower"),
    (Metric.DRIFT_PVALUE, "P-value of one evaluation, without correction for multiple testing.", "pvalue"),
    (Metric.DRIFT_WINDOW_ROWS, "Rows in the window with the largest lower bound.", "window_rows"),
    (
        Metric.DRIFT_MISSING_RATIO,
        "Share of missing values in the window with the largest lower bound.",
        "missing_rate",
    ),
    (
        Metric.DRIFT_DESIGN_EFFECT,
        "Variance of shares relative to independent rows (design effect).",
        "design_effect",
    ),
)


class ReportCollector(Collector):
    """Makes metrics of each model's current report when it is asked.

    Parameters
    ----------
    aggregator
        Whose reports they are.
    """

    def __init__(self, aggregator: Aggregator) -> None:
        self._aggregator = aggregator
        self._queries = Queries(aggregator)

    def describe(self) -> list[Family]:
        """Return nothing: registering must not ask an aggregator that is not loaded yet."""
        return []

    def collect(self) -> Iterator[Family]:
        """Yield all families."""
        if not self._aggregator.is_ready:
            return
        current = {model: self._queries.current(model) for model in self._queries.names()}
        reports = {model: self._queries.report_of(model, series) for model, series in current.items()}
        yield from _verdicts(reports)
        yield from _features(reports)
        yield from _coverage(reports)
        yield from _rows({model: series for model, series in current.items() if series is not None})
        size = GaugeMetricFamily(Metric.AGGREGATOR_STORE_BYTES, "Bytes in use in the store.")
        size.add_metric([], self._aggregator.store_bytes)
        yield size


def _verdicts(reports: dict[str, Report]) -> Iterator[Family]:
    labels = ["model", "feature"]
    verdict = GaugeMetricFamily(
        Metric.DRIFT_VERDICT, "1 for the current verdict, 0 for the others.", labels=[*labels, "verdict"]
    )
    severity = GaugeMetricFamily(
        Metric.DRIFT_SEVERITY, "Severity of the drift: 0 none, 1 warning, 2 critical.", labels=labels
    )
    drifting = GaugeMetricFamily(Metric.DRIFT_FEATURES, "Features that drift.", labels=["model"])
    for model, report in reports.items():
        drifting.add_metric([model], len(report.drifting))
        of_all: list[tuple[str, Report | FeatureReport]] = [("", report), *report.features.items()]
        for name, found in of_all:
            severity.add_metric([model, name], _SEVERITIES[found.severity])
            for value in Verdict:
                verdict.add_metric([model, name, value.value], float(found.verdict is value))
    yield from (verdict, severity, drifting)


def _features(reports: dict[str, Report]) -> Iterator[Family]:
    for metric, text, field in _FEATURE_GAUGES:
        family = GaugeMetricFamily(metric, text, labels=["model", "feature"])
        for model, report in reports.items():
            for name, feature in report.features.items():
                value = getattr(feature, field)
                if value is not None:
                    family.add_metric([model, name], value)
        yield family


def _coverage(reports: dict[str, Report]) -> Iterator[Family]:
    pods = GaugeMetricFamily(
        Metric.COVERAGE_PODS, "Pods that sent panes, divided by pods expected.", labels=["model"]
    )
    rows = GaugeMetricFamily(
        Metric.COVERAGE_ROWS, "Rows counted, divided by rows answered.", labels=["model"]
    )
    age = GaugeMetricFamily(Metric.NEWEST_PANE_AGE, "Seconds since the newest pane ended.", labels=["model"])
    rows_age = GaugeMetricFamily(
        Metric.NEWEST_ROWS_AGE, "Seconds since the newest pane with rows ended.", labels=["model"]
    )
    for model, report in reports.items():
        coverage = report.coverage
        if coverage is None:
            continue
        if coverage.pods_expected:
            pods.add_metric([model], coverage.pods_heard / coverage.pods_expected)
        if coverage.rows_ratio is not None:
            rows.add_metric([model], coverage.rows_ratio)
        if coverage.newest_pane_age_seconds is not None:
            age.add_metric([model], coverage.newest_pane_age_seconds)
        if coverage.newest_rows_age_seconds is not None:
            rows_age.add_metric([model], coverage.newest_rows_age_seconds)
    yield from (pods, rows, age, rows_age)


def _rows(all_series: dict[str, Series]) -> Iterator[Family]:
    counted = CounterMetricFamily(Metric.AGGREGATOR_ROWS, "Rows counted.", labels=["model"])
    lost = CounterMetricFamily(
        Metric.AGGREGATOR_ROWS_LOST, "Rows answered but not counted, by reason.", labels=["model", "reason"]
    )
    for model, series in all_series.items():
        counted.add_metric([model], series.totals.counted)
        for reason, rows in series.totals.lost.items():
            lost.add_metric([model, reason], rows)
    yield from (counted, lost)
