"""Design effect: how much more a window's proportions vary than those of independent rows (Kish).

At about 15 interior cut points (or categories), over W disjoint windows of one length with n_k rows, c_k of
them below the cut, e_k rows expected there::

    deff = (sum_k r_k^2 / n_k - (sum_k r_k)^2 / sum_k n_k) / ((W - 1) p (1 - p))
    r_k = c_k - e_k,   p = sum c_k / sum n_k

averaged over the cut points; or the same ratio of the rank mean, with the variance of a row's rank for
p (1 - p), where that is larger: a level that wanders moves all proportions the same way, which the rank mean
sums up. 1 for independent rows; larger for duplicates, retries, batch scoring, sessions, weather. A heuristic
without a finite-sample theorem (`docs/statistics.md` gives what was measured).
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterable, Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tidegauge.arrays import BoolArray, FloatArray, IntArray
from tidegauge.errors import SchemaError
from tidegauge.profile.profile import DesignEffect, Feature, NumericFeature, Profile
from tidegauge.protocol.names import PANE_SECONDS
from tidegauge.stats.tables import Reference

__all__ = ["MIN_WINDOWS", "WindowSums", "from_reference", "profile_table"]

MIN_WINDOWS: Final = 12  # fewer disjoint windows say too little; the next shorter length is used
MAX_CUTS: Final = 15
_ROWS_AT_ONCE: Final = 8192
_LENGTHS: Final = 24  # of reference windows: 10 s doubled so often is 2.7 years


class WindowSums:
    """Sums over disjoint windows, for several lengths of window at once; all of them add.

    Windows of a feature that alarms are summed apart from the others, so that the step between the two does
    not pass for variation within them.

    Parameters
    ----------
    reference
        Gives the bins, and which of them are in order.
    lengths
        Number of window lengths, shortest first.
    """

    _FIELDS: Final = ("windows", "rows", "below", "square", "residual", "rank_square", "rank_residual")

    def __init__(self, reference: Reference, lengths: int) -> None:
        self._reference = reference
        self._cuts, self._owner = _cuts(reference)
        self._rank, self._rank_variance = _ranks(reference)
        features, cuts = (2, lengths, len(reference.features)), (2, lengths, self._cuts.size)
        self.windows: FloatArray = np.zeros(features)
        self.rows: FloatArray = np.zeros(features)
        self.below: FloatArray = np.zeros(cuts)
        self.residual: FloatArray = np.zeros(cuts)
        self.square: FloatArray = np.zeros(cuts)
        self.rank_residual: FloatArray = np.zeros(features)
        self.rank_square: FloatArray = np.zeros(features)

    def add(
        self, length: int, bins: FloatArray, expected: FloatArray, alarmed: BoolArray | None = None
    ) -> None:
        """Add windows.

        Parameters
        ----------
        length
            Index of their length.
        bins, expected
            Rows per bin, found and expected, shape ``(windows, bins)``.
        alarmed
            Which features alarm, shape ``(features,)``; None: none.
        """
        n, found, wanted = self._per_feature(bins), self._at_cuts(bins), self._at_cuts(expected)
        rank = self._per_feature((bins - expected) * self._rank)
        on = np.zeros(n.shape[1], dtype=bool) if alarmed is None else alarmed
        for apart, members in enumerate((~on, on)):
            if not members.any():
                continue
            taken = (n > 0) & members
            cuts_taken, each = taken[:, self._owner], n[:, self._owner]
            residual = np.where(cuts_taken, found - wanted, 0.0)
            self.windows[apart, length] += taken.sum(axis=0)
            self.rows[apart, length] += np.where(taken, n, 0).sum(axis=0)
            self.below[apart, length] += np.where(cuts_taken, found, 0.0).sum(axis=0)
            self.residual[apart, length] += residual.sum(axis=0)
            self.square[apart, length] += (residual**2 / np.maximum(each, 1)).sum(axis=0)
            ranks = np.where(taken, rank, 0.0)
            self.rank_residual[apart, length] += ranks.sum(axis=0)
            self.rank_square[apart, length] += (ranks**2 / np.maximum(n, 1)).sum(axis=0)

    def values(self, *, sure: bool = False) -> FloatArray:
        """Return design effect by length and feature, at least 1 and rising.

        Lengths with few windows inherit.

        Parameters
        ----------
        sure
            Two standard errors less, ``sqrt(2 / windows)`` of the value each, so that few windows of
            independent rows give 1.
        """
        windows = self.windows.sum(axis=0)
        enough = windows >= MIN_WINDOWS
        result = np.maximum(self._of_cuts(enough), self._of_ranks(enough))
        if sure:
            result *= np.maximum(1 - 2 * np.sqrt(2 / np.maximum(windows - 1, 1)), 0)
        return np.asarray(np.maximum.accumulate(np.maximum(result, 1), axis=0))

    def _of_cuts(self, enough: BoolArray) -> FloatArray:
        """Mean over each feature's cuts, 1 where there are too few windows."""
        rows, windows = self.rows[:, :, self._owner], self.windows[:, :, self._owner]
        p = self.below / np.maximum(rows, 1)
        spread = (p * (1 - p) * np.maximum(windows - 1, 0)).sum(axis=0)
        between = (self.square - self.residual**2 / np.maximum(rows, 1)).sum(axis=0)
        valid = (spread > 1e-9) & enough[:, self._owner]
        ratio = np.where(valid, between / np.where(valid, spread, 1), 0.0)
        features = self.windows.shape[2]
        result = np.ones((ratio.shape[0], features))
        for length in range(ratio.shape[0]):
            count = np.bincount(self._owner, valid[length], minlength=features)
            total = np.bincount(self._owner, ratio[length], minlength=features)
            result[length] = np.where(count > 0, total / np.maximum(count, 1), 1.0)
        return result

    def _of_ranks(self, enough: BoolArray) -> FloatArray:
        spread = self._rank_variance * np.maximum(self.windows - 1, 0).sum(axis=0)
        between = (self.rank_square - self.rank_residual**2 / np.maximum(self.rows, 1)).sum(axis=0)
        valid = (spread > 1e-9) & enough
        return np.where(valid, between / np.where(valid, spread, 1), 1.0)

    def _per_feature(self, bins: FloatArray) -> FloatArray:
        return np.asarray(np.add.reduceat(bins, self._reference.bin_offsets[:-1], axis=1))

    def _at_cuts(self, bins: FloatArray) -> FloatArray:
        """Rows up to each numeric cut, or in each category."""
        r = self._reference
        ends = np.cumsum(bins, axis=1)
        before = np.concatenate((np.zeros((len(bins), 1)), ends), axis=1)[:, r.bin_offsets[:-1]]
        cumulated = ends[:, self._cuts] - before[:, self._owner]
        return np.where(r.numeric[self._owner], cumulated, bins[:, self._cuts])

    def since(self, mark: WindowSums | None) -> WindowSums:
        """Return a new one with the sums added since they were `mark`; with all of them for None."""
        result = WindowSums(self._reference, self.windows.shape[1])
        for name in self._FIELDS:
            setattr(result, name, getattr(self, name) - (0 if mark is None else getattr(mark, name)))
        return result

    def to_dict(self) -> dict[str, str]:
        """Return the sums as text: most of them are 0, and there are many."""
        packed = {
            name: zlib.compress(getattr(self, name).astype("<f8").tobytes(), 1) for name in self._FIELDS
        }
        return {name: base64.b64encode(data).decode() for name, data in packed.items()}

    def load(self, data: dict[str, str]) -> None:
        """Take over sums of the same shape; raises `KeyError` or `ValueError` for others."""
        for name in self._FIELDS:
            shape = getattr(self, name).shape
            try:
                raw = zlib.decompress(base64.b64decode(data[name], validate=True))
            except zlib.error as error:
                raise ValueError(f"{name} cannot be unpacked: {error}") from None
            setattr(self, name, np.frombuffer(raw, dtype="<f8").reshape(shape).astype(np.float64))


def _cuts(reference: Reference) -> tuple[IntArray, IntArray]:
    """Bins whose share (categories) or cumulative share (numeric) is followed, and the feature of each."""
    cuts, owners = [], []
    for i, (begin, size) in enumerate(zip(reference.bin_offsets[:-1], reference.bin_sizes, strict=True)):
        share = reference.bin_share[begin : begin + size]
        chosen = _inner(share) if reference.numeric[i] else _common(share)
        cuts.append(begin + chosen)
        owners.append(np.full(chosen.size, i))
    return np.concatenate(cuts).astype(np.int64), np.concatenate(owners).astype(np.int64)


def _ranks(reference: Reference) -> tuple[FloatArray, FloatArray]:
    """Mid-rank of each bin, ``(bins,)``, and its variance, ``(features,)``; 0 where there is no order."""
    starts, share = reference.bin_offsets[:-1], reference.bin_share
    ends = np.cumsum(share)
    before = np.repeat((ends - share)[starts], reference.bin_sizes)
    rank = ends - before - share / 2
    mean = np.add.reduceat(share * rank, starts)
    variance = np.add.reduceat(share * (rank - np.repeat(mean, reference.bin_sizes)) ** 2, starts)
    numeric = np.repeat(reference.numeric, reference.bin_sizes)
    return np.where(numeric, rank, 0.0), np.where(reference.numeric, variance, 0.0)


def _inner(share: FloatArray) -> IntArray:
    """At most `MAX_CUTS` bins at whose ends the cumulative share is new and neither 0 nor 1."""
    level = np.cumsum(share)
    inner = np.flatnonzero((share > 0) & (level < 1 - 1e-9))
    places = np.linspace(0, max(0, inner.size - 1), min(MAX_CUTS, inner.size))
    return np.asarray(inner[places.astype(np.int64)])


def _common(share: FloatArray) -> IntArray:
    """The `MAX_CUTS` most frequent bins."""
    order = np.argsort(-share, kind="stable")[:MAX_CUTS]
    return np.asarray(order[share[order] > 0])


def profile_table(features: Iterable[Feature], window_seconds: FloatArray) -> tuple[FloatArray, BoolArray]:
    """Return the design effects that a profile brings, for windows of these lengths.

    Returns
    -------
    values
        Shape ``(windows, features)``: that of the shortest tabled length that is not below the window's,
        beyond the table its last; 1 for a feature without a table.
    known
        Which features have a table, shape ``(features,)``.
    """
    tables = [feature.design_effect for feature in features]
    ones = np.ones(window_seconds.size)
    columns = [ones if table is None else _look_up(table, window_seconds) for table in tables]
    return np.stack(columns, axis=1), np.array([table is not None for table in tables], dtype=bool)


def _look_up(table: DesignEffect, window_seconds: FloatArray) -> FloatArray:
    place = np.searchsorted(np.array(table.window_seconds), window_seconds * (1 - 1e-9), "left")
    return np.asarray(np.array(table.values)[np.minimum(place, len(table.values) - 1)])


# --- from reference rows with times ------------------------------------------------------------------------

Part = tuple[list[npt.NDArray[Any]], FloatArray]


def from_reference(profile: Profile, parts: Iterable[Part]) -> list[DesignEffect | None]:
    """Return a profile's design effects from reference rows with times.

    Parameters
    ----------
    profile
        The profile, its design effects still unknown.
    parts
        The reference's rows in order of time over all parts (rows of one part may be in any order): columns
        as `CellCounter.add` takes them, and their times in seconds since the epoch, shape ``(n,)``.

    Returns
    -------
    list
        For each monitored feature a table over windows of 10, 20, 40, ... seconds, as far as 12 disjoint
        windows hold rows; None where there are not even 12 of the shortest.

    Raises
    ------
    SchemaError
        The parts are not in order.
    """
    reference = Reference(profile)
    folder = _Folder(reference)
    newest = -np.inf
    for columns, seconds in parts:
        if not seconds.size:
            continue
        if seconds.min() < newest:
            raise SchemaError("times go back from one part of the data to the next: put the parts in order")
        newest = float(seconds.max())
        for unit, bins in _units(reference, columns, seconds):
            folder.add(unit, bins)
    return folder.tables()


def _units(
    reference: Reference, columns: list[npt.NDArray[Any]], seconds: FloatArray
) -> Iterator[tuple[IntArray, FloatArray]]:
    """Time units with rows, rising, and their rows per bin, shape ``(units, bins)``."""
    order = np.argsort(seconds, kind="stable")
    places = [_bin_places(reference, i, column) for i, column in enumerate(columns)]
    for begin in range(0, order.size, _ROWS_AT_ONCE):
        rows = order[begin : begin + _ROWS_AT_ONCE]
        unit, index = np.unique((seconds[rows] // PANE_SECONDS).astype(np.int64), return_inverse=True)
        bins = np.zeros((unit.size, reference.bin_cells.size))
        for place in places:
            known = place[rows] >= 0
            np.add.at(bins, (index[known], place[rows][known]), 1)
        yield unit, bins


def _bin_places(reference: Reference, i: int, column: npt.NDArray[Any]) -> IntArray:
    """Index of each value's bin among all features' bins, -1 for a missing one."""
    feature = reference.features[i]
    missing = np.isnan(column)
    if isinstance(feature, NumericFeature):
        values = column.astype(feature.cut_points.dtype)
        cell = np.searchsorted(feature.cut_points, values, "left")
        cell += np.searchsorted(feature.cut_points, values, "right")
    else:
        cell = np.clip(np.where(missing, 0, column), 0, feature.cells - 1).astype(np.int64)
    place = np.searchsorted(reference.bin_cells, cell + reference.offsets[i], "right") - 1
    return np.where(missing, -1, place)


class _Folder:
    """Folds time units into windows of all lengths as they come; keeps one open window per length."""

    def __init__(self, reference: Reference) -> None:
        self._reference = reference
        self._sums = WindowSums(reference, _LENGTHS)
        self._open: list[tuple[IntArray, FloatArray, FloatArray] | None] = [None] * _LENGTHS

    def add(self, unit: IntArray, bins: FloatArray) -> None:
        """Add time units, none before the last ones."""
        expected = self._expected(unit, bins)
        for length in range(_LENGTHS):
            unit, bins, expected = self._fold(length, unit, bins, expected)
            if not unit.size:
                return

    def tables(self) -> list[DesignEffect | None]:
        """Close the open windows and read off the tables."""
        for length, rest in enumerate(self._open):
            if rest is not None:
                self._sums.add(length, rest[1], rest[2])
        values = self._sums.values()
        lengths = (self._sums.windows[0] >= MIN_WINDOWS).sum(axis=0)
        seconds = [float(PANE_SECONDS << i) for i in range(_LENGTHS)]
        return [
            DesignEffect(tuple(seconds[:n]), tuple(values[:n, i].tolist())) if n else None
            for i, n in enumerate(lengths.tolist())
        ]

    def _fold(
        self, length: int, unit: IntArray, bins: FloatArray, expected: FloatArray
    ) -> tuple[IntArray, FloatArray, FloatArray]:
        """Merge units into windows of this length, add those that are over, and pass them on."""
        window = unit >> min(length, 1)
        rest = self._open[length]
        if rest is not None:
            window, bins = np.concatenate((rest[0], window)), np.concatenate((rest[1], bins))
            expected = np.concatenate((rest[2], expected))
        begins = np.flatnonzero(np.diff(window, prepend=window[0] - 1))
        window, bins, expected = (
            window[begins],
            np.add.reduceat(bins, begins),
            np.add.reduceat(expected, begins),
        )
        self._open[length] = (window[-1:], bins[-1:], expected[-1:])
        if window.size > 1:
            self._sums.add(length, bins[:-1], expected[:-1])
        return window[:-1], bins[:-1], expected[:-1]

    def _expected(self, unit: IntArray, bins: FloatArray) -> FloatArray:
        r = self._reference
        n = np.repeat(np.add.reduceat(bins, r.bin_offsets[:-1], axis=1), r.bin_sizes, axis=1)
        if not r.hourly.any():
            return np.asarray(n * r.bin_share)
        hours = unit * PANE_SECONDS // 3600 % 24
        return np.asarray(n * r.hour_bins[hours])
