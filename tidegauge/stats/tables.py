"""The profile as tables for the evaluation, in the layout of the counts.

All features' cells follow one another, as in `Counts.cells`; so do their *bins*, runs of cells for G
and total variation: about 16 of equal reference mass for a numeric feature, every cell for one with few
distinct values, every category for a categorical one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final

import numpy as np

from tidegauge.arrays import BoolArray, FloatArray, IntArray
from tidegauge.profile.features import DISCRETE_LIMIT
from tidegauge.profile.profile import CategoricalFeature, Feature, NumericFeature, Profile

__all__ = [
    "BINS",
    "Kind",
    "Reference",
    "Sample",
    "is_discrete",
    "kind_of",
    "over_values",
    "quantile_bins",
    "rounded_cells",
    "unnamed_cells",
]

BINS: Final = 16


class Kind(Enum):
    """What a feature is to a statistic."""

    CONTINUOUS = "numeric, many distinct values"
    DISCRETE = "numeric, few distinct values"
    CATEGORICAL = "categorical"
    EMPTY = "no reference values"


def kind_of(feature: Feature) -> Kind:
    """Return a feature's kind; one without reference values has no other."""
    if not feature.compared.any():
        return Kind.EMPTY
    if isinstance(feature, CategoricalFeature):
        return Kind.CATEGORICAL
    return Kind.DISCRETE if is_discrete(feature) else Kind.CONTINUOUS


def is_discrete(feature: Feature) -> bool:
    """Return whether a numeric feature has so few distinct values that G decides instead of KS."""
    if not isinstance(feature, NumericFeature) or not feature.exact:
        return False
    return int(np.count_nonzero(feature.counts[1::2])) <= DISCRETE_LIMIT


def _value_groups(feature: Feature) -> IntArray | None:
    """First and last cell of each value with the limits of its rounding, ``(values, 2)``; None without any.

    Limits are the cut points that the reference has no value at (`tidegauge.fit.rounding`).
    """
    if not isinstance(feature, NumericFeature) or not is_discrete(feature):
        return None
    limits = np.flatnonzero(feature.counts[1::2] == 0)
    return 2 * limits.reshape(-1, 2) + 1 if limits.size and limits.size % 2 == 0 else None


def rounded_cells(feature: Feature) -> BoolArray:
    """Return cells of values that differ from one of the reference's by rounding, and by nothing else."""
    cells = np.zeros(feature.cells, dtype=bool)
    for first, last in () if (groups := _value_groups(feature)) is None else groups.tolist():
        cells[first : last + 1] = feature.counts[first : last + 1] == 0
    return cells


def over_values(feature: NumericFeature, cells: IntArray) -> IntArray:
    """Return counts per cell, rounding errors added to their value, ``(2 values + 1,)``.

    The cells as they are, where the profile has no limits of rounding.
    """
    if _value_groups(feature) is None:
        return cells
    return np.asarray(np.add.reduceat(cells, _bin_starts(feature, continuous=False)))


def _bin_starts(feature: Feature, *, continuous: bool) -> IntArray:
    """First cells of a feature's bins: a value and what differs from it by rounding are one."""
    if continuous:
        return quantile_bins(feature.counts, BINS)
    groups = _value_groups(feature)
    if groups is None:
        return np.arange(feature.cells)
    return np.sort(np.concatenate(([0], groups[:, 0], groups[:, 1] + 1)))


def quantile_bins(counts: IntArray, bins: int) -> IntArray:
    """Return first cells of runs of cells that hold about equal reference mass.

    Parameters
    ----------
    counts
        Reference values per cell, int64, shape ``(cells,)``.
    bins
        Number of runs wanted; fewer come out where a cell holds more than a run's share.

    Returns
    -------
    array
        int64, rising, first one 0.

    Examples
    --------
    >>> quantile_bins(np.array([0, 5, 0, 5, 0, 5, 0, 5, 0]), 2)
    array([0, 4])
    """
    ends = np.cumsum(counts)
    wanted = ends[-1] * np.arange(1, bins) / bins
    starts = np.searchsorted(ends, wanted, "left") + 1
    return np.unique(np.concatenate(([0], starts[starts < counts.size]))).astype(np.int64)


@dataclass(frozen=True, slots=True)
class Sample:
    """One feature's counts in one window, beside the reference's.

    Parameters
    ----------
    feature, kind
        The feature, and what it is to a statistic.
    cells
        Live values per cell, int64, ``(cells,)``.
    missing, beyond
        Live rows without a value, and live values with ``|z| > 3``.
    live, reference
        Live and reference values per bin, int64, ``(bins,)``.
    unseen
        Which bins hold values that the reference does not name, ``(bins,)``.
    """

    feature: Feature
    kind: Kind
    cells: IntArray
    missing: int
    beyond: int
    live: IntArray
    reference: IntArray
    unseen: BoolArray

    @classmethod
    def of(cls, feature: Feature, cells: IntArray, missing: int = 0, beyond: int = 0) -> Sample:
        """Lay one feature's counts beside its reference."""
        kind = kind_of(feature)
        starts = _bin_starts(feature, continuous=kind is Kind.CONTINUOUS)
        return cls(
            *(feature, kind, cells, missing, beyond),
            live=np.add.reduceat(cells, starts),
            reference=np.add.reduceat(feature.compared, starts),
            unseen=unnamed_cells(feature, starts.size) & (kind is not Kind.CONTINUOUS),
        )

    @property
    def n(self) -> int:
        """Live values, without missing ones."""
        return int(self.cells.sum())

    @property
    def is_comparable(self) -> bool:
        """Whether there are both live and reference values."""
        return self.kind is not Kind.EMPTY and bool(self.cells.any())


class Reference:
    """One profile's tables; read-only after construction.

    Parameters
    ----------
    profile
        The profile, or shard of one.
    """

    def __init__(self, profile: Profile) -> None:
        features = profile.monitored
        self.features = features
        self.kinds = [kind_of(feature) for feature in features]
        self.offsets: IntArray = profile.offsets
        self.starts: IntArray = profile.offsets[:-1]
        self.sizes: IntArray = np.diff(profile.offsets)
        counts = np.concatenate([feature.compared for feature in features])
        self.m: FloatArray = np.add.reduceat(counts, self.starts).astype(np.float64)
        self.total: FloatArray = np.array([f.total for f in features], dtype=np.float64)
        self.rows: FloatArray = self.total + np.array([f.missing for f in features])
        self.known: BoolArray = self.m > 0
        self.share: FloatArray = counts / np.repeat(np.maximum(self.m, 1), self.sizes)
        self.numeric: BoolArray = np.array([isinstance(f, NumericFeature) for f in features])
        self.discrete: BoolArray = np.array([is_discrete(f) for f in features])
        self.continuous: BoolArray = self.numeric & ~self.discrete
        self.ecdf: FloatArray = self._within_features(np.cumsum, self.share)
        # Mid-ranks: half a cell's own mass is below its values. Their mean over a window, less 1/2, is
        # minus the sum over cells of (G - F) times the step to the next cell's mid-rank (Abel's summation).
        # In units of 1 / (2 m) the steps are whole numbers, so that sums of them are exact.
        self.rank_steps: FloatArray = self._within_features(_rank_steps, counts.astype(np.float64))
        self.rank_unit: FloatArray = 1 / np.maximum(2 * self.m, 1)
        self.rank_level: FloatArray = self.rank_sum(self.ecdf)
        self._lay_bins()
        self._lay_hours()

    def _within_features(self, work: Callable[[FloatArray], FloatArray], values: FloatArray) -> FloatArray:
        return np.concatenate([work(part) for part in np.split(values, self.starts[1:])])

    def rank_sum(self, cumulated: FloatArray) -> FloatArray:
        """Return cumulated mass times mid-rank steps, in units of 1 / (2 m), shape ``(features,)``."""
        return np.asarray(np.add.reduceat(cumulated * self.rank_steps, self.starts))

    def bins_of(self, cumulated: FloatArray) -> FloatArray:
        """Return mass per bin, from mass per cell cumulated within each feature."""
        bins = cumulated[self._bin_ends]
        bins[1:] -= np.where(self._bin_first[1:], 0.0, bins[:-1])
        return bins

    def _lay_bins(self) -> None:
        starts = [
            _bin_starts(f, continuous=bool(continuous))
            for f, continuous in zip(self.features, self.continuous, strict=True)
        ]
        self.bin_sizes: IntArray = np.array([s.size for s in starts], dtype=np.int64)
        self.bin_offsets: IntArray = np.concatenate(([0], np.cumsum(self.bin_sizes)))
        self.bin_cells: IntArray = np.concatenate([s + o for s, o in zip(starts, self.starts, strict=True)])
        self._bin_ends: IntArray = np.append(self.bin_cells[1:], self.offsets[-1]) - 1
        self._bin_first: BoolArray = np.isin(self.bin_cells, self.starts)
        self.bin_share: FloatArray = np.add.reduceat(self.share, self.bin_cells)
        parts = np.split(self.bin_share, self.bin_offsets[1:-1])
        self.largest_bin: IntArray = self.bin_offsets[:-1] + np.array([part.argmax() for part in parts])
        self.unseen_bins: BoolArray = np.concatenate(
            [
                unnamed_cells(f, s.size) & ~c
                for f, c, s in zip(self.features, self.continuous, starts, strict=True)
            ]
        )
        self.rounded: IntArray = np.array(
            [i for i, f in enumerate(self.features) if _value_groups(f) is not None], dtype=np.int64
        )
        owner = np.repeat(np.arange(len(self.features)), self.bin_sizes)
        self.rounded_bins: IntArray = np.flatnonzero(np.isin(owner, self.rounded))
        # These values have no name because the reference had none of them: its 0 there is no measurement.
        self.nameless_bins: BoolArray = self.unseen_bins & (self.bin_share == 0)

    def _lay_hours(self) -> None:
        """Hour-of-day ECDFs ``(24, cells)`` and totals ``(24, features)``."""
        self.hourly: BoolArray = np.array([f.hourly is not None for f in self.features])
        if not self.hourly.any():
            return
        counts = np.concatenate([_hour_table(f) for f in self.features], axis=1)
        self.hour_m: FloatArray = np.add.reduceat(counts, self.starts, axis=1)
        # An hour the reference never saw is compared with the whole of it.
        share = counts / np.repeat(np.where(self.hour_m > 0, self.hour_m, 1), self.sizes, axis=1)
        seen = np.repeat(self.hour_m > 0, self.sizes, axis=1)
        share = np.where(seen, share, self.share)
        self.hour_ecdf: FloatArray = np.stack([self._within_features(np.cumsum, row) for row in share])
        self.hour_rank_level: FloatArray = np.stack([self.rank_sum(row) for row in self.hour_ecdf])
        self.hour_bins: FloatArray = np.add.reduceat(share, self.bin_cells, axis=1)
        self.hour_m = np.where(self.hour_m > 0, self.hour_m, self.m)


def _hour_table(feature: Feature) -> FloatArray:
    """Reference values per hour and cell that live ones are compared with, shape ``(24, cells)``.

    Of a feature with rows held out each cell keeps their part, the same in every hour.
    """
    if feature.hourly is None:
        return np.tile(feature.compared.astype(np.float64), (24, 1))
    return feature.hourly * (feature.compared / np.maximum(feature.counts, 1))


def _rank_steps(counts: FloatArray) -> FloatArray:
    doubled = 2 * np.cumsum(counts) - counts
    return np.diff(doubled, append=doubled[-1])


def unnamed_cells(feature: Feature, size: int) -> BoolArray:
    """Return which of its cells or bins hold values without a name.

    The last category, or the places between few values.
    """
    unnamed = np.zeros(size, dtype=bool)
    if isinstance(feature, CategoricalFeature):
        unnamed[-1] = True
    else:
        unnamed[::2] = True
    return unnamed
