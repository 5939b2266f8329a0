"""Rules between fields of one resource, each with the fields' paths in its message.

In the cluster the same rules stand as CEL in the resource's definition.
"""

from collections.abc import Iterator
from typing import Final

from tidegauge.resource.schema import (
    Aggregator,
    Budget,
    Drift,
    DriftMonitoredModel,
    MinEffect,
    PerFeature,
    Spec,
)

__all__ = ["broken_rules"]

LONGEST_WINDOW_SECONDS: Final = 12 * 3600  # 4096 panes of 10 s are 11.4 hours


def broken_rules(resource: DriftMonitoredModel) -> list[str]:
    """Messages of all rules between fields that the resource breaks; empty when it is sound."""
    spec = resource.spec
    return [*_scaling(spec), *_budget(spec.drift.budget), *_effects(spec.drift), *_retention(spec.aggregator)]


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
