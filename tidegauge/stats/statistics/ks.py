"""D, the Kolmogorov-Smirnov distance: the largest gap between two cumulative distributions.

``D = max |G - F|`` over the cut points, from above and from below. Without drift
``P(D > eps) <= alpha`` for ``eps = sqrt(ln(2 / alpha) / 2) * sqrt(deff / n + 1 / m)``, so ``D - eps`` is a
lower bound of the share of rows that moved.

References
----------
Massart 1990, Ann. Probab. 18:1269 (Dvoretzky-Kiefer-Wolfowitz, tight constant); Wei & Dudley 2012,
arXiv 1107.5356 (two samples).
"""

from __future__ import annotations

import math

from scipy.special import kolmogorov

from tidegauge.stats.evidence import Evidence, Limits, Sums
from tidegauge.stats.statistic import Statistic
from tidegauge.stats.tables import Kind, Sample

__all__ = ["STATISTIC", "kolmogorov_pvalue"]


def kolmogorov_pvalue(statistic: float, n: int, m: int, design_effect: float = 1.0) -> float:
    """Compute the asymptotic two-sample p-value of D; it is on the safe side of the exact one.

    Examples
    --------
    >>> round(kolmogorov_pvalue(0.05, n=1000, m=10000), 4)
    0.0212
    """
    if n == 0 or m == 0:
        return 1.0
    return float(kolmogorov(statistic / math.sqrt(design_effect / n + 1 / m)))


class KolmogorovSmirnov(Statistic):
    """Decides for numeric features with many distinct values."""

    name = "ks"
    kinds = frozenset({Kind.CONTINUOUS})
    leads = frozenset({Kind.CONTINUOUS})
    reads = frozenset({"distance"})

    def decide(self, sums: Sums, limits: Limits) -> Evidence:
        """Return D and ``D - eps``; significant where that is above 0."""
        lower = sums.distance - limits.half_width
        return Evidence(sums.distance, lower, lower > 0, limits.half_width)

    @staticmethod
    def pvalue(sample: Sample, distance: float, noise: float) -> float:  # noqa: ARG004
        """Return ``K(D / sqrt(noise))``, K of Kolmogorov."""
        return float(kolmogorov(distance / math.sqrt(noise)))


STATISTIC = KolmogorovSmirnov
