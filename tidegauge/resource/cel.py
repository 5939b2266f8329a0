"""Rules between fields, as the API server keeps them: CEL in the resource's definition.

Each has a twin in `tidegauge.resource.rules`, except those that compare with the object before
(`oldSelf`), which only the API server has. `tests/apiserver/bad-input.yaml` holds both to the same verdicts.
"""

from typing import Any, Final, NamedTuple

from tidegauge.resource.fields import IN_WORDS, NAME_PATTERN
from tidegauge.resource.monitoring import AlertThresholds
from tidegauge.resource.rules import SHORTEST_SILENCE, SMALLEST_LOG, SMALLEST_VOLUME
from tidegauge.resource.schema import (
    Aggregator,
    Autoscaling,
    Budget,
    Capture,
    Drift,
    DriftMonitoredModel,
    MinEffect,
    Resources,
    Spec,
    Storage,
)

__all__ = ["RULES", "Rule"]


class Rule(NamedTuple):
    """One rule of a struct: the condition, the message if it is broken, and the field.

    Defaults are filled in before rules are looked at, but the API server also holds each default against them
    before it is filled in itself. So ``has`` guards them.
    """

    expression: str
    message: str
    field: str = ""
    reason: str = "FieldValueInvalid"

    def to_dict(self) -> dict[str, Any]:
        """Return an entry of ``x-kubernetes-validations``."""
        entry = {"rule": self.expression, "message": self.message, "reason": self.reason}
        return entry | ({"fieldPath": f".{self.field}"} if self.field else {})


def _lasts(name: str, least: str) -> str:
    """A duration's least length, below a day: CEL knows no days, and a duration with days is longer."""
    return f"!has(self.{name}) || self.{name}.contains('d') || duration(self.{name}) >= duration('{least}')"


def _at_least(field: str, least: str) -> Rule:
    return Rule(
        f"!has(self.{field}) || quantity(self.{field}).compareTo(quantity('{least}')) >= 0",
        f"must be at least {least}",
        field,
    )


_ORDERED: Final = "!has(self.warning) || !has(self.critical) || self.warning <= self.critical"
_FLOOR: Final = "(has(f.minEffect.{0}) ? f.minEffect.{0} : self.minEffect.{0})"
_WITHIN_LIMIT: Final = (
    "!has(self.requests) || !has(self.limits) || self.requests.all(r, !(r in self.limits) || "
    "quantity(string(self.requests[r])).compareTo(quantity(string(self.limits[r]))) <= 0)"
)
_NOT_SMALLER: Final = (
    "!has(self.size) || !has(oldSelf.size) || quantity(self.size).compareTo(quantity(oldSelf.size)) >= 0"
)
_SAME_CLASS: Final = (
    "has(self.storageClassName) == has(oldSelf.storageClassName) && "
    "(!has(self.storageClassName) || self.storageClassName == oldSelf.storageClassName)"
)

RULES: Final[dict[type, tuple[Rule, ...]]] = {
    DriftMonitoredModel: (
        Rule(
            f"self.metadata.name.matches('{NAME_PATTERN}')",
            f"metadata.name must be {IN_WORDS[NAME_PATTERN]}: the objects made for it are named after it",
        ),
    ),
    Spec: (
        Rule(
            "!has(self.replicas) || !has(self.autoscaling)",
            "only one of replicas and autoscaling may be set",
            "replicas",
            "FieldValueForbidden",
        ),
    ),
    Autoscaling: (
        Rule("self.minReplicas <= self.maxReplicas", "must not be above maxReplicas", "minReplicas"),
    ),
    Budget: (Rule(_lasts("period", "1h"), "must be at least 1h", "period"),),
    MinEffect: (Rule(_ORDERED, "must not be above critical", "warning"),),
    Drift: (
        Rule(
            f"!has(self.perFeature) || self.perFeature.all(f, {_FLOOR.format('warning')} <= "
            f"{_FLOOR.format('critical')})",
            "minEffect.warning must not be above critical; what is left out is as in spec.drift.minEffect",
            "perFeature",
        ),
        Rule(
            "!has(self.perFeature) || !has(self.features) || !has(self.features.exclude) || "
            "self.perFeature.all(f, !(f.name in self.features.exclude))",
            "must not name a feature that spec.drift.features.exclude names too",
            "perFeature",
        ),
    ),
    Capture: (_at_least("logSize", SMALLEST_LOG),),
    Storage: (
        _at_least("size", SMALLEST_VOLUME),
        Rule(_NOT_SMALLER, "may grow, not shrink", "size"),
        Rule(_SAME_CLASS, "cannot be changed once the volume is made", "storageClassName"),
    ),
    Aggregator: (
        Rule(
            _lasts("retention", "12h"),
            "must be at least the longest window, 12h",
            "retention",
        ),
    ),
    AlertThresholds: (
        Rule(
            _lasts("staleAfter", SHORTEST_SILENCE),
            f"must be at least {SHORTEST_SILENCE}",
            "staleAfter",
        ),
    ),
    Resources: (Rule(_WITHIN_LIMIT, "must not be above the limit of the same name", "requests"),),
}
