"""What the server counted, as Prometheus families. Only a scrape needs them, so no start waits for them."""

from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.metrics_core import (
    Metric as Family,
)
from prometheus_client.registry import Collector

from tidegauge.protocol.names import Metric
from tidegauge_serving.predict.metrics import Histogram, ServingMetrics

__all__ = ["Families", "make_registry"]


def make_registry(metrics: ServingMetrics) -> CollectorRegistry:
    """Return all that `/metrics` shows: the server's counts and its process."""
    registry = CollectorRegistry()
    registry.register(Families(metrics))
    ProcessCollector(registry=registry)
    return registry


class Families(Collector):
    """Collector of one server's counts.

    Parameters
    ----------
    counted
        What the server counts.
    """

    def __init__(self, counted: ServingMetrics) -> None:
        self._counted = counted

    def describe(self) -> Iterator[Family]:
        """Return nothing to check at registration: the names are ours."""
        return iter(())

    def collect(self) -> Iterator[Family]:
        """Yield the families, at a scrape."""
        yield from self._traffic()
        yield from self._values()
        yield from self._capture()
        yield self._gauge(
            Metric.SERVING_READY,
            "1 while the server answers predictions, else 0.",
            float(self._counted.ready),
        )

    def _traffic(self) -> Iterator[Family]:
        requests = {
            (protocol, str(code)): count for (protocol, code), count in self._counted.requests.items()
        }
        yield self._counter(
            Metric.SERVING_REQUESTS,
            "Prediction requests answered, by protocol and HTTP status.",
            requests,
            "protocol",
            "code",
        )
        errors = {(reason,): count for reason, count in self._counted.errors.items()}
        yield self._counter(Metric.SERVING_ERRORS, "Requests refused or failed, by reason.", errors, "reason")
        seconds = {(protocol,): histogram for protocol, histogram in self._counted.seconds.items()}
        yield self._histogram(
            Metric.SERVING_REQUEST_SECONDS,
            "Seconds from a request's headers to its answer.",
            seconds,
            "protocol",
        )

    def _values(self) -> Iterator[Family]:
        yield self._counter(Metric.SERVING_ROWS, "Rows predicted.", {(): self._counted.rows})
        yield self._counter(
            Metric.SERVING_HIGH_SCORE_ROWS,
            "Rows with a drift score above the threshold.",
            {(): self._counted.high_rows},
        )
        yield self._histogram(
            Metric.SERVING_ROW_SCORE,
            "Drift score of each row, the mean |z| of its numeric features.",
            {(): self._counted.scores},
        )
        if self._counted.predictions is not None:
            yield self._histogram(
                Metric.SERVING_PREDICTION,
                "Numeric predictions, in buckets that are quantiles of the profile.",
                {(): self._counted.predictions},
            )

    def _capture(self) -> Iterator[Family]:
        if self._counted.capture_counts is None or self._counted.log_bytes is None:
            return
        appended, dropped = self._counted.capture_counts()
        rows = {("appended",): appended, ("dropped",): dropped, ("unsampled",): self._counted.unsampled_rows}
        yield self._counter(Metric.CAPTURE_ROWS, "Rows answered, by outcome of the capture.", rows, "outcome")
        yield self._gauge(
            Metric.CAPTURE_LOG_BYTES,
            "Bytes in the capture log's folder.",
            float(self._counted.log_bytes()),
        )

    def _counter(self, name: Metric, text: str, values: Mapping[Any, int], *labels: str) -> Family:
        family = CounterMetricFamily(name, text, labels=("model", *labels))
        for key, value in values.items():
            family.add_metric((self._counted.model, *key), value)
        return family

    def _gauge(self, name: Metric, text: str, value: float) -> Family:
        family = GaugeMetricFamily(name, text, labels=("model",))
        family.add_metric((self._counted.model,), value)
        return family

    def _histogram(self, name: Metric, text: str, values: Mapping[Any, Histogram], *labels: str) -> Family:
        family = HistogramMetricFamily(name, text, labels=("model", *labels))
        for key, histogram in values.items():
            family.add_metric((self._counted.model, *key), histogram.buckets(), histogram.total)
        return family
