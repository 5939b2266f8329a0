"""Values to cell counts: the hot loop.

A batch is sorted first, all its numeric columns in one call; then there are two ways.

*A batch that is not much shorter than the cut points:* the cut points are searched in the sorted batch. The
position of a cut point is the number of values below it, and these positions **add up** over batches, so one
search and one addition per feature is all there is to do; the differences that make cells of them are taken
when the counts are read. Further keys of the same search give the values beyond three standard deviations
and the values that are not missing (NaN sorts last). A value that equals a cut point stands right at
its position, so one gathering finds those few cut points for which a second search counts the equal values.

*A shorter batch:* its values are searched in the cut points.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tidegauge.profile import CategoricalFeature, Feature, FloatArray, IntArray, NumericFeature

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
        """Cells, missing and beyond of all rows so far, as in `Counts`; new arrays."""
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


class _Numeric:
    """The numeric features of one dtype, counted together."""

    def __init__(
        self, positions: list[int], features: list[NumericFeature], starts: list[int], dtype: str
    ) -> None:
        self.positions, self.features, self.starts, self.dtype = positions, features, starts, dtype
        self.keys = [_keys(feature) for feature in features]
        self.edges = [keys[_EDGES] for keys in self.keys]
        self.rows = [0] * len(features)  # rows whose keys were searched; less if the column was left out
        self.ends: list[IntArray] = [np.zeros(keys.size, dtype=np.int64) for keys in self.keys]
        self.points: list[IntArray] = [np.zeros(f.cut_points.size, dtype=np.int64) for f in features]
        # what short batches counted: below low, up to high, present; and cell by cell
        self.short_ends: list[IntArray] = [np.zeros(len(_EDGES), dtype=np.int64) for _ in features]
        self.direct: list[IntArray] = [np.zeros(f.cells, dtype=np.int64) for f in features]

    def add(self, columns: Columns, part: slice) -> None:
        given = sum(position < len(columns) for position in self.positions)
        if not given:
            return
        block = self._block(columns, part, given)
        block.sort(axis=-1)
        for index, row in enumerate(block):
            self._add_sorted(index, row)

    def _block(self, columns: Columns, part: slice, given: int) -> FloatArray:
        """A new C-contiguous array of the features' columns, cast to their dtype."""
        positions = self.positions[:given]
        # a float64 too large for float32 is infinity there, for cut points and values alike
        with np.errstate(over="ignore"):
            if isinstance(columns, np.ndarray) and positions[-1] - positions[0] == given - 1:
                return np.array(columns[positions[0] : positions[-1] + 1, part], dtype=self.dtype, order="C")
            return np.array([columns[position][part] for position in positions], dtype=self.dtype, order="C")

    def _add_sorted(self, index: int, values: FloatArray) -> None:
        self.rows[index] += values.size
        keys = self.keys[index]
        cuts = keys[_HEAD:-_TAIL]
        if values.size * _SHORT < cuts.size:
            self._add_short(index, values, cuts)
            return
        ends = values.searchsorted(keys)
        self.ends[index] += ends
        below = ends[_HEAD:-_TAIL]
        equal = values.take(below, mode="clip") == cuts
        if equal.any():
            at = equal.nonzero()[0]
            self.points[index][at] += values.searchsorted(cuts[at], "right") - below[at]

    def _add_short(self, index: int, values: FloatArray, cuts: FloatArray) -> None:
        found = values.searchsorted(self.edges[index])
        self.short_ends[index] += found
        values = values[: found[-1]]
        below = cuts.searchsorted(values)
        cell = 2 * below + (cuts.take(below, mode="clip") == values)
        np.add.at(self.direct[index], cell, 1)

    def clear(self) -> None:
        self.rows = [0] * len(self.rows)
        for array in (*self.ends, *self.points, *self.short_ends, *self.direct):
            array[:] = 0

    def read(self, cells: IntArray, missing: IntArray, beyond: IntArray) -> None:
        """Write the counts into their places in a whole profile's arrays."""
        for index, (position, start) in enumerate(zip(self.positions, self.starts, strict=True)):
            ends, points, direct = self.ends[index], self.points[index], self.direct[index]
            mine = cells[start : start + direct.size]
            mine[:] = direct
            mine[::2] += np.diff(ends[_HEAD - 1 :])
            mine[1::2] += points
            mine[2::2] -= points
            low, high, present = (ends[_EDGES] + self.short_ends[index]).tolist()
            missing[position] = self.rows[index] - present
            beyond[position] = low + present - high


def _keys(feature: NumericFeature) -> FloatArray:
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
