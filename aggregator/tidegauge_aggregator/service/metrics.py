"""Counters of the program itself; what the reports say is exposed by `metrics`."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram

from tidegauge.protocol.names import Metric

__all__ = ["AggregatorMetrics"]

_STORE_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
_EVALUATION_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1)


class AggregatorMetrics:
    """The program's own metrics.

    Parameters
    ----------
    registry
        Where the metrics are registered.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.panes = Counter(
            Metric.AGGREGATOR_PANES, "Panes received, by outcome.", ["model", "outcome"], registry=registry
        )
        self.refused = Counter(
            Metric.AGGREGATOR_REFUSED, "Requests refused, by reason.", ["reason"], registry=registry
        )
        self.evaluation_seconds = Histogram(
            Metric.AGGREGATOR_EVALUATION_SECONDS,
            "Seconds that one evaluation of a model takes, over all windows that are due.",
            buckets=_EVALUATION_BUCKETS,
            registry=registry,
        )
        self.store_seconds = Histogram(
            Metric.AGGREGATOR_STORE_SECONDS,
            "Seconds that one transaction of the store takes, disk included.",
            buckets=_STORE_BUCKETS,
            registry=registry,
        )
