"""Rules between fields of one resource, each with the fields' paths in its message.

In the cluster the resource's definition has the same rules: `tidegauge.resource.cel`.
"""

from collections.abc import Iterator
from typing import Final

from tidegauge.resource.fields import METRIC_TYPES, bytes_of, quantity_of, seconds_of
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


def broken_rules(resource: DriftMonitoredModel) -> list[str]:
    """Messages of all rules between fields that the resource breaks; empty when it is sound."""
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


def _scaling(spec: Spec) -> Iterator[str]:
    scaling = spec.autoscaling
    if scaling is None:
        return
    if spec.replicas is not None:
        yield f"spec.replicas is {spec.replicas} and spec.autoscaling is set: only one of them may be"
    if scaling.min_replicas > scaling.max_replicas:
        yield (
            f"spec.autoscaling.minReplicas is {scaling.min_replicas}: "
            f"it must not be above maxReplicas, {scaling.max_replicas}"
        )
    yield from _metrics(scaling)


def _metrics(scaling: Autoscaling) -> Iterator[str]:
    for index, metric in enumerate(scaling.metrics):
        if metric.get("type") not in METRIC_TYPES:
            yield (
                f"spec.autoscaling.metrics[{index}].type is {told(metric.get('type'))}: "
                f"it must be one of {', '.join(METRIC_TYPES)}"
            )


def _budget(budget: Budget) -> Iterator[str]:
    if budget.period_seconds < 3600:
        yield f"spec.drift.budget.period is {budget.period}: it must be at least 1h"


def _effects(drift: Drift) -> Iterator[str]:
    common = drift.min_effect
    yield from _ordered("spec.drift.minEffect", common.warning, common.critical)
    seen: set[str] = set()
    for index, feature in enumerate(drift.per_feature):
        path = f"spec.drift.perFeature[{index}]"
        if feature.name in seen:
            yield f"{path}.name is {feature.name}: it is named twice"
        if feature.name in drift.features.exclude:
            yield f"{path}.name is {feature.name}: spec.drift.features.exclude names it too"
        seen.add(feature.name)
        yield from _ordered(f"{path}.minEffect", *_own_effect(feature, common))


def _own_effect(feature: PerFeature, common: MinEffect) -> tuple[float, float]:
    own = feature.min_effect
    return (
        common.warning if own.warning is None else own.warning,
        common.critical if own.critical is None else own.critical,
    )


def _ordered(path: str, warning: float, critical: float) -> Iterator[str]:
    if warning > critical:
        yield f"{path}.warning is {warning}: it must not be above critical, {critical}"


def _retention(aggregator: Aggregator) -> Iterator[str]:
    if aggregator.retention_seconds < LONGEST_WINDOW_SECONDS:
        yield f"spec.aggregator.retention is {aggregator.retention}: at least the longest window, 12h"


def _sizes(spec: Spec) -> Iterator[str]:
    log, volume = spec.drift.capture.log_size, spec.aggregator.storage.size
    if bytes_of(log) < bytes_of(SMALLEST_LOG):
        yield f"spec.drift.capture.logSize is {log}: it must be at least {SMALLEST_LOG}"
    if bytes_of(volume) < bytes_of(SMALLEST_VOLUME):
        yield f"spec.aggregator.storage.size is {volume}: it must be at least {SMALLEST_VOLUME}"


def _silence(thresholds: AlertThresholds) -> Iterator[str]:
    if thresholds.stale_seconds < seconds_of(SHORTEST_SILENCE):
        yield (
            f"spec.monitoring.prometheusRule.thresholds.staleAfter is {thresholds.stale_after}: "
            f"it must be at least {SHORTEST_SILENCE}"
        )


def _named_twice(path: str, names: tuple[str, ...]) -> Iterator[str]:
    for index, name in enumerate(names):
        if name in names[:index]:
            yield f"{path}[{index}] is {name}: it is named twice"


def _limits(path: str, resources: Resources) -> Iterator[str]:
    for name, request in resources.requests.items():
        limit = resources.limits.get(name)
        if limit is not None and quantity_of(request) > quantity_of(limit):
            yield f"{path}.requests.{name} is {request}: it must not be above the limit, {limit}"
