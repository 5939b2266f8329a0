"""Reference data to a `Profile`: one pass over columns in memory, two passes over a file (`sources.py`)."""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from tidegauge.cells import CellCounter
from tidegauge.contract import PREDICTION
from tidegauge.errors import ProfileError, SchemaError
from tidegauge.frames import (
    Column,
    codes_of,
    epoch_seconds,
    floats_of,
    kind_of,
    named_column,
    read_columns,
)
from tidegauge.profile import (
    DTYPES,
    HOURS,
    MAX_CATEGORIES,
    CategoricalFeature,
    Feature,
    FloatArray,
    IntArray,
    NumericFeature,
    Profile,
    category_text,
)

__all__ = ["FitOptions", "choose_cut_points", "fit_profile"]


@dataclass(frozen=True)
class FitOptions:
    """The arguments of `Profile.fit`, which documents them."""

    cut_points: int = 1024
    feature_names: tuple[str, ...] | None = None
    prediction: Any = None
    time: Any = None
    hour_of_day: bool = False
    dtypes: dict[str, str] = field(default_factory=dict)
    categorical: frozenset[str] = frozenset()
    exclude: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if not 1 <= self.cut_points <= 1 << 20:
            raise ProfileError(f"cut_points={self.cut_points}: it must be 1 to {1 << 20}")
        for name, dtype in self.dtypes.items():
            if dtype not in DTYPES:
                raise ProfileError(f"dtypes[{name!r}]={dtype!r}: it must be one of {DTYPES}")
        if self.hour_of_day and self.time is None:
            raise ProfileError(
                "hour_of_day=True needs the rows' times: pass time=, a column's name or an array"
            )


@dataclass(frozen=True)
class Reference:
    """Columns of the reference, sorted by their part: features, prediction, times."""

    features: dict[str, Column]
    prediction: Column | None
    seconds: npt.NDArray[np.float64] | None
    rows: int


def fit_profile(data: Any, options: FitOptions) -> Profile:
    """Make a profile of a frame, an array, rows or a file; see `Profile.fit`."""
    reference = _reference(read_columns(data, options.feature_names), options)
    features = tuple(
        _fit_feature(name, column, reference, options) for name, column in reference.features.items()
    )
    prediction = None
    if reference.prediction is not None:
        prediction = _fit_feature(PREDICTION, reference.prediction, reference, options)
    return Profile(features, prediction, reference.rows)


def _reference(columns: dict[str, Column], options: FitOptions) -> Reference:
    rows = len(next(iter(columns.values()))) if columns else 0
    prediction = (
        None if options.prediction is None else named_column(columns, options.prediction, "prediction")
    )
    times = None if options.time is None else named_column(columns, options.time, "time")
    for what, column in (("prediction", prediction), ("time", times)):
        if column is not None and len(column) != rows:
            raise SchemaError(f"{what} has {len(column)} values for {rows} rows: one a row is needed")
    if rows == 0:
        raise ProfileError("no reference rows: a profile needs at least one")
    features = {name: columns[name] for name in _feature_names(list(columns), options)}
    return Reference(features, prediction, None if times is None else epoch_seconds(times), rows)


def _feature_names(columns: Sequence[str], options: FitOptions) -> list[str]:
    """The columns that are features, in order; raises `SchemaError` for names that no column has."""
    asked = {*options.exclude, *options.categorical, *options.dtypes} - {PREDICTION}
    unknown = sorted(({*(options.feature_names or ()), *asked}) - set(columns))
    if unknown:
        raise SchemaError(f"no columns {unknown}: there are {list(columns)}")
    apart = {
        *options.exclude,
        *(name for name in (options.time, options.prediction) if isinstance(name, str)),
    }
    names = [name for name in (options.feature_names or columns) if name not in apart]
    if not names:
        raise ProfileError("no features are left: every column is excluded, the time or the prediction")
    return names


def _fit_feature(name: str, column: Column, reference: Reference, options: FitOptions) -> Feature:
    if is_numeric(name, column, options):
        values = floats_of(column, _dtype(name, column, options))
        bare = numeric_feature(name, values, choose_cut_points(values, options.cut_points))
        return _counted(bare, values, reference, options)
    feature = _categorical_feature(name, column)
    return _counted(feature, codes_of(column, feature), reference, options)


def is_numeric(name: str, column: Column, options: FitOptions) -> bool:
    """Whether a column becomes a numeric feature; raises `SchemaError` for times, warns of mixed values."""
    if name in options.categorical:
        return False
    kind = kind_of(column)
    if kind == "time":
        raise SchemaError(
            f"column {name!r} holds times: exclude it (exclude=[{name!r}]) or use it as time={name!r}"
        )
    if kind == "mixed":
        warnings.warn(
            f"column {name!r} mixes numbers and texts: taken as categorical; clean it or name it in categorical=",
            stacklevel=2,
        )
    if kind == "empty":
        warnings.warn(f"column {name!r} has no values: nothing can drift but its missing rate", stacklevel=2)
    return kind in ("numeric", "empty")


def _dtype(name: str, column: Column, options: FitOptions) -> str:
    own = "float32" if column.values.dtype in (np.float32, np.float16) else "float64"
    return options.dtypes.get(name, own)


def choose_cut_points(values: FloatArray, limit: int) -> FloatArray:
    """All distinct values if there are at most `limit`, else the values at the ranks ``ceil(j m / (q + 1))``.

    So between two neighbours lies less than ``1 / (q + 1)`` of the reference, and each value with more than that is itself a cut
    point.
    """
    present = np.sort(values[~np.isnan(values)]) + values.dtype.type(0)  # -0.0 becomes 0.0
    distinct = np.unique(present)
    if distinct.size <= limit:
        return distinct
    j = np.arange(1, limit + 1, dtype=np.int64)
    ranks = -(-j * present.size // (limit + 1))
    return np.unique(present[ranks - 1])


def numeric_feature(name: str, values: FloatArray, cuts: FloatArray) -> NumericFeature:
    """A numeric feature with its moments, and all its values still to be counted."""
    present = values[~np.isnan(values)]
    mean, sd = _moments(present[np.isfinite(present)].astype(np.float64))
    return NumericFeature(
        name=name,
        dtype=str(values.dtype),
        cut_points=cuts,
        counts=np.zeros(2 * cuts.size + 1, dtype=np.int64),
        missing=0,
        mean=mean,
        sd=sd,
        min=float(present.min()) if present.size else math.nan,
        max=float(present.max()) if present.size else math.nan,
        beyond=0,
    )


def _moments(values: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Mean and population standard deviation, without overflow; exactly 0 where all values are equal."""
    if not values.size:
        return math.nan, math.nan
    if values.min() == values.max():
        return float(values[0]), 0.0
    _, exponent = np.frexp(np.abs(values).max())
    scaled = np.ldexp(values, -int(exponent))
    return math.ldexp(float(scaled.mean()), int(exponent)), math.ldexp(float(scaled.std()), int(exponent))


def _categorical_feature(name: str, column: Column) -> CategoricalFeature:
    tally: dict[str, int] = {}
    for value in column.values.tolist():
        text = category_text(value)
        if text is not None:
            tally[text] = tally.get(text, 0) + 1
    return categorical_feature(name, tally)


def categorical_feature(name: str, tally: dict[str, int]) -> CategoricalFeature:
    """A categorical feature of the most frequent texts, and all its values still to be counted."""
    kept = sorted(tally, key=lambda text: (-tally[text], text))[:MAX_CATEGORIES]
    total = sum(tally.values())
    if len(tally) > MAX_CATEGORIES and len(tally) > total // 2:
        warnings.warn(
            f"column {name!r} looks like an identifier, {len(tally)} distinct texts in {total} rows: exclude=[{name!r}]",
            stacklevel=2,
        )
    counts = np.zeros(len(kept) + 1, dtype=np.int64)
    return CategoricalFeature(name=name, categories=tuple(kept), counts=counts, missing=0)


def _counted(
    feature: Feature, values: npt.NDArray[Any], reference: Reference, options: FitOptions
) -> Feature:
    counter = CellCounter([feature])
    counter.add([values])
    hourly = None
    if options.hour_of_day and reference.seconds is not None:
        hourly = hourly_counts(feature, values, reference.seconds)
    return filled(feature, counter, hourly, distinct=int(np.unique(values[~np.isnan(values)]).size))


def hourly_counts(feature: Feature, values: npt.NDArray[Any], seconds: npt.NDArray[np.float64]) -> IntArray:
    """Counts per hour of day (UTC) and cell, shape ``(24, cells)``."""
    hours = (seconds // 3600 % HOURS).astype(np.int64)
    counts = np.zeros((HOURS, feature.cells), dtype=np.int64)
    for hour in range(HOURS):
        counter = CellCounter([feature])
        counter.add([values[hours == hour]])
        counts[hour] = counter.totals()[0]
    return counts


def filled(feature: Feature, counter: CellCounter, hourly: IntArray | None, distinct: int | None) -> Feature:
    """The feature with its reference counts."""
    cells, missing, beyond = counter.totals()
    shared: dict[str, Any] = {
        "counts": cells,
        "missing": int(missing[0]),
        "hourly": hourly,
        "distinct": distinct,
    }
    if isinstance(feature, NumericFeature):
        shared["beyond"] = int(beyond[0])
    return replace(feature, **shared)
