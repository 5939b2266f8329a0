"""The first pass over the reference, chunk by chunk: enough of each column to choose its cells."""

import math
import re
import warnings
from collections.abc import Iterable
from typing import Final

import numpy as np
import numpy.typing as npt

from tidegauge.arrays import AnyFloatArray, IntArray
from tidegauge.data.columns import Column, floats_of, value_types
from tidegauge.data.text_columns import require_no_times, warn_of_written_numbers
from tidegauge.errors import TidegaugeWarning
from tidegauge.fit.rounding import with_rounding_limits
from tidegauge.profile.features import (
    MAX_CATEGORIES,
    CategoricalFeature,
    NumericFeature,
    category_text,
)
from tidegauge.protocol.coercion import numeric_type
from tidegauge.protocol.names import PREDICTION
from tidegauge.telling import NOT_GIVEN, Argument, found

__all__ = ["CategoricalBuilder", "NumericBuilder", "choose_cut_points", "warn_of_mixture"]

MAX_TALLY: Final = 1_000_000  # distinct texts kept of one column; more are an identifier's anyway
_HALVES_SEED: Final = 2
_PRUNE: Final = 1.25  # a sample is cut back to its size when it is so many times larger
_MOSTLY: Final = 0.9  # of the texts are numbers, where the others are marks of missing values
_REPEATED: Final = 0.05  # an identifier's values return at most so often, as share of the rows
_IDENTIFIER_NAME: Final = re.compile(r"(^|[^a-z])id$|[a-z0-9]I[dD]$", re.ASCII)
_NUMBER: Final = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)


class NumericBuilder:
    """A numeric column: a uniform sample of its values, moments and limits, and few distinct values exactly.

    Parameters
    ----------
    name, dtype
        As of `NumericFeature`.
    limit
        At most so many cut points.
    sample
        Values to keep at most, None for all.
    typed
        Whether the data say what type the values are of; a CSV file does not.
    """

    def __init__(self, name: str, dtype: str, limit: int, sample: int | None, *, typed: bool = True) -> None:
        self.name, self.dtype, self.limit, self.sample = name, dtype, limit, sample
        self.whole = True  # whether the sample still is every value, in order
        self._typed, self._types = typed, set[type]()
        self._values: list[AnyFloatArray] = []
        self._priorities: list[npt.NDArray[np.float32]] = []
        self._held = self._present = 0
        self._distinct: AnyFloatArray | None = np.empty(0, dtype=dtype)
        self._moments = (0, 0.0, 0.0)
        self._min, self._max = math.inf, -math.inf
        self._rounded: int | None = None  # a whole number that a float64 cannot hold

    def add(self, column: Column, priorities: npt.NDArray[np.float32] | None) -> None:
        """Add a chunk's values; `priorities` are random and decide what is sampled."""
        self._types |= value_types(column)
        if self._rounded is None:
            self._rounded = next(filter(_is_rounded, _large_numbers(column)), None)
        values = floats_of(column, self.dtype)
        present = ~np.isnan(values)
        values = values[present]
        if not values.size:
            return
        self._values.append(values)
        self._held += values.size
        self._present += values.size
        self._min = min(self._min, float(values.min()))
        self._max = max(self._max, float(values.max()))
        if self.sample is not None and priorities is not None:
            self._moments = _joined(self._moments, values)
            self._distinct = self._with_distinct(values)
            self._priorities.append(priorities[present])
            if self._held > self.sample * _PRUNE:
                self._prune(self.sample)

    def _with_distinct(self, values: AnyFloatArray) -> AnyFloatArray | None:
        if self._distinct is None:
            return None
        distinct = np.union1d(self._distinct, values)
        return distinct if distinct.size <= self.limit else None

    def _prune(self, size: int) -> None:
        values, priorities = np.concatenate(self._values), np.concatenate(self._priorities)
        kept = np.argpartition(priorities, size)[:size]
        self._values, self._priorities = [values[kept]], [priorities[kept]]
        self._held, self.whole = size, False

    @property
    def empty(self) -> bool:
        """Whether no value was there."""
        return not self._held

    def feature(self) -> NumericFeature:
        """Return the feature with its cells, and all values still to be counted."""
        values = np.concatenate(self._values) if self._values else np.empty(0, dtype=self.dtype)
        if self.whole:
            distinct: AnyFloatArray | None = np.unique(values)
            mean, sd = _moments(values[np.isfinite(values)].astype(np.float64))
        else:
            distinct = self._distinct
            mean, sd = _closed(self._moments)
        self._warn_of_identifier(values, distinct if self.whole else None)
        few = distinct is not None and distinct.size <= self.limit
        cuts = distinct if few and distinct is not None else choose_cut_points(values, self.limit)
        if few and (wider := with_rounding_limits(cuts)).size <= self.limit:
            cuts = wider
        return NumericFeature(
            name=self.name,
            dtype=self.dtype,
            cut_points=cuts + np.zeros(1, dtype=self.dtype),  # -0.0 becomes 0.0
            counts=np.zeros(2 * cuts.size + 1, dtype=np.int64),
            missing=0,
            mean=mean,
            sd=sd,
            min=math.nan if self.empty else self._min,
            max=math.nan if self.empty else self._max,
            beyond=0,
            distinct=None if distinct is None else int(distinct.size),
            type=numeric_type(self._types) if self._typed else None,
        )

    def _warn_of_identifier(self, values: AnyFloatArray, distinct: AnyFloatArray | None) -> None:
        """Warn of whole numbers that hardly ever return and are numbered through, or are called an id.

        Measures in whole numbers are spared: of n draws from fewer than 2 n numbers at least a fifth return.
        """
        if self.name == PREDICTION:
            return
        many = self._present > MAX_CATEGORIES
        if many and (told := self._told_apart()) is not None:
            what = f"whole numbers so large that {self.dtype} tells {told} of them apart at most"
            _warn_of_identifier(self.name, what)
            return
        if self._rounded is not None:
            _warn_of_identifier(self.name, f"whole numbers such as {self._rounded}, which floats round")
            return
        if not many:
            return
        if self._max - self._min >= 2 * self._present and not _is_called_id(self.name):
            return
        if (values[:1000] != np.rint(values[:1000])).any():  # fractions: no need to sort
            return
        distinct = np.unique(values) if distinct is None else distinct
        # of a sample's pairs of equal values there are fewer than of all rows', in proportion
        repeated = (values.size - distinct.size) / values.size * (self._present / values.size)
        if repeated <= _REPEATED and np.isfinite(distinct).all() and (distinct == np.rint(distinct)).all():
            _warn_of_identifier(self.name, f"{self._present} whole numbers that hardly ever return")

    def _told_apart(self) -> int | None:
        """Floats in the values' range, where they lie farther apart than 1 and are scarce; else None."""
        ends = np.array([self._min, self._max], dtype=self.dtype)
        if not np.isfinite(ends).all() or self._min == self._max:
            return None
        step = float(np.spacing(np.abs(ends)).min())
        floats = (self._max - self._min) / step + 1
        return round(floats) if step > 1 and floats < 2 * self._present else None


def _large_numbers(column: Column) -> Iterable[int]:
    """Whole numbers of a column, where some may be beyond 2**53."""
    values = column.values
    if values.dtype.kind == "O":
        return (int(value) for value in values.tolist() if isinstance(value, int | np.integer))
    if values.dtype.kind not in "iu" or not values.size:
        return ()
    return values.tolist() if max(-int(values.min()), int(values.max())) > 2**53 else ()


def _is_rounded(number: int) -> bool:
    """Whether the number has more than the 53 binary digits of a float64."""
    beyond = abs(number).bit_length() - 53
    return beyond > 0 and number % (1 << beyond) != 0


def _is_called_id(name: str) -> bool:
    return bool(_IDENTIFIER_NAME.search(name) or _IDENTIFIER_NAME.search(name.lower()))


def _warn_of_identifier(name: str, what: str) -> None:
    said = found("rows", NOT_GIVEN, f"column {name!r} looks like an identifier ({what})", name)
    step = ("exclude it, ", Argument("exclude", [name]))
    warnings.warn(TidegaugeWarning("no drift can be seen on it", argument=said, step=step), stacklevel=3)


def choose_cut_points(values: AnyFloatArray, limit: int) -> AnyFloatArray:
    """Return the values at the ranks ``ceil(j m / (q + 1))`` for ``j = 1 ... q``, each once.

    Between two neighbours lies less than ``1 / (q + 1)`` of the values, and each value with more than that is
    itself a cut point.

    Parameters
    ----------
    values
        Shape ``(m,)``, without NaN, m at least 1.
    limit
        q.
    """
    ranks = -(-np.arange(1, limit + 1, dtype=np.int64) * values.size // (limit + 1))
    return np.unique(np.sort(values)[ranks - 1])


def _moments(values: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Mean and population standard deviation, without overflow; exactly 0 where all values are equal."""
    if not values.size:
        return math.nan, math.nan
    if values.min() == values.max():
        return float(values[0]), 0.0
    exponent = int(np.frexp(np.abs(values).max())[1])
    scaled = np.ldexp(values, -exponent)
    return math.ldexp(float(scaled.mean()), exponent), math.ldexp(float(scaled.std()), exponent)


def _joined(moments: tuple[int, float, float], values: AnyFloatArray) -> tuple[int, float, float]:
    """Number, mean and standard deviation of what was seen so far and `values` (Chan et al. 1979)."""
    finite = values[np.isfinite(values)].astype(np.float64)
    if not finite.size:
        return moments
    (n, mean, sd), m = moments, int(finite.size)
    new_mean, new_sd = _moments(finite)
    if n == 0:
        return m, new_mean, new_sd
    a, b = n / (n + m), m / (n + m)
    spread = math.hypot(math.sqrt(a) * sd, math.sqrt(b) * new_sd)
    apart = math.sqrt(a) * math.sqrt(b) * abs(mean / 2 - new_mean / 2) * 2
    return n + m, a * mean + b * new_mean, math.hypot(spread, apart)


def _closed(moments: tuple[int, float, float]) -> tuple[float, float]:
    n, mean, sd = moments
    return (mean, sd) if n else (math.nan, math.nan)


class CategoricalBuilder:
    """A categorical column: how often each text was there, for up to `MAX_TALLY` texts.

    Parameters
    ----------
    name
        As of `CategoricalFeature`.
    meant
        Whether it is known that texts are meant. If not, as in a CSV file, numbers among them are warned of.
    declared
        Whether the data or the caller say that the column is categorical, whatever its texts look like.
    """

    def __init__(self, name: str, *, meant: bool = True, declared: bool = True) -> None:
        self.name, self.meant, self.declared = name, meant, declared
        self._tally: dict[str, int] = {}
        self._texts_alone = True
        self._total = 0
        self._more = False

    def add(self, column: Column) -> None:
        """Add a chunk's values."""
        self._texts_alone &= not column.categorical and value_types(column) <= {str}
        for value, times in _value_counts(column):
            text = category_text(value)
            if text is None:
                continue
            self._total += times
            if text in self._tally or len(self._tally) < MAX_TALLY:
                self._tally[text] = self._tally.get(text, 0) + times
            else:
                self._more = True

    @property
    def empty(self) -> bool:
        """Whether no value was there."""
        return not self._total

    def feature(self) -> CategoricalFeature:
        """Return the feature of the most frequent texts, equal ones by alphabet."""
        if not self.declared:
            require_no_times(self.name, self._tally)
        self._warn()
        texts = sorted(self._tally)
        times = np.array([self._tally[text] for text in texts], dtype=np.int64)
        chosen, held_out = np.arange(times.size), None
        if times.size > MAX_CATEGORIES:
            chosen, held_out = _choose(times, self._total)
        kept = chosen[np.argsort(-times[chosen], kind="stable")]
        return CategoricalFeature(
            name=self.name,
            categories=tuple(texts[i] for i in kept),
            counts=np.append(times[kept], self._total - times[kept].sum()),
            missing=0,
            held_out=None if held_out is None else np.append(held_out[kept], held_out[-1]),
            distinct=None if self._more else times.size,
            type="text" if self._texts_alone else "category",
        )

    def _warn(self) -> None:
        if not self.declared and warn_of_written_numbers(self.name, self._tally):
            return
        numbers = sum(bool(_NUMBER.fullmatch(text)) for text in self._tally)
        mixed = 0 < numbers < len(self._tally)
        many = len(self._tally) > max(MAX_CATEGORIES, self._total // 2)
        if not many and not self._more:
            if mixed and not self.meant:
                warn_of_mixture(self.name)
        elif self.declared or not mixed or numbers < _MOSTLY * len(self._tally):
            more = "more than " if self._more else ""
            _warn_of_identifier(self.name, f"{more}{len(self._tally)} distinct texts in {self._total} rows")
        elif self._texts_alone:  # of other values the first rows have already shown it
            warn_of_mixture(self.name)


def _choose(times: IntArray, total: int) -> tuple[IntArray, IntArray]:
    """Choose categories by a random half of the rows, and hold the other half out.

    A fair coin for each row, so that what one half shows of a text says nothing of the other's luck. The
    coins are thrown for each text's rows at once, and always fall the same: the same texts, as often, in any
    order of rows, give the same choice.

    Parameters
    ----------
    times
        How often each text was there, in the order of the alphabet, shape ``(texts,)``.
    total
        Rows with a value, those of texts that are not in `times` too.

    Returns
    -------
    chosen
        At most `MAX_CATEGORIES` places in `times`, rising.
    held_out
        Rows held out of each text, and in a last place those of all texts that were not chosen.
    """
    coins = np.random.default_rng(_HALVES_SEED)
    choosing = coins.binomial(times, 0.5)
    untold = total - int(times.sum())
    first = np.argsort(-choosing, kind="stable")[:MAX_CATEGORIES]
    chosen = np.sort(first[choosing[first] > 0])  # a text of the other half alone was not seen by this one
    held_out = times - choosing
    others = held_out.sum() - held_out[chosen].sum() + untold - coins.binomial(untold, 0.5)
    return chosen, np.append(held_out, others)


def warn_of_mixture(name: str) -> None:
    """Warn of a column that holds numbers and texts."""
    step = (
        "clean it, pass ",
        Argument("dtypes", {name: "float32"}),
        " to take texts as missing, or ",
        Argument("categorical", [name]),
        " if texts are meant",
    )
    said = found("rows", NOT_GIVEN, f"column {name!r} mixes numbers and texts", name)
    warnings.warn(TidegaugeWarning("it is taken as categorical", argument=said, step=step), stacklevel=2)


def _value_counts(column: Column) -> Iterable[tuple[object, int]]:
    values = column.values
    if values.dtype.kind in "iufb":
        distinct, times = np.unique(values, return_counts=True)
        return zip(distinct.tolist(), times.tolist(), strict=True)
    return ((value, 1) for value in values.tolist())
