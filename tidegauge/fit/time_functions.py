"""Features that are functions of the time: the hour, the sine of the time of day, a row's own time.

Rows of a few hours never have the distribution that such a feature has over the whole reference, so it would
alarm every day or be learned as noise. Its variance at one moment of a cycle is next to nothing beside its
variance over all: that is how it is recognised, from sums that add over parts of the rows.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tidegauge.errors import TidegaugeWarning
from tidegauge.profile.features import Feature, NumericFeature
from tidegauge.protocol.names import PREDICTION
from tidegauge.telling import NOT_GIVEN, Argument, found

__all__ = ["TimeFunctions"]

FloatArray = npt.NDArray[np.float64]

DAY_SECONDS: Final = 86_400
MOST_VARIANCE: Final = 0.01  # at one moment of a cycle, of the variance over all rows
LEAST_ROWS: Final = 10  # for each moment that has rows
LEAST_CYCLES: Final = 2
PART_ROWS: Final = 16_384  # that are looked at of each part of the rows
_SAMPLE_SEED: Final = 1


@dataclass(frozen=True, slots=True)
class _Cycle:
    """A cycle of the calendar, in UTC: how long it is and in how many moments it is looked at."""

    name: str
    seconds: int
    moments: int

    def moments_of(self, seconds: FloatArray) -> npt.NDArray[np.int64]:
        """Return the moment that each time lies in."""
        if self.name == "day of the month":
            days = seconds.astype("datetime64[s]").astype("datetime64[D]")
            return np.asarray(days - days.astype("datetime64[M]"), dtype=np.int64)
        return np.asarray(seconds % self.seconds * (self.moments / self.seconds), dtype=np.int64)


_DAY: Final = _Cycle("time of day", DAY_SECONDS, 96)
_CYCLES: Final = (
    _DAY,
    _Cycle("hour of the week", 7 * DAY_SECONDS, 168),
    _Cycle("day of the month", 31 * DAY_SECONDS, 31),
)


class TimeFunctions:
    """Sums of the numeric features at each moment of the calendar's cycles.

    Parameters
    ----------
    features
        What is monitored; categorical ones are left alone.
    hour_of_day
        Whether each hour of the day has a reference of its own. A feature that is constant in each hour is
        then as good as any other.
    """

    def __init__(self, features: Sequence[Feature], *, hour_of_day: bool) -> None:
        self._features = {i: f for i, f in enumerate(features) if isinstance(f, NumericFeature) and f.sd > 0}
        self._hour_of_day = hour_of_day
        self._random = np.random.default_rng(_SAMPLE_SEED)
        self._span = (np.inf, -np.inf)
        # by feature and cycle: rows, sum and sum of squares of each moment
        self._sums = {(i, c.name): np.zeros((3, c.moments)) for i in self._features for c in _CYCLES}
        self._against_time = {i: np.zeros(6) for i in self._features}

    def add(self, columns: Sequence[npt.NDArray[Any]], seconds: FloatArray) -> None:
        """Add rows.

        Parameters
        ----------
        columns
            Values of all features, each of shape ``(n,)``.
        seconds
            The rows' times, shape ``(n,)``, seconds since the epoch.
        """
        if not len(seconds) or not self._features:
            return
        self._span = (min(self._span[0], float(seconds.min())), max(self._span[1], float(seconds.max())))
        taken = self._random.random(len(seconds)) < PART_ROWS / len(seconds)
        seconds = seconds[taken]
        moments = {cycle.name: cycle.moments_of(seconds) for cycle in _CYCLES}
        for i, feature in self._features.items():
            values = (columns[i][taken].astype(np.float64) - feature.mean) / feature.sd
            known = np.isfinite(values)
            for cycle in _CYCLES:
                self._sums[i, cycle.name] += _sums(moments[cycle.name][known], values[known], cycle.moments)
            self._against_time[i] += _products(seconds[known] / DAY_SECONDS - 20_000, values[known])

    def found(self) -> dict[str, str]:
        """Return what the features that are functions of the time depend on, by the feature's name."""
        described = ((feature.name, self._described(i)) for i, feature in self._features.items())
        return {name: words for name, words in described if words}

    def warn(self) -> None:
        """Warn of each feature found, but not of the prediction: it cannot be left out."""
        for name, cycle in self.found().items():
            if name != PREDICTION:
                said = found("rows", NOT_GIVEN, f"feature {name!r} is a function of the {cycle}", name)
                rule = "rows of a few hours never look like the reference"
                step = ("leave it out with ", Argument("exclude", [name]))
                warnings.warn(TidegaugeWarning(rule, argument=said, step=step), stacklevel=2)

    def _described(self, i: int) -> str:
        if _is_line(self._against_time[i]):
            return "time itself"
        if self._hour_of_day and _share_within(_by_hour(self._sums[i, _DAY.name])) < 1e-9:
            return ""
        span_seconds = self._span[1] - self._span[0]
        return next(
            (
                cycle.name
                for cycle in _CYCLES
                if span_seconds >= LEAST_CYCLES * cycle.seconds
                and _share_within(self._sums[i, cycle.name]) < MOST_VARIANCE
            ),
            "",
        )


def _sums(moments: npt.NDArray[np.int64], values: FloatArray, size: int) -> FloatArray:
    weights = (None, values, values * values)
    return np.array([np.bincount(moments, each, minlength=size) for each in weights])


def _by_hour(sums: FloatArray) -> FloatArray:
    return np.asarray(sums.reshape(3, 24, -1).sum(axis=2))


def _share_within(sums: FloatArray) -> float:
    """Variance within moments over the variance of all; 1 where too few rows tell."""
    rows, total, squares = sums[:, sums[0] > 0]
    n = rows.sum()
    if len(rows) < 2 or n < LEAST_ROWS * len(rows):
        return 1.0
    within = max(0.0, float((squares - total**2 / rows).sum())) / (n - len(rows))
    overall = float(squares.sum() - total.sum() ** 2 / n) / (n - 1)
    return within / overall if overall > 0 else 1.0


def _products(x: FloatArray, y: FloatArray) -> FloatArray:
    return np.array([len(x), x.sum(), y.sum(), x @ x, y @ y, x @ y])


def _is_line(products: FloatArray) -> bool:
    """Whether y is next to a straight line over x: correlation squared above 0.9999."""
    n, x, y, xx, yy, xy = products
    if n < LEAST_ROWS:
        return False
    spread_x, spread_y, both = xx - x * x / n, yy - y * y / n, xy - x * y / n
    return bool(spread_x > 0 and spread_y > 0 and both**2 > 0.9999 * spread_x * spread_y)
