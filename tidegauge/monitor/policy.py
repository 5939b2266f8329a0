"""The alarm policy: a budget of false alarms, effect floors, and what follows from them for each window.

With S scales of windows, K (feature, statistic) pairs that may alarm and N_w looks at scale w per period::

    alpha_w = false_alarms / (S * K * N_w)

so the expected number of looks that alarm falsely is at most `false_alarms` in every period, over all
features together, whatever their dependence and however windows overlap (`docs/statistics.md`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import numpy as np

from tidegauge.errors import PolicyError
from tidegauge.nearest import or_nearest
from tidegauge.protocol.duration import RULE, seconds_of
from tidegauge.protocol.names import Severity
from tidegauge.stats.evidence import Budget
from tidegauge.telling import Argument, told

__all__ = ["DEFAULT_MIN_EFFECT", "MAX_SCALES", "Policy", "duration_seconds"]

DEFAULT_MIN_EFFECT: Final[Mapping[str, float]] = {"warning": 0.05, "critical": 0.15}
LEARNING_FLOOR: Final = 0.1  # effect floor while the design effect is not known yet
MAX_SCALES: Final = 16

Duration = str | float


def duration_seconds(value: Duration, name: str = "a duration") -> float:
    """Return seconds of ``"720h"``, ``"30d"``, ``"5m"``, ``"10s"``, ``"1h30m"`` or of a number of seconds.

    Raises
    ------
    PolicyError
        The value is none of these, or not positive.

    Examples
    --------
    >>> duration_seconds("720h"), duration_seconds("30d"), duration_seconds("1h30m"), duration_seconds(10)
    (2592000.0, 2592000.0, 5400.0, 10.0)
    """
    if isinstance(value, str):
        seconds: float = seconds_of(value) or 0
    else:
        seconds = value if isinstance(value, int | float) and not isinstance(value, bool) else 0
    if not 0 < seconds < math.inf:
        rule = f"it must be above 0: {RULE}, or a number of seconds"
        raise PolicyError(rule, argument=name, value=value)
    return float(seconds)


@dataclass(frozen=True)
class Policy:
    """The false-alarm budget, and how far a feature must have moved to alarm.

    Parameters
    ----------
    false_alarms
        Expected false-alarm looks per `period` over the whole deployment, at most; independent rows assumed.
    period
        ``"720h"``, ``"30d"`` or seconds.
    min_effect
        The share of rows that must have moved, at least, by severity: ``{"warning": 0.05, "critical":
        0.15}``. 0 asks for significance only. A severity left out keeps its default.
    per_feature
        Other floors for some features, ``{"sqft": {"warning": 0.1}}``.
    scales
        Windows of 1, 2, 4, ... ``2 ** (scales - 1)`` panes.
    learning
        Time with rows after which the design effect is known from the live baseline.
    design_effect
        None: taken from the profile, else learned. A number from 1 on: that, at once, for all windows (1
        means that rows are independent).
    stale
        Age of the newest pane with rows above which the verdict is `Unknown`.

    Raises
    ------
    PolicyError
        A number breaks its rule.

    Examples
    --------
    >>> budget = Policy(false_alarms=1.0, period="720h").budget(pairs=1, pane_seconds=10)
    >>> [round(float(x), 2) for x in budget.deviation[[0, 2, 12]]]
    [2.8, 2.8, 2.1]
    """

    false_alarms: float = 1.0
    period: Duration = "720h"
    min_effect: Mapping[str, float] = field(default_factory=lambda: dict(DEFAULT_MIN_EFFECT))
    per_feature: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    scales: int = 13
    learning: Duration = "72h"
    design_effect: float | None = None
    stale: Duration = "5m"

    def __post_init__(self) -> None:
        _number("false_alarms", self.false_alarms, 0, 1e6, open_below=True)
        if type(self.scales) is not int or not 1 <= self.scales <= MAX_SCALES:
            rule = f"it must be a whole number from 1 to {MAX_SCALES}"
            raise PolicyError(rule, argument="scales", value=self.scales)
        for name in ("period", "learning", "stale"):
            duration_seconds(getattr(self, name), name)
        if self.design_effect is not None:
            _number("design_effect", self.design_effect, 1, 1e9)
        base = {**DEFAULT_MIN_EFFECT, **_floors(self.min_effect, "min_effect")}
        _ordered(base, "min_effect")
        object.__setattr__(self, "min_effect", base)
        if not isinstance(self.per_feature, Mapping):
            rule = "it must map feature names to their floors"
            raise PolicyError(rule, argument="per_feature", value=self.per_feature)
        own = {
            name: {**base, **_floors(floors, "per_feature", str(name))}
            for name, floors in self.per_feature.items()
        }
        for name, floors in own.items():
            _ordered(floors, "per_feature", str(name))
        object.__setattr__(self, "per_feature", own)

    @cached_property
    def period_seconds(self) -> float:
        """`period` in seconds."""
        return duration_seconds(self.period, "period")

    @cached_property
    def learning_seconds(self) -> float:
        """`learning` in seconds."""
        return duration_seconds(self.learning, "learning")

    @cached_property
    def stale_seconds(self) -> float:
        """`stale` in seconds."""
        return duration_seconds(self.stale, "stale")

    def floor(self, feature: str, severity: Severity) -> float:
        """Return the effect floor of one feature and severity, without what learning adds."""
        return self.per_feature.get(feature, self.min_effect)[severity.value]

    def budget(self, pairs: int, pane_seconds: float) -> Budget:
        """Return each scale's share of the false-alarm budget.

        Parameters
        ----------
        pairs
            (feature, statistic) pairs that may alarm in the whole deployment (K).
        pane_seconds
            Length of a pane: with it the number of looks per period is known.
        """
        widths = 2.0 ** np.arange(self.scales)
        looks = self.period_seconds / (pane_seconds * np.maximum(1, widths / 4))
        # A scale looked at less than once a period has no more than one look's chance in it.
        alpha = self.false_alarms / (self.scales * max(1, pairs) * np.maximum(1, looks))
        return Budget.of(np.minimum(alpha, 0.5))

    def to_dict(self) -> dict[str, Any]:
        """Return the policy as plain values, as a report shows it."""
        return {
            "false_alarms": self.false_alarms,
            "period_seconds": self.period_seconds,
            "min_effect": dict(self.min_effect),
            "per_feature": {name: dict(floors) for name, floors in self.per_feature.items()},
            "scales": self.scales,
            "learning_seconds": self.learning_seconds,
            "design_effect": self.design_effect,
            "stale_seconds": self.stale_seconds,
        }


def _number(name: str, value: object, low: float, high: float, *keys: str, open_below: bool = False) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not (is_number and low <= value <= high and not (open_below and value == low)):  # type: ignore[operator]
        rule = f"above {low} and at most {high:g}" if open_below else f"from {low} to {high:g}"
        raise PolicyError(f"it must be a number {rule}", argument=name, keys=keys, value=value)


def _floors(given: object, name: str, *keys: str) -> dict[str, float]:
    known = [severity.value for severity in Severity]
    if not isinstance(given, Mapping):
        rule = f"it must map {' and '.join(known)} to shares of rows from 0 to 1"
        raise PolicyError(rule, argument=name, keys=keys, value=given)
    if unknown := [severity for severity in given if severity not in known]:
        near = or_nearest(str(unknown[0]), known)
        key = Argument(name, keys=keys)
        raise PolicyError(f"{told(unknown[0])} is no severity", argument=key, step=near)
    for severity, value in given.items():
        _number(name, value, 0, 1, *keys, severity)
    return {str(severity): float(value) for severity, value in given.items()}


def _ordered(floors: Mapping[str, float], name: str, *keys: str) -> None:
    if floors["warning"] > floors["critical"]:
        warning, critical = (Argument(name, floors[each], (*keys, each)) for each in ("warning", "critical"))
        raise PolicyError(("it may not be above ", critical), argument=warning)
