"""The reference profile: what the training data looked like, and the cells that live rows are counted in.

A profile is a frozen value. It is made once, by `Profile.fit`, saved as one JSON file
(`docs/profile-format.md`) and identified by `Profile.hash`, a hash over everything that decides cells
and reference counts: counts are added only across equal hashes.

A numeric feature with cut points ``r_1 < ... < r_k`` has ``2k + 1`` cells in order: below r_1, at r_1,
between r_1 and r_2, at r_2, ..., above r_k. A categorical feature has one cell per category and a last
one for every other value.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from tidegauge.contract import PREDICTION
from tidegauge.errors import ProfileError

if TYPE_CHECKING:
    from tidegauge.counts import Counts

__all__ = [
    "DTYPES",
    "MAX_CATEGORIES",
    "CategoricalFeature",
    "DesignEffect",
    "Feature",
    "NumericFeature",
    "Profile",
    "category_text",
]

DTYPES: Final = ("float64", "float32")
MAX_CATEGORIES: Final = 1024
MAX_CUT_POINTS: Final = 1 << 20
MAX_ROWS: Final = 1 << 40  # in counts of any kind: sums over all cells of a feature stay below 2**63
HOURS: Final = 24

FloatArray: TypeAlias = npt.NDArray[np.floating[Any]]
IntArray: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class DesignEffect:
    """Variance of a window's proportions over that of independent rows, by length of window.

    Parameters
    ----------
    window_seconds
        Lengths of window in seconds, rising.
    values
        The design effect at each, at least 1.
    """

    window_seconds: tuple[float, ...]
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        lengths, values = self.window_seconds, self.values
        _require(len(lengths) == len(values) > 0, "design_effect", "one value per length of window")
        _require(
            all(math.isfinite(s) and s > 0 for s in lengths), "design_effect", "positive lengths of window"
        )
        _require(list(lengths) == sorted(set(lengths)), "design_effect", "rising lengths of window")
        _require(all(math.isfinite(v) and v >= 1 for v in values), "design_effect", "values of at least 1")


@dataclass(frozen=True, eq=False, kw_only=True)
class NumericFeature:
    """A numeric feature's cut points and what the reference counted between and at them.

    Parameters
    ----------
    name
        The feature's name.
    dtype
        ``float64`` or ``float32``: cut points and live values are cast to it before they are compared.
    cut_points
        Rising distinct values, shape ``(k,)``, of that dtype; infinities are ordinary values.
    counts
        Reference values per cell, int64, shape ``(2k + 1,)``.
    missing
        Reference rows without a value.
    mean, sd
        Mean and population standard deviation of the finite reference values; NaN without any.
    min, max
        Smallest and largest reference value; NaN without any.
    beyond
        Reference values with ``|z| > 3``: outside `beyond_limits`.
    distinct
        Number of distinct reference values, None where it was too large to be known.
    hourly
        Reference values per hour of day (UTC) and cell, shape ``(24, 2k + 1)``, or None.
    design_effect
        How much rows of one time resemble each other, or None where the reference had no timestamps.
    """

    kind: ClassVar[Literal["numeric"]] = "numeric"
    name: str
    dtype: str
    cut_points: FloatArray
    counts: IntArray
    missing: int
    mean: float
    sd: float
    min: float
    max: float
    beyond: int
    distinct: int | None = None
    hourly: IntArray | None = None
    design_effect: DesignEffect | None = None

    def __post_init__(self) -> None:
        where = f"feature {self.name!r}"
        _require(self.dtype in DTYPES, where, f"a dtype of {DTYPES}, not {self.dtype!r}")
        _freeze(self, "cut_points", np.dtype(self.dtype))
        cuts = self.cut_points
        _require(
            cuts.ndim == 1 and cuts.size <= MAX_CUT_POINTS, where, f"at most {MAX_CUT_POINTS} cut points"
        )
        _require(not np.isnan(cuts).any() and bool((cuts[1:] > cuts[:-1]).all()), where, "rising cut points")
        _check_counts(self, 2 * cuts.size + 1)
        _require(0 <= self.beyond <= self.total, where, "beyond between 0 and its values")
        _require(not math.isinf(self.mean), where, "a finite mean")
        _require(math.isnan(self.sd) or 0 <= self.sd < math.inf, where, "a finite sd from 0 on")

    @property
    def cells(self) -> int:
        """Number of cells, ``2k + 1``."""
        return self.counts.size

    @cached_property
    def total(self) -> int:
        """Reference values, without the missing ones (m in the literature)."""
        return int(self.counts.sum())

    @property
    def exact(self) -> bool:
        """Whether every distinct reference value is a cut point, so that D has no bracket."""
        return not self.counts[::2].any()

    @cached_property
    def beyond_limits(self) -> tuple[float, float]:
        """``mean - 3 sd`` and ``mean + 3 sd`` in the feature's dtype; values outside count as beyond.

        ``(-inf, inf)`` where the reference has no spread: then nothing is beyond.
        """
        if not self.sd > 0:
            return -math.inf, math.inf
        with np.errstate(over="ignore"):
            limits = np.array([self.mean - 3 * self.sd, self.mean + 3 * self.sd]).astype(self.dtype)
        return float(limits[0]), float(limits[1])


@dataclass(frozen=True, eq=False, kw_only=True)
class CategoricalFeature:
    """A categorical feature's categories and how often the reference had each.

    Parameters
    ----------
    name
        The feature's name.
    categories
        Texts, most frequent first, at most `MAX_CATEGORIES`; a value is looked up by `category_text`.
    counts
        Reference rows per category, and in a last cell those of every other value; int64, shape ``(c + 1,)``.
    missing, distinct, hourly, design_effect
        As for `NumericFeature`.
    """

    kind: ClassVar[Literal["categorical"]] = "categorical"
    name: str
    categories: tuple[str, ...]
    counts: IntArray
    missing: int
    distinct: int | None = None
    hourly: IntArray | None = None
    design_effect: DesignEffect | None = None

    def __post_init__(self) -> None:
        where = f"feature {self.name!r}"
        _require(len(self.categories) <= MAX_CATEGORIES, where, f"at most {MAX_CATEGORIES} categories")
        _require(len(set(self.categories)) == len(self.categories), where, "categories that differ")
        _check_counts(self, len(self.categories) + 1)

    @property
    def cells(self) -> int:
        """Number of cells: one per category and one for every other value."""
        return self.counts.size

    @cached_property
    def total(self) -> int:
        """Reference rows with a value."""
        return int(self.counts.sum())

    @cached_property
    def codes(self) -> dict[str, int]:
        """Index of each category's cell."""
        return {category: index for index, category in enumerate(self.categories)}

    def code(self, value: object) -> float:
        """A value as the tap log and `Profile.count_matrix` hold it.

        Returns
        -------
        float
            The category's index; the number of categories for any other value; NaN for a missing one.
        """
        text = category_text(value)
        return math.nan if text is None else float(self.codes.get(text, len(self.categories)))


Feature: TypeAlias = NumericFeature | CategoricalFeature


@dataclass(frozen=True, slots=True)
class Share:
    """Which features of which whole profile a shard holds."""

    profile: str
    index: int
    of: int


@dataclass(frozen=True, eq=False)
class Profile:
    """What the reference data looked like, feature by feature.

    Parameters
    ----------
    features
        The model's features in the model's order.
    prediction
        The model's prediction as one more feature, named `tidegauge.contract.PREDICTION`, or None.
    rows
        Reference rows.
    share
        Set for a shard only, by `shard`.
    """

    features: tuple[Feature, ...]
    prediction: Feature | None
    rows: int
    share: Share | None = None

    def __post_init__(self) -> None:
        names = [feature.name for feature in self.features]
        twice = sorted({name for name in names if names.count(name) > 1})
        _require(not twice, "a profile", f"feature names that differ, but has {twice} twice")
        _require(PREDICTION not in names, "a profile", f"{PREDICTION!r} for the model's prediction only")
        _require(bool(self.monitored), "a profile", "at least one feature")
        if self.prediction is not None:
            _require(self.prediction.name == PREDICTION, "a profile", f"a prediction named {PREDICTION!r}")
        for feature in self.monitored:
            where, total, distinct = f"feature {feature.name!r}", feature.total, feature.distinct
            complete = total + feature.missing == self.rows
            _require(complete, where, f"counts and missing that sum to the profile's {self.rows} rows")
            _require(
                distinct is None or 0 <= distinct <= total, where, f"distinct of at most its {total} values"
            )

    # --- what it holds ---------------------------------------------------------------------------------

    @cached_property
    def monitored(self) -> tuple[Feature, ...]:
        """The model's features, then the prediction if there is one: what counts are kept of."""
        return self.features if self.prediction is None else (*self.features, self.prediction)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the monitored features."""
        return tuple(feature.name for feature in self.monitored)

    @cached_property
    def positions(self) -> dict[str, int]:
        """Index of each monitored feature by name."""
        return {name: index for index, name in enumerate(self.names)}

    @cached_property
    def offsets(self) -> IntArray:
        """Where each monitored feature's cells begin, and the end of the last: int64, ``(features + 1,)``."""
        offsets = np.cumsum([0, *(feature.cells for feature in self.monitored)], dtype=np.int64)
        offsets.setflags(write=False)
        return offsets

    @property
    def total_cells(self) -> int:
        """Cells of all monitored features together."""
        return int(self.offsets[-1])

    def feature(self, name: str) -> Feature:
        """A monitored feature by its name; raises `ProfileError` for another name."""
        return self.monitored[self.position(name)]

    def position(self, name: str) -> int:
        """Index of a monitored feature; raises `ProfileError` for another name."""
        try:
            return self.positions[name]
        except KeyError:
            raise ProfileError(f"no feature {name!r} in this profile: it has {list(self.names)}") from None

    @cached_property
    def hash(self) -> str:
        """64 hexadecimal digits: equal for profiles that decide and count everything the same."""
        if self.share is not None:
            text = f"{self.share.profile}/{self.share.index}/{self.share.of}"
            return hashlib.sha256(text.encode()).hexdigest()
        from tidegauge.document import profile_hash

        return profile_hash(self)

    def __eq__(self, other: object) -> bool:
        return self.hash == other.hash if isinstance(other, Profile) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.hash)

    def __repr__(self) -> str:
        return f"Profile({len(self.monitored)} features, {self.rows} rows, hash {self.hash[:12]})"

    def shard(self, index: int, of: int) -> Profile:
        """Every `of`-th monitored feature from `index` on, as a profile of its own.

        Its hash derives from this profile's. A shard has no document: save the whole profile.
        """
        if self.share is not None:
            raise ProfileError("a shard of a shard: take shards of the whole profile")
        if not 0 <= index < of <= len(self.monitored):
            raise ProfileError(
                f"shard {index} of {of}: 1 to {len(self.monitored)} shards can be made of its features"
            )
        if of == 1:
            return self
        taken = self.monitored[index::of]
        prediction = taken[-1] if taken[-1] is self.prediction else None
        features = taken if prediction is None else taken[:-1]
        return Profile(features, prediction, self.rows, Share(self.hash, index, of))

    # --- rows to counts --------------------------------------------------------------------------------

    @staticmethod
    def fit(
        data: Any,
        cut_points: int = 1024,
        feature_names: Sequence[str] | None = None,
        *,
        prediction: Any = None,
        time: Any = None,
        hour_of_day: bool = False,
        dtypes: Mapping[str, str] | None = None,
        categorical: Sequence[str] = (),
        exclude: Sequence[str] = (),
    ) -> Profile:
        """Make the profile of reference data.

        Parameters
        ----------
        data
            pandas or polars frame, pyarrow table, ``(n, features)`` array, list of dicts, mapping of
            columns, or the path of a CSV or Parquet file (which may be larger than memory).
        cut_points
            At most so many cut points per numeric feature (q). With all distinct values kept D is
            exact, else it is known to ``1 / (q + 1)``.
        feature_names
            Names of an array's columns; of other data, the features to take, in the model's order.
        prediction
            The model's predictions on these rows: a column's name or an array of shape ``(n,)``.
        time
            The rows' times, a column's name or an array: seconds since the epoch, datetimes or ISO
            texts; UTC where no zone is given. The column is no feature. With it the profile states a
            design effect.
        hour_of_day
            Whether to keep the counts of each hour of the day (UTC) too; needs `time`.
        dtypes
            Serving dtype of numeric features, ``{"sqft": "float32"}``, where it is not that of the data.
        categorical
            Features to take as categorical although they hold numbers.
        exclude
            Columns that are no features.

        Raises
        ------
        ProfileError
            The data or an argument cannot make a profile.
        SchemaError
            A column is missing, twice there, or holds what no feature can hold.
        """
        from tidegauge.fitting import FitOptions, fit_profile

        options = FitOptions(
            cut_points=cut_points,
            feature_names=None if feature_names is None else tuple(feature_names),
            prediction=prediction,
            time=time,
            hour_of_day=hour_of_day,
            dtypes=dict(dtypes or {}),
            categorical=frozenset(categorical),
            exclude=frozenset(exclude),
        )
        return fit_profile(data, options)

    def count(self, rows: Any, *, prediction: Any = None) -> Counts:
        """Count rows: a frame, an ``(n, features)`` array, a list of dicts or a file.

        Parameters
        ----------
        rows
            As `data` of `fit`. Columns are found by name, those of an array by position.
        prediction
            The model's predictions on these rows, a column's name or an array; without it the column
            `prediction` is taken if there is one.

        Raises
        ------
        SchemaError
            A feature is not there, or the shape is another.
        """
        from tidegauge.counts import count_rows

        return count_rows(self, rows, prediction)

    def count_matrix(self, matrix: npt.NDArray[np.floating[Any]]) -> Counts:
        """Count rows as the tap log holds them.

        Parameters
        ----------
        matrix
            Shape ``(n, features)`` or, with the prediction as last column, ``(n, features + 1)``; NaN
            is missing, a category is its code.
        """
        from tidegauge.counts import Accumulator

        accumulator = Accumulator(self)
        accumulator.add(matrix)
        return accumulator.counts()

    # --- documents -------------------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """The profile's document; raises `ProfileError` for a shard."""
        from tidegauge.document import to_document

        return to_document(self)

    @staticmethod
    def from_dict(document: object) -> Profile:
        """Read a document; raises `ProfileError` naming the place where it breaks a rule."""
        from tidegauge.document import from_document

        return from_document(document)

    def to_bytes(self) -> bytes:
        """The document as JSON."""
        from tidegauge.document import encode

        return encode(self)

    @staticmethod
    def from_bytes(data: bytes) -> Profile:
        """Read a JSON document; raises `ProfileError` naming the place where it breaks a rule."""
        from tidegauge.document import decode

        return decode(data)

    def save(self, path: str | Path) -> None:
        """Write the document to a file."""
        Path(path).write_bytes(self.to_bytes())

    @staticmethod
    def load(path: str | Path) -> Profile:
        """Read a document's file; raises `ProfileError` when it is no profile or was changed."""
        try:
            return Profile.from_bytes(Path(path).read_bytes())
        except ProfileError as error:
            raise ProfileError(f"{path}: {error}") from error


def category_text(value: object) -> str | None:
    """The text under which a value is a category; None when it is missing.

    Whole numbers lose their decimal point (``3.0`` and ``3`` are one category), truth values are
    ``True`` and ``False``.
    """
    if isinstance(value, str):
        return str(value)
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return None
    if isinstance(value, float | np.floating):
        return None if math.isnan(value) else _number_text(float(value))
    return str(value)


def _number_text(value: float) -> str:
    return str(int(value)) if value.is_integer() else repr(value)


def _freeze(feature: Feature, name: str, dtype: np.dtype[Any]) -> None:
    """Replace an array by a read-only copy of its own."""
    array = np.array(getattr(feature, name), dtype=dtype)
    array.setflags(write=False)
    object.__setattr__(feature, name, array)


def _check_counts(feature: Feature, cells: int) -> None:
    where = f"feature {feature.name!r}"
    _require(bool(feature.name), where, "a name")
    _freeze(feature, "counts", np.dtype(np.int64))
    _require(feature.counts.shape == (cells,), where, f"{cells} counts, one per cell")
    _require(not (feature.counts < 0).any() and feature.missing >= 0, where, "counts from 0 on")
    if feature.hourly is not None:
        _freeze(feature, "hourly", np.dtype(np.int64))
        hourly = feature.hourly
        _require(hourly.shape == (HOURS, cells), where, f"hourly counts of shape {(HOURS, cells)}")
        _require(not (hourly < 0).any(), where, "hourly counts from 0 on")
        _require(
            bool((hourly.sum(axis=0) == feature.counts).all()), where, "hourly counts that sum to its counts"
        )


def _require(holds: bool, where: str, rule: str) -> None:
    if not holds:
        raise ProfileError(f"{where} must have {rule}")
