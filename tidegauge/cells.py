"""Values to cell counts: the hot loop.

Sorting a batch first makes the search fast: neighbouring keys take neighbouring paths through the cut points. Where the batch is
much longer than the cut points are, the cut points are searched in the sorted batch instead, and the differences of their
positions are the counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tidegauge.profile import CategoricalFeature, Feature, FloatArray, IntArray, NumericFeature

__all__ = ["BLOCK_ROWS", "CellCounter"]

BLOCK_ROWS: Final = 16_384  # longer batches are cut into blocks of so many rows: they stay in the cache


@dataclass(frozen=True)
class _Numeric:
    """One numeric feature, ready to be counted."""

    position: int
    start: int
    cuts: FloatArray
    low: Any
    high: Any


class CellCounter:
    """Counts of rows over a list of features, added up in place.

    Parameters
    ----------
    features
        The features; column i of what is added belongs to the i-th.

    Attributes
    ----------
    rows, cells, missing, beyond
        As in `Counts`, but they change with every `add`.
    """

    def __init__(self, features: Sequence[Feature]) -> None:
        self.rows = 0
        sizes = [feature.cells for feature in features]
        self._starts = np.cumsum([0, *sizes])
        self.cells: IntArray = np.zeros(int(self._starts[-1]), dtype=np.int64)
        self.missing: IntArray = np.zeros(len(features), dtype=np.int64)
        self.beyond: IntArray = np.zeros(len(features), dtype=np.int64)
        self._groups: dict[str, list[_Numeric]] = {}
        self._categorical: list[tuple[int, int, int]] = []
        for position, feature in enumerate(features):
            start = int(self._starts[position])
            if isinstance(feature, CategoricalFeature):
                self._categorical.append((position, start, feature.cells))
            else:
                self._groups.setdefault(feature.dtype, []).append(_prepared(feature, position, start))

    def add(self, columns: Sequence[npt.NDArray[Any]] | npt.NDArray[Any]) -> None:
        """Add rows given column-wise.

        Parameters
        ----------
        columns
            One array of shape ``(n,)`` per feature, or an array of shape ``(features, n)``; trailing features may be
            left out, and are then not counted.
        """
        rows = len(columns[0])
        for begin in range(0, rows, BLOCK_ROWS):
            part = slice(begin, begin + BLOCK_ROWS)
            self._add_block(columns, part)
        self.rows += rows

    def _add_block(self, columns: Sequence[npt.NDArray[Any]] | npt.NDArray[Any], part: slice) -> None:
        for dtype, group in self._groups.items():
            given = [feature for feature in group if feature.position < len(columns)]
            if given:
                self._add_numeric(_block([columns[f.position][part] for f in given], dtype), given)
        for position, start, size in self._categorical:
            if position < len(columns):
                self._add_categorical(columns[position][part], position, start, size)

    def _add_numeric(self, block: FloatArray, group: list[_Numeric]) -> None:
        block.sort(axis=-1)
        length = block.shape[1]
        present = length - np.isnan(block).sum(axis=-1)
        for row, feature, n in zip(block, group, present.tolist(), strict=True):
            values = row[:n]
            self.missing[feature.position] += length - n
            below = values.searchsorted(feature.low, "left")
            above = n - values.searchsorted(feature.high, "right")
            self.beyond[feature.position] += below + above
            self._add_sorted(values, feature)

    def _add_sorted(self, values: FloatArray, feature: _Numeric) -> None:
        cuts = feature.cuts
        cells = self.cells[feature.start : feature.start + 2 * cuts.size + 1]
        if values.size > 2 * cuts.size:
            ends = np.empty(cells.size + 1, dtype=np.int64)
            ends[0] = 0
            ends[1:-1:2] = values.searchsorted(cuts, "left")
            ends[2:-1:2] = values.searchsorted(cuts, "right")
            ends[-1] = values.size
            cells += np.diff(ends)
        else:
            cell = cuts.searchsorted(values, "left") + cuts.searchsorted(values, "right")
            cells += np.bincount(cell, minlength=cells.size)

    def _add_categorical(self, codes: npt.NDArray[Any], position: int, start: int, size: int) -> None:
        present = codes[~np.isnan(codes)]
        self.missing[position] += codes.size - present.size
        known = (present >= 0) & (present < size) & (present == np.floor(present))
        cell = np.where(known, present, size - 1).astype(np.int64)
        self.cells[start : start + size] += np.bincount(cell, minlength=size)


def _prepared(feature: NumericFeature, position: int, start: int) -> _Numeric:
    low, high = np.array(feature.beyond_limits, dtype=feature.dtype)
    return _Numeric(position, start, feature.cut_points, low, high)


def _block(columns: list[npt.NDArray[Any]], dtype: str) -> FloatArray:
    """A new C-contiguous array of the columns, cast to the features' dtype."""
    block: FloatArray = np.empty((len(columns), columns[0].size), dtype=dtype)
    with np.errstate(
        over="ignore"
    ):  # a float64 beyond float32 is infinity there, for cut points and values alike
        for row, column in zip(block, columns, strict=True):
            row[:] = column
    return block
