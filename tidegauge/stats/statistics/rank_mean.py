"""Mann-Whitney's U as a share: the mean over live values of the reference's mid-rank; 1/2 without drift.

``U = P(reference < live) + P(reference = live) / 2``, values of one cell counted as equal. Without drift the
variance of U is at most ``(deff / n + 1 / m) / 12``. ``|U - 1/2| <= D``, so a bound of it is one of D.

References
----------
Mann & Whitney 1947, Ann. Math. Stat. 18:50.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from tidegauge.arrays import IntArray
from tidegauge.profile.features import NumericFeature
from tidegauge.stats.evidence import Evidence, Limits, Sums
from tidegauge.stats.statistic import Statistic
from tidegauge.stats.tables import Kind, Sample

__all__ = ["STATISTIC", "RankMean", "rank_mean"]


@dataclass(frozen=True, slots=True)
class RankMean:
    """Mean of the reference's mid-ranks of the live values; 1/2 without drift."""

    statistic: float
    pvalue: float
    n: int
    m: int


def rank_mean(live: IntArray, reference: IntArray) -> RankMean:
    """Compute U as a share, and its asymptotic p-value with ties taken into account.

    Parameters
    ----------
    live, reference
        Counts per cell, in the order of values, shape ``(cells,)``.

    Examples
    --------
    >>> rank_mean(np.array([0, 0, 0, 0, 0, 0, 4]), np.array([0, 1, 0, 1, 0, 1, 0])).statistic
    1.0
    """
    n, m = int(live.sum()), int(reference.sum())
    if n == 0 or m == 0:
        return RankMean(0.5, 1.0, n, m)
    ranks = (np.cumsum(reference) - reference / 2) / m
    share = float(live @ ranks) / n
    total, pooled = n + m, (live + reference).astype(np.float64)
    ties = float(np.sum(pooled**3 - pooled)) / (total * max(1, total - 1))
    variance = (total + 1 - ties) / (12 * n * m)
    z = abs(share - 0.5) / math.sqrt(variance) if variance > 0 else 0.0
    return RankMean(share, float(2 * ndtr(-z)), n, m)


class MeanRank(Statistic):
    """Decides for numeric features with many distinct values."""

    name = "rank_mean"
    kinds = frozenset({Kind.CONTINUOUS})
    reads = frozenset({"rank"})
    publishes = ("rank_mean",)

    def decide(self, sums: Sums, limits: Limits) -> Evidence:
        """Return ``|U - 1/2|``; significant where it is above ``z sqrt(noise / 12)``."""
        deviation, z = np.abs(sums.rank), limits.budget.normal[:, None]
        found = deviation > z * np.sqrt(limits.noise / 12)
        # Under drift F(X) may vary up to 1/4: the bound allows for that.
        width = z * np.sqrt(np.where(found, 3 * limits.noise, limits.noise) / 12)
        return Evidence(deviation, deviation - width, found, width)

    @staticmethod
    def figures(sample: Sample) -> Mapping[str, float | None]:
        """Return U of a numeric feature."""
        if not isinstance(sample.feature, NumericFeature):
            return {}
        return {"rank_mean": rank_mean(sample.cells, sample.feature.counts).statistic}


STATISTIC = MeanRank
