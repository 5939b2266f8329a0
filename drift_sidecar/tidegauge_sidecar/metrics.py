"""The sidecar's metrics, made when they are scraped (`docs/metrics.md`)."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.core import Metric as Family
from prometheus_client.registry import Collector

from tidegauge.counting.counts import Counts
from tidegauge.profile.profile import NumericFeature
from tidegauge.protocol.names import Lost, Metric

__all__ = ["SidecarCollector", "Snapshot", "send_seconds"]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The figures of the metrics at one moment; counters begin with the process."""

    rows: int
    lost: dict[str, int]
    closed: int
    acknowledged: int
    refused: int
    spool_panes: int
    spool_bytes: int
    lag_seconds: float
    corrupt_bytes: int
    window: Counts


class SidecarCollector(Collector):
    """Turns a snapshot into metrics; D is computed here, so only when somebody asks."""

    def __init__(self, registry: CollectorRegistry, model: str, snapshot: Callable[[], Snapshot]) -> None:
        self._model = model
        self._snapshot = snapshot
        registry.register(self)

    def describe(self) -> Iterable[Family]:
        """Return nothing before the first scrape."""
        return []

    def collect(self) -> Iterable[Family]:
        """Return all metrics but the histogram."""
        now = self._snapshot()
        lost = Counter({str(reason): 0 for reason in (Lost.FULL, Lost.CORRUPT, Lost.REFUSED)})
        lost.update(now.lost)
        panes = {"closed": now.closed, "acknowledged": now.acknowledged, "refused": now.refused}
        yield self._counter(Metric.SIDECAR_ROWS, "Rows counted in closed panes.", now.rows)
        yield self._counters(
            Metric.SIDECAR_ROWS_LOST, "Rows answered but not counted, by reason.", "reason", lost
        )
        yield self._counters(Metric.SIDECAR_PANES, "Panes, by result.", "result", panes)
        yield self._counter(
            Metric.SIDECAR_CORRUPT_BYTES,
            "Bytes of the capture log that could not be read.",
            now.corrupt_bytes,
        )
        yield self._gauge(
            Metric.SIDECAR_SPOOL_PANES,
            "Closed panes that not every aggregator has acknowledged.",
            now.spool_panes,
        )
        yield self._gauge(
            Metric.SIDECAR_SPOOL_BYTES,
            "Bytes of closed panes that not every aggregator has acknowledged.",
            now.spool_bytes,
        )
        yield self._gauge(
            Metric.SIDECAR_LAG_SECONDS,
            "Age in seconds of the oldest row that is not acknowledged.",
            now.lag_seconds,
        )
        yield self._gauge(
            Metric.SIDECAR_POD_ROWS, "Rows of this pod in the last 5 to 10 minutes.", now.window.rows
        )
        yield self._statistics(now.window)

    def _counter(self, name: Metric, text: str, value: float) -> Family:
        family = CounterMetricFamily(name, text, labels=["model"])
        family.add_metric([self._model], value)
        return family

    def _counters(self, name: Metric, text: str, label: str, values: dict[str, int] | Counter[str]) -> Family:
        family = CounterMetricFamily(name, text, labels=["model", label])
        for key, value in values.items():
            family.add_metric([self._model, key], value)
        return family

    def _gauge(self, name: Metric, text: str, value: float) -> Family:
        family = GaugeMetricFamily(name, text, labels=["model"])
        family.add_metric([self._model], value)
        return family

    def _statistics(self, window: Counts) -> Family:
        family = GaugeMetricFamily(
            Metric.SIDECAR_POD_STATISTIC,
            "Kolmogorov-Smirnov D of this pod's rows in the last 5 to 10 minutes.",
            labels=["model", "feature"],
        )
        for feature in window.profile.monitored:
            if window.rows and isinstance(feature, NumericFeature):
                family.add_metric([self._model, feature.name], window.ks(feature.name).statistic)
        return family


def send_seconds(registry: CollectorRegistry, model: str) -> Callable[[float], None]:
    """Return the histogram of how long a PUT takes, as a function that takes seconds."""
    histogram = Histogram(
        Metric.SIDECAR_SEND_SECONDS,
        "Seconds that one PUT to an aggregator takes.",
        labelnames=["model"],
        registry=registry,
        buckets=(0.005, 0.02, 0.1, 0.5, 1, 2, 5, 10),
    )
    return histogram.labels(model).observe
