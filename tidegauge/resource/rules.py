"""Rules between fields of one resource, each with the fields' paths in its message.

In the cluster the resource's definition has the same rules: `tidegauge.resource.cel`.
"""

from collections.abc import Iterator
from typing import Final

from tidegauge.resource.fields import METRIC_TYPES, bytes_of, quantity_of, seconds_of
from tidegauge.resource.mistakes import Mistake
from tidegauge.resource.monitoring import AlertThresholds
from tidegauge.resource.schema import (
    Aggregator,
    Autoscaling,
    Budget,
    Drift,
    DriftMonitoredModel,
    MinEffect,
    PerFeature,
    Resources,
    Spec,
)
from tidegauge.telling import told

__all__ = ["broken_rules"]

LONGEST_WINDOW_SECONDS: Final = 12 * 3600  # 4096 panes of 10 s are 11.4 hours
SMALLEST_LOG: Final = "1Mi"  # one segment of the log
SMALLEST_VOLUME: Final = "16Mi"
SHORTEST_SILENCE: Final = "1m"  # a pane, its way, and the time between two scrapes


def broken_rules(resource: DriftMonitoredModel) -> list[Mistake]:
    """Return all rules between fields that the resource breaks; empty when it is sound."""
    spec = resource.spec
    return [
        *_scaling(spec),
        *_budget(spec.drift.budget),
        *_effects(spec.drift),
        *_retention(spec.aggregator),
        *_sizes(spec),
        *_silence(spec.monitoring.prometheus_rule.thresholds),
        *_named_twice("spec.drift.features.exclude", spec.drift.features.exclude),
        *_named_twice("spec.model.trustedTypes", spec.model.trusted_types),
        *_named_twice("spec.model.corsOrigins", spec.model.cors_origins),
        *_limits("spec.model.resources", spec.model.resources),
        *_limits("spec.drift.sidecar.resources", spec.drift.sidecar.resources),
        *_limits("spec.aggregator.resources", spec.aggregator.resources),
    ]


def _mistake(path: str, value: object, rule: str) -> Mistake:
    return Mistake(path, rule, value, f"{path} is {value}")


def _scaling(spec: Spec) -> Iterator[Mistake]:
    scaling = spec.autoscaling
    if scaling is None:
        return
    if spec.replicas is not None:
        words = f"spec.replicas is {spec.replicas} and spec.autoscaling is set"
        yield Mistake("spec.replicas", "only one of them may be", spec.replicas, words)
    if scaling.min_replicas > scaling.max_replicas:
        rule = f"it must not be above maxReplicas, {scaling.max_replicas}"
        yield _mistake("spec.autoscaling.minReplicas", scaling.min_replicas, rule)
    yield from _metrics(scaling)


def _metrics(scaling: Autoscaling) -> Iterator[Mistake]:
    for index, metric in enumerate(scaling.metrics):
        if metric.get("type") not in METRIC_TYPES:
            path, kind = f"spec.autoscaling.metrics[{index}].type", metric.get("type")
            rule = f"it must be one of {', '.join(METRIC_TYPES)}"
            yield Mistake(path, rule, kind, f"{path} is {told(kind)}")


def _budget(budget: Budget) -> Iterator[Mistake]:
    if budget.period_seconds < 3600:
        yield _mistake("spec.drift.budget.period", budget.period, "it must be at least 1h")


def _effects(drift: Drift) -> Iterator[Mistake]:
    common = drift.min_effect
    yield from _ordered("spec.drift.minEffect", common.warning, common.critical)
    seen: set[str] = set()
    for index, feature in enumerate(drift.per_feature):
        path = f"spec.drift.perFeature[{index}]"
        if feature.name in seen:
            yield _mistake(f"{path}.name", feature.name, "it is named twice")
        if feature.name in drift.features.exclude:
            yield _mistake(f"{path}.name", feature.name, "spec.drift.features.exclude names it too")
        seen.add(feature.name)
        yield from _ordered(f"{path}.minEffect", *_own_effect(feature, common))


def _own_effect(feature: PerFeature, common: MinEffect) -> tuple[float, float]:
    own = feature.min_effect
    return (
        common.warning if own.warning is None else own.warning,
        common.critical if own.critical is None else own.critical,
    )


def _ordered(path: str, warning: float, critical: float) -> Iterator[Mistake]:
    if warning > critical:
        yield _mistake(f"{path}.warning", warning, f"it must not be above critical, {critical}")


def _retention(aggregator: Aggregator) -> Iterator[Mistake]:
    if aggregator.retention_seconds < LONGEST_WINDOW_SECONDS:
        rule = "at least the longest window, 12h"
        yield _mistake("spec.aggregator.retention", aggregator.retention, rule)


def _sizes(spec: Spec) -> Iterator[Mistake]:
    log, volume = spec.drift.capture.log_size, spec.aggregator.storage.size
    if bytes_of(log) < bytes_of(SMALLEST_LOG):
        yield _mistake("spec.drift.capture.logSize", log, f"it must be at least {SMALLEST_LOG}")
    if bytes_of(volume) < bytes_of(SMALLEST_VOLUME):
        yield _mistake("spec.aggregator.storage.size", volume, f"it must be at least {SMALLEST_VOLUME}")


def _silence(thresholds: AlertThresholds) -> Iterator[Mistake]:
    if thresholds.stale_seconds < seconds_of(SHORTEST_SILENCE):
        path = "spec.monitoring.prometheusRule.thresholds.staleAfter"
        yield _mistake(path, thresholds.stale_after, f"it must be at least {SHORTEST_SILENCE}")


def _named_twice(path: str, names: tuple[str, ...]) -> Iterator[Mistake]:
    for index, name in enumerate(names):
        if name in names[:index]:
            yield _mistake(f"{path}[{index}]", name, "it is named twice")


def _limits(path: str, resources: Resources) -> Iterator[Mistake]:
    for name, request in resources.requests.items():
        limit = resources.limits.get(name)
        if limit is not None and quantity_of(request) > quantity_of(limit):
            rule = f"it must not be above the limit, {limit}"
            yield _mistake(f"{path}.requests.{name}", request, rule)
