"""One feature of a reference profile: its cells, and what the reference counted in them.

A numeric feature with cut points ``r_1 < ... < r_k`` has ``2k + 1`` cells in order: below r_1, at r_1,
between r_1 and r_2, at r_2, ..., above r_k. A categorical feature has one cell per category and a last
one for every other value.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Final, Literal, TypeAlias

import numpy as np

from tidegauge.arrays import AnyFloatArray, IntArray
from tidegauge.errors import ProfileError
from tidegauge.protocol.coercion import TYPES_OF_KIND, ColumnType
from tidegauge.telling import found, told

__all__ = [
    "DISCRETE_LIMIT",
    "DTYPES",
    "HOURS",
    "MAX_CATEGORIES",
    "MAX_CUT_POINTS",
    "MAX_ROWS",
    "AnyFloatArray",
    "CategoricalFeature",
    "DesignEffect",
    "Feature",
    "IntArray",
    "NumericFeature",
    "category_text",
    "require",
    "written_text",
]

DTYPES: Final = ("float64", "float32")
DISCRETE_LIMIT: Final = 50  # with at most so many distinct numbers shares decide, not order
MAX_CATEGORIES: Final = 1024
MAX_CUT_POINTS: Final = 1 << 20
MAX_ROWS: Final = 1 << 40  # in counts of any kind: sums over all cells of a feature stay below 2**63
HOURS: Final = 24


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
        where = "design_effect"
        require(len(lengths) == len(values) > 0, where, "one value per length of window", values=values)
        require(
            all(math.isfinite(s) and s > 0 for s in lengths),
            where,
            "positive lengths of window",
            window_seconds=lengths,
        )
        is_rising = list(lengths) == sorted(set(lengths))
        require(is_rising, where, "rising lengths of window", window_seconds=lengths)
        require(
            all(math.isfinite(v) and v >= 1 for v in values), where, "values of at least 1", values=values
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class _Counted:
    """What a feature of either kind holds.

    Parameters
    ----------
    name
        The feature's name.
    counts
        Reference values per cell, int64, shape ``(cells,)``.
    missing
        Reference rows without a value.
    distinct
        Number of distinct reference values, None where it was too large to be known.
    hourly
        Reference values per hour of day (UTC) and cell, shape ``(24, cells)``, or None.
    design_effect
        How much rows of one time resemble each other, or None where the reference had no timestamps.
    type
        What the column was in the reference, which says what values are taken (`coercion`); None
        where it is not known. It decides no cell, and is no part of the profile's hash.
    """

    name: str
    counts: IntArray
    missing: int
    distinct: int | None = None
    hourly: IntArray | None = None
    design_effect: DesignEffect | None = None
    type: ColumnType | None = None

    @property
    def cells(self) -> int:
        """Number of cells."""
        return self.counts.size

    @cached_property
    def total(self) -> int:
        """Reference values, without the missing ones (m in the literature)."""
        return int(self.counts.sum())


@dataclass(frozen=True, eq=False, kw_only=True)
class NumericFeature(_Counted):
    """A numeric feature's cut points and what the reference counted between and at them, in ``2k + 1`` cells.

    Parameters
    ----------
    dtype
        ``float64`` or ``float32``: cut points and live values are cast to it before they are compared.
    cut_points
        Rising distinct values, shape ``(k,)``, of that dtype; infinities are ordinary values.
    mean, sd
        Mean and population standard deviation of the finite reference values; NaN without any.
    min, max
        Smallest and largest reference value; NaN without any.
    beyond
        Reference values with ``|z| > 3``: outside `beyond_limits`.
    name, counts, missing, distinct, hourly, design_effect, type
        As of every feature (`_Counted`).
    """

    kind: ClassVar[Literal["numeric"]] = "numeric"
    dtype: str
    cut_points: AnyFloatArray
    mean: float
    sd: float
    min: float
    max: float
    beyond: int

    def __post_init__(self) -> None:
        where = f"feature {self.name!r}"
        known = f"a dtype of {' or '.join(DTYPES)}, not {told(self.dtype)}"
        require(self.dtype in DTYPES, where, known, dtype=self.dtype)
        _freeze(self, "cut_points", np.dtype(self.dtype))
        cuts = self.cut_points
        is_short = cuts.ndim == 1 and cuts.size <= MAX_CUT_POINTS
        require(is_short, where, f"at most {MAX_CUT_POINTS} cut points", cut_points=cuts)
        is_rising = not np.isnan(cuts).any() and bool((cuts[1:] > cuts[:-1]).all())
        require(is_rising, where, "rising cut points", cut_points=cuts)
        _check_counts(self, 2 * cuts.size + 1)
        require(0 <= self.beyond <= self.total, where, "beyond between 0 and its values", beyond=self.beyond)
        require(not math.isinf(self.mean), where, "a finite mean", mean=self.mean)
        require(math.isnan(self.sd) or 0 <= self.sd < math.inf, where, "a finite sd from 0 on", sd=self.sd)

    @property
    def compared(self) -> IntArray:
        """Reference values per cell that live ones are compared with: all of them."""
        return self.counts

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
class CategoricalFeature(_Counted):
    """A categorical feature's categories and how often the reference had each.

    A cell for each category, and a last one for every other value.

    Parameters
    ----------
    categories
        Texts, most frequent first, at most `MAX_CATEGORIES`; a value is looked up by `category_text`.
    held_out
        Of `counts`, the rows that had no part in the choice of the categories; None where every text of the
        reference is a category, so that nothing was chosen.
    name, counts, missing, distinct, hourly, design_effect, type
        As of every feature (`_Counted`).

    Notes
    -----
    The most frequent texts of a sample are partly the luckiest ones: in the rows that chose them their share
    is too high. So live rows are compared with the rows held out, whose luck is their own.
    """

    kind: ClassVar[Literal["categorical"]] = "categorical"
    categories: tuple[str, ...]
    held_out: IntArray | None = None

    def __post_init__(self) -> None:
        where = f"feature {self.name!r}"
        names = self.categories
        require(len(names) <= MAX_CATEGORIES, where, f"at most {MAX_CATEGORIES} categories", categories=names)
        require(len(set(names)) == len(names), where, "categories that differ", categories=names)
        _check_counts(self, len(self.categories) + 1)
        if self.held_out is not None:
            _freeze(self, "held_out", np.dtype(np.int64))
            fits = self.held_out.shape == self.counts.shape
            within = fits and bool(((self.held_out >= 0) & (self.held_out <= self.counts)).all())
            rule = "rows held out in each cell, from 0 to its count"
            require(within, where, rule, held_out=self.held_out)

    @property
    def compared(self) -> IntArray:
        """Reference rows per cell that live ones are compared with: those held out, if any were."""
        return self.counts if self.held_out is None else self.held_out

    @cached_property
    def codes(self) -> dict[str, int]:
        """Index of each category's cell."""
        return {category: index for index, category in enumerate(self.categories)}

    def code(self, value: object) -> float:
        """Return a value as the capture log and `Profile.count_matrix` hold it.

        Returns
        -------
        float
            The category's index; the number of categories for any other value; NaN for a missing one.
        """
        text = category_text(value)
        if text is None:
            return math.nan
        if text not in self.codes:
            text = repr(float(value)) if isinstance(value, float) else written_text(text)
        return float(self.codes.get(text, len(self.categories)))


Feature: TypeAlias = NumericFeature | CategoricalFeature


def category_text(value: object) -> str | None:
    """Return the text under which a value is a category; None when it is missing.

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


def written_text(text: str) -> str:
    """Return the category of a number or truth value written as this text (``1.0``, ``true``).

    Files of texts do not say which of the two a field was, so a text that is no category may be the other.
    """
    if text in ("true", "TRUE", "false", "FALSE"):
        return text.capitalize()
    if text[-1:].isdigit() and ("." in text or "e" in text):
        try:
            number = float(text)
        except ValueError:
            return text
        return _number_text(number) if repr(number) == text else text
    return text


def _number_text(value: float) -> str:
    return str(int(value)) if value.is_integer() else repr(value)


def _freeze(feature: Feature, name: str, dtype: np.dtype[Any]) -> None:
    """Replace an array by a read-only copy of its own."""
    array = np.array(getattr(feature, name), dtype=dtype)
    array.setflags(write=False)
    object.__setattr__(feature, name, array)


def _check_counts(feature: Feature, cells: int) -> None:
    where = f"feature {feature.name!r}"
    require(bool(feature.name), where, "a name", name=feature.name)
    types = TYPES_OF_KIND[feature.kind]
    known = f"a type of {', '.join(types)}, not {told(feature.type)}"
    require(feature.type in (None, *types), where, known, type=feature.type)
    _freeze(feature, "counts", np.dtype(np.int64))
    counts = feature.counts
    require(counts.shape == (cells,), where, f"{cells} counts, one per cell", counts=counts)
    require(not (counts < 0).any(), where, "counts from 0 on", counts=counts)
    require(feature.missing >= 0, where, "missing values from 0 on", missing=feature.missing)
    if feature.hourly is not None:
        _freeze(feature, "hourly", np.dtype(np.int64))
        hourly = feature.hourly
        rule = f"hourly counts of {HOURS} hours and {cells} cells"
        require(hourly.shape == (HOURS, cells), where, rule, hourly=hourly)
        require(not (hourly < 0).any(), where, "hourly counts from 0 on", hourly=hourly)
        require(
            bool((hourly.sum(axis=0) == counts).all()),
            where,
            "hourly counts that sum to its counts",
            hourly=hourly,
        )


def require(holds: bool, where: str, rule: str, **given: object) -> None:
    """Raise a `ProfileError` that `where` must have what `rule` says, unless it holds.

    Parameters
    ----------
    holds, where, rule
        The condition, what must hold it, and in words.
    **given
        The one argument at fault, by its name.
    """
    if not holds:
        ((name, value),) = given.items()
        raise ProfileError(f"it must have {rule}", argument=found(name, value, where))
