"""The two-sample Kolmogorov-Smirnov statistic from cell counts, exact in whole numbers.

With cumulative counts A (live) and C (reference) over a feature's cells, and totals n and m,
``D = max |m A_j - n C_j| / (n m)``. D over all values, between cut points too, is at least that, and larger
by at most the largest ``min(live mass, reference mass)`` of an open interval.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from tidegauge.arrays import IntArray
from tidegauge.profile.features import NumericFeature
from tidegauge.profile.profile import Profile

__all__ = ["KS", "ReferenceTable", "ks_two_sample"]

_LARGEST: Final = 1 << 62  # products up to here are whole numbers in int64, and D is exact


@dataclass(frozen=True, slots=True)
class KS:
    """Two-sample Kolmogorov-Smirnov result of live values against the reference.

    Parameters
    ----------
    statistic, lower
        D, the largest distance between the two ECDFs at a cut point or just below one.
    upper
        The distance over all values is at most this: ``D + max over gaps of min(live mass, reference mass)``.
        Equal to `lower` where all distinct reference values are cut points.
    greater, less
        The one-sided D+ (live ECDF above: live values are smaller) and D-, as scipy's ``alternative`` has it.
    n, m
        Live and reference values, missing ones left out.
    design_effect
        Variance of the live shares over that of independent rows; `pvalue` takes it into account.

    Notes
    -----
    Without live or without reference values nothing is known: D is 0 and its upper bound 1.
    """

    statistic: float
    lower: float
    upper: float
    greater: float
    less: float
    n: int
    m: int
    design_effect: float = 1.0

    @property
    def pvalue(self) -> float:
        """Asymptotic two-sided p-value ``K(D / sqrt(deff / n + 1 / m))``, K of Kolmogorov."""
        if self.n == 0 or self.m == 0:
            return 1.0
        from scipy.special import kolmogorov

        return float(kolmogorov(self.statistic / math.sqrt(self.design_effect / self.n + 1 / self.m)))


def ks_two_sample(live: IntArray, reference: IntArray) -> KS:
    """Return D, its one-sided parts and its bracket of one feature.

    Parameters
    ----------
    live, reference
        Counts per cell, int64, shape ``(2k + 1,)``.
    """
    live_ends, reference_ends = live.cumsum(), reference.cumsum()
    n, m = int(live_ends[-1]), int(reference_ends[-1])
    fits = n * m < _LARGEST
    live_weight, reference_weight = (m, n) if fits else (1 / max(n, 1), 1 / max(m, 1))
    gaps = live_ends * live_weight - reference_ends * reference_weight
    masses = np.minimum(live[::2] * live_weight, reference[::2] * reference_weight)
    ends = (gaps.max().item(), gaps.min().item(), masses.max().item())
    return _result(*ends, n, m, n * m if fits else 1)


class ReferenceTable:
    """A profile's numeric features, compared with live counts all at once.

    Parameters
    ----------
    profile
        The profile, or shard of one.
    """

    def __init__(self, profile: Profile) -> None:
        self._numeric = [
            (feature, slice(*profile.offsets[i : i + 2].tolist()))
            for i, feature in enumerate(profile.monitored)
            if isinstance(feature, NumericFeature)
        ]
        self._all = len(self._numeric) == len(profile.monitored)
        self._columns = (
            _Columns.of([feature.counts for feature, _ in self._numeric]) if self._numeric else None
        )

    def compare(self, cells: IntArray) -> dict[str, KS]:
        """Return results by feature of all features' `cells`, as `Counts.cells` holds them."""
        if self._columns is None:
            return {}
        live = cells if self._all else np.concatenate([cells[part] for _, part in self._numeric])
        names = (feature.name for feature, _ in self._numeric)
        return dict(zip(names, _compare(live, self._columns), strict=True))


@dataclass(frozen=True, slots=True)
class _Columns:
    """Reference counts of several features, one after the other."""

    sizes: IntArray
    starts: IntArray
    ends: IntArray  # cumulative within each feature
    between: IntArray  # counts of the open intervals, 0 for the points
    totals: IntArray

    @classmethod
    def of(cls, counts: list[IntArray]) -> _Columns:
        sizes = np.array([one.size for one in counts])
        between = [np.where(np.arange(one.size) % 2 == 0, one, 0) for one in counts]
        return cls(
            sizes,
            np.cumsum(sizes) - sizes,
            np.concatenate([one.cumsum() for one in counts]),
            np.concatenate(between),
            np.array([one.sum() for one in counts]),
        )


def _compare(live: IntArray, reference: _Columns) -> list[KS]:
    sums = live.cumsum()
    before = sums[reference.starts] - live[reference.starts]
    n, m = sums[reference.starts + reference.sizes - 1] - before, reference.totals
    fits = int(n.max()) * int(m.max()) < _LARGEST
    weights = (m, n) if fits else (1 / np.maximum(n, 1), 1 / np.maximum(m, 1))
    live_weight, reference_weight = (np.repeat(weight, reference.sizes) for weight in weights)
    scale = np.maximum(n * m, 1).tolist() if fits else [1] * n.size
    gaps = (sums - np.repeat(before, reference.sizes)) * live_weight
    gaps -= reference.ends * reference_weight
    masses = np.minimum(live * live_weight, reference.between * reference_weight)
    above, below = np.maximum.reduceat(gaps, reference.starts), np.minimum.reduceat(gaps, reference.starts)
    mass = np.maximum.reduceat(masses, reference.starts)
    columns = zip(*(one.tolist() for one in (above, below, mass, n, m)), scale, strict=True)
    return [_result(*column) for column in columns]


def _result(above: float, below: float, mass: float, n: int, m: int, scale: int) -> KS:
    if n == 0 or m == 0:
        return KS(0.0, 0.0, 1.0, 0.0, 0.0, n, m)
    greater, less = max(0.0, above / scale), max(0.0, -below / scale)
    d = max(greater, less)
    return KS(d, d, min(1.0, d + mass / scale), greater, less, n, m)
