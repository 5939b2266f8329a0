"""The alarm policy that a resource asks for, in the form of `tidegauge.Policy`'s arguments."""

from typing import Any, Final

from tidegauge.resource.schema import Drift, DriftMonitoredModel, FeatureMinEffect, MinEffect

__all__ = ["policy_of"]

_NEVER: Final = {"warning": 1.0, "critical": 1.0}  # no distance is above 1: counted, and never an alarm


def policy_of(resource: DriftMonitoredModel) -> dict[str, Any]:
    """Return arguments of `tidegauge.Policy` as JSON, for the aggregator's configuration file."""
    drift = resource.spec.drift
    policy: dict[str, Any] = {
        "false_alarms": drift.budget.false_alarms,
        "period": drift.budget.period,
        "min_effect": _floors(drift.min_effect),
    }
    if per_feature := _per_feature(drift):
        policy["per_feature"] = per_feature
    return policy


def _per_feature(drift: Drift) -> dict[str, dict[str, float]]:
    common = _floors(drift.min_effect)
    own = {f.name: common | _floors(f.min_effect) for f in drift.per_feature}
    return own | dict.fromkeys(drift.features.exclude, _NEVER)


def _floors(effect: MinEffect | FeatureMinEffect) -> dict[str, float]:
    floors = {"warning": effect.warning, "critical": effect.critical}
    return {severity: floor for severity, floor in floors.items() if floor is not None}
