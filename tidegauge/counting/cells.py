"""Values to cell counts: the hot loop.

A batch is sorted first, all its numeric columns in one call; then there are two ways.

*A batch that is not much shorter than the cut points:* the cut points are searched in the sorted batch. The
position of a cut point is the number of values below it, and these positions **add up** over batches, so one
search and one addition per feature is all there is to do; the differences that make cells of them are taken
when the counts are read. Further keys of the same search give the values beyond three standard deviations
and the values that are not missing (NaN sorts last). A value that equals a cut point is right at
its position, so one gathering finds those few cut points for which a second search counts the equal values.

*A shorter batch:* its values are searched in the cut points.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tidegauge.arrays import AnyFloatArray, IntArray
from tidegauge.profile.features import CategoricalFeature, Feature, NumericFeature

__all__ = ["BLOCK_ROWS", "CellCounter"]

BLOCK_ROWS: Final = 16_384  # longer batches are cut into blocks of so many rows: they stay in the cache
_SHORT: Final = 8  # a batch with fewer than cut points / _SHORT rows is searched in the cut points
_HEAD, _TAIL = 3, 1  # keys before the cut points (low, high, -inf) and after them (NaN)
_EDGES: Final = [0, 1, -1]  # those of low, high and NaN

Columns = Sequence[npt.NDArray[Any]] | npt.NDArray[Any]


class CellCounter:
    """Counts of rows over a list of features, added up in place.

    Parameters
    ----------
    features
        The features; column i of what is added belongs to the i-th.

    Attributes
    ----------
    rows
        Rows added so far.
    """

    def __init__(self, features: Sequence[Feature]) -> None:
        self.rows = 0
        starts = np.cumsum([0, *(feature.cells for feature in features)])
        self._total_cells = int(starts[-1])
        self._missing: IntArray = np.zeros(len(features), dtype=np.int64)
        groups: dict[str, list[tuple[int, NumericFeature]]] = {}
        self._parts: list[_Numeric | _Categorical] = []
        for position, feature in enumerate(features):
            if isinstance(feature, CategoricalFeature):
                self._parts.append(_Categorical(position, int(starts[position]), feature.cells))
            else:
                groups.setdefault(feature.dtype, []).append((position, feature))
        for dtype, group in groups.items():
            positions = [position for position, _ in group]
            self._parts.append(_Numeric(positions, [f for _, f in group], starts[positions].tolist(), dtype))

    def add(self, columns: Columns) -> None:
        """Add rows given column-wise.

        Parameters
        ----------
        columns
            One array of shape ``(n,)`` per feature, or an array of shape ``(features, n)``. Trailing
            features may be left out, and are then not counted.
        """
        rows = len(columns[0])
        for begin in range(0, rows, BLOCK_ROWS):
            part = slice(begin, begin + BLOCK_ROWS)
            for features in self._parts:
                features.add(columns, part)
        self.rows += rows

    def totals(self) -> tuple[IntArray, IntArray, IntArray]:
        """Return cells, missing and beyond of all rows so far, as in `Counts`; new arrays."""
        cells = np.zeros(self._total_cells, dtype=np.int64)
        missing, beyond = np.zeros_like(self._missing), np.zeros_like(self._missing)
        for part in self._parts:
            part.read(cells, missing, beyond)
        return cells, missing, beyond

    def clear(self) -> None:
        """Start again from no rows."""
        self.rows = 0
        for part in self._parts:
            part.clear()


class _Feature:
    """One numeric feature's cut points, ready to be searched, and its sums."""

    def __init__(self, position: int, feature: NumericFeature, start: int) -> None:
        self.position, self.start = position, start
        self.keys = _keys(feature)
        self.cuts = feature.cut_points
        self.edges = self.keys[_EDGES]
        self.short_rows = self.cuts.size // _SHORT
        self.ends: IntArray = np.zeros(self.keys.size, dtype=np.int64)
        self.points: IntArray = np.zeros(self.cuts.size, dtype=np.int64)
        # of short batches: values too low, not too high, present; and cells
        self.short_ends: IntArray = np.zeros(len(_EDGES), dtype=np.int64)
        self.short_cells: IntArray = np.zeros(feature.cells, dtype=np.int64)

    def add_long(self, values: AnyFloatArray) -> None:
        """Search the keys in sorted values."""
        ends = values.searchsorted(self.keys)
        self.ends += ends
        below = ends[_HEAD:-_TAIL]
        equal = values.take(below, mode="clip") == self.cuts
        if np.count_nonzero(equal):
            at = equal.nonzero()[0]
            self.points[at] += values.searchsorted(self.cuts[at], "right") - below[at]

    def add_short(self, values: AnyFloatArray) -> None:
        """Search sorted values in the cut points."""
        ends = values.searchsorted(self.edges)
        self.short_ends += ends
        values = values[: ends[-1]]
        below = self.cuts.searchsorted(values)
        cells = 2 * below + (self.cuts.take(below, mode="clip") == values)
        np.add.at(self.short_cells, cells, 1)

    def cells(self) -> IntArray:
        """Return values per cell."""
        cells = self.short_cells.copy()
        cells[::2] += np.diff(self.ends[_HEAD - 1 :])
        cells[1::2] += self.points
        cells[2::2] -= self.points
        return cells

    def clear(self) -> None:
        for array in (self.ends, self.points, self.short_ends, self.short_cells):
            array[:] = 0


class _Numeric:
    """The numeric features of one dtype, sorted together."""

    def __init__(
        self, positions: list[int], features: list[NumericFeature], starts: list[int], dtype: str
    ) -> None:
        self.positions, self.dtype = positions, dtype
        self.features = [_Feature(*one) for one in zip(positions, features, starts, strict=True)]
        self.rows: IntArray = np.zeros(len(features), dtype=np.int64)  # fewer where the column was left out

    def add(self, columns: Columns, part: slice) -> None:
        given = sum(position < len(columns) for position in self.positions)
        if not given:
            return
        block = self._block(columns, part, given)
        block.sort(axis=-1)
        rows = block.shape[1]
        self.rows[:given] += rows
        for values, feature in zip(block, self.features, strict=False):
            if rows < feature.short_rows:
                feature.add_short(values)
            else:
                feature.add_long(values)

    def _block(self, columns: Columns, part: slice, given: int) -> AnyFloatArray:
        """A new C-contiguous array of the features' columns, cast to their dtype."""
        positions = self.positions[:given]
        # a float64 too large for float32 is infinity there, for cut points and values alike
        with np.errstate(over="ignore"):
            if isinstance(columns, np.ndarray) and positions[-1] - positions[0] == given - 1:
                return np.array(columns[positions[0] : positions[-1] + 1, part], dtype=self.dtype, order="C")
            return np.array([columns[position][part] for position in positions], dtype=self.dtype, order="C")

    def read(self, cells: IntArray, missing: IntArray, beyond: IntArray) -> None:
        """Write the counts into their places in a whole profile's arrays."""
        for feature, rows in zip(self.features, self.rows.tolist(), strict=True):
            mine = feature.cells()
            cells[feature.start : feature.start + mine.size] = mine
            low, high, present = (feature.ends[_EDGES] + feature.short_ends).tolist()
            missing[feature.position] = rows - present
            beyond[feature.position] = low + present - high

    def clear(self) -> None:
        self.rows[:] = 0
        for feature in self.features:
            feature.clear()


def _keys(feature: NumericFeature) -> AnyFloatArray:
    """What is searched in a sorted batch: ``low, just above high, -inf, cut points, NaN``.

    The number of values below each is: too low ones; those not too high; none; as many as are below
    the cut point; all that are not missing.
    """
    low, high = np.array(feature.beyond_limits, dtype=feature.dtype)
    above = np.nan if np.isinf(high) else np.nextafter(high, np.inf, dtype=high.dtype)
    head = np.array([low, above, -np.inf], dtype=feature.dtype)
    return np.concatenate([head, feature.cut_points, np.array([np.nan], dtype=feature.dtype)])


class _Categorical:
    """One categorical feature, counted from codes."""

    def __init__(self, position: int, start: int, size: int) -> None:
        self.position, self.start = position, start
        self.counts: IntArray = np.zeros(size, dtype=np.int64)
        self.missing = 0

    def add(self, columns: Columns, part: slice) -> None:
        if self.position >= len(columns):
            return
        codes = columns[self.position][part]
        present = codes[~np.isnan(codes)]
        self.missing += codes.size - present.size
        other = self.counts.size - 1
        known = (present >= 0) & (present < other) & (present == np.floor(present))
        cell = np.where(known, present, other).astype(np.int64)
        self.counts += np.bincount(cell, minlength=self.counts.size)

    def clear(self) -> None:
        self.missing = 0
        self.counts[:] = 0

    def read(self, cells: IntArray, missing: IntArray, _beyond: IntArray) -> None:
        cells[self.start : self.start + self.counts.size] = self.counts
        missing[self.position] = self.missing
