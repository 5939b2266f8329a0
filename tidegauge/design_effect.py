"""Design effect: how much more a window's proportions vary than those of independent rows (Kish).

At about 15 interior cut points (or categories), over disjoint windows of one length with n_k rows, c_k of them below the cut::

    deff = sum_k n_k (p_k - p)^2 / ((W - 1) p (1 - p)),   p_k = c_k / n_k,  p = sum c_k / sum n_k

averaged over the cut points. 1 for independent rows; larger for duplicates, retries, batch scoring, sessions, weather. Where
the reference has hours of day, c_k is what is above the hour's expectation. A heuristic without a finite-sample theorem.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tidegauge.profile import DesignEffect, Feature
from tidegauge.reference import Reference

__all__ = ["MIN_WINDOWS", "Accumulator", "profile_table"]

MIN_WINDOWS: Final = 12  # fewer disjoint windows say too little; the next shorter length stands in
MAX_CUTS: Final = 15

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


class Accumulator:
    """Sums over disjoint windows, for several lengths of window at once; all of them add.

    Parameters
    ----------
    reference
        Gives the bins, and which of them are in order.
    lengths
        Number of window lengths, shortest first.
    """

    _FIELDS: Final = ("windows", "rows", "below", "square", "residual")

    def __init__(self, reference: Reference, lengths: int) -> None:
        self._reference = reference
        self._cuts, self._cut_feature = _cuts(reference)
        features, cuts = len(reference.features), self._cuts.size
        self.windows = np.zeros((lengths, features))
        self.rows = np.zeros((lengths, features))
        self.below = np.zeros((lengths, cuts))
        self.residual = np.zeros((lengths, cuts))
        self.square = np.zeros((lengths, cuts))

    def add(self, length: int, bins: FloatArray, expected: FloatArray, use: BoolArray) -> None:
        """Add one window.

        Parameters
        ----------
        length
            Index of its length.
        bins, expected
            Its rows per bin and the reference's shares, shape ``(bins,)``.
        use
            Features to take into account, shape ``(features,)``.
        """
        r, feature = self._reference, self._cut_feature
        n = np.add.reduceat(bins, r.bin_offsets[:-1])
        taken = use & (n > 0)
        below = np.where(taken[feature], self._at_cuts(bins), 0.0)
        residual = np.where(taken[feature], below - n[feature] * self._at_cuts(expected), 0.0)
        self.windows[length] += taken
        self.rows[length] += np.where(taken, n, 0)
        self.below[length] += below
        self.residual[length] += residual
        self.square[length] += residual**2 / np.maximum(n[feature], 1)

    def values(self) -> FloatArray:
        """Design effect by length and feature, at least 1, rising with the length; lengths with few windows inherit."""
        per_cut = self._per_cut()
        features = self.windows.shape[1]
        result = np.ones((per_cut.shape[0], features))
        for length in range(per_cut.shape[0]):
            valid = np.isfinite(per_cut[length])
            count = np.bincount(self._cut_feature[valid], minlength=features)
            total = np.bincount(self._cut_feature[valid], per_cut[length, valid], minlength=features)
            enough = (self.windows[length] >= MIN_WINDOWS) & (count > 0)
            result[length] = np.where(enough, total / np.maximum(count, 1), 1.0)
        return np.maximum.accumulate(result, axis=0)

    def _per_cut(self) -> FloatArray:
        rows, windows = self.rows[:, self._cut_feature], self.windows[:, self._cut_feature]
        p = self.below / np.maximum(rows, 1)
        spread = p * (1 - p) * np.maximum(windows - 1, 1)
        between = self.square - self.residual**2 / np.maximum(rows, 1)
        return np.where(spread > 1e-9, between / np.maximum(spread, 1e-9), np.nan)

    def _at_cuts(self, bins: FloatArray) -> FloatArray:
        """Rows below each numeric cut, or in each category."""
        r = self._reference
        ends = np.cumsum(bins)
        before = np.concatenate(([0.0], ends))[r.bin_offsets[:-1]]
        ordered = r.numeric[self._cut_feature]
        return np.where(ordered, ends[self._cuts] - before[self._cut_feature], bins[self._cuts])

    def to_dict(self) -> dict[str, Any]:
        """The sums as plain lists."""
        return {name: getattr(self, name).tolist() for name in self._FIELDS}

    def load(self, data: dict[str, Any]) -> None:
        """Take over sums of the same shape; raises `KeyError` or `ValueError` for others."""
        for name in self._FIELDS:
            array = np.array(data[name], dtype=np.float64)
            if array.shape != getattr(self, name).shape:
                raise ValueError(f"{name} has shape {array.shape}, not {getattr(self, name).shape}")
            setattr(self, name, array)


def _cuts(reference: Reference) -> tuple[IntArray, IntArray]:
    """Bins whose share (categories) or cumulative share (numeric) is followed, and the feature of each."""
    cuts, owners = [], []
    for i, (begin, size) in enumerate(zip(reference.bin_offsets[:-1], reference.bin_sizes, strict=True)):
        share = reference.bin_share[begin : begin + size]
        if reference.numeric[i]:
            level = np.cumsum(share)
            inner = np.flatnonzero((level > 1e-9) & (level < 1 - 1e-9))
            inner = inner[np.unique(level[inner].round(12), return_index=True)[1]]
            chosen = inner[
                np.unique(np.linspace(0, max(0, inner.size - 1), min(MAX_CUTS, inner.size)).astype(int))
            ]
        else:
            chosen = np.flatnonzero(share > 0)
            chosen = chosen[np.argsort(-share[chosen], kind="stable")[:MAX_CUTS]]
        cuts.append(begin + chosen)
        owners.append(np.full(chosen.size, i))
    return np.concatenate(cuts).astype(np.int64), np.concatenate(owners).astype(np.int64)


def profile_table(features: Iterable[Feature], window_seconds: FloatArray) -> tuple[FloatArray, BoolArray]:
    """The design effects that a profile brings, for windows of these lengths.

    Returns
    -------
    values
        Shape ``(windows, features)``: that of the shortest tabled length that is not below the window's, beyond the table its last;
        1 for a feature without a table.
    known
        Which features have a table, shape ``(features,)``.
    """
    columns, known = [], []
    for feature in features:
        table = feature.design_effect
        known.append(table is not None)
        columns.append(np.ones(window_seconds.size) if table is None else _look_up(table, window_seconds))
    return np.stack(columns, axis=1), np.array(known, dtype=bool)


def _look_up(table: DesignEffect, window_seconds: FloatArray) -> FloatArray:
    place = np.searchsorted(np.array(table.window_seconds), window_seconds * (1 - 1e-9), "left")
    return np.array(table.values)[np.minimum(place, len(table.values) - 1)]
