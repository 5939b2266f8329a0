"""The Jensen-Shannon distance: the square root of the mean divergence from the middle of two distributions.

``JS^2 = (KL(p | (p + q) / 2) + KL(q | (p + q) / 2)) / 2``, natural logarithm. It is 0 for equal shares and at
most ``sqrt(ln 2)``.

References
----------
Lin 1991, IEEE Trans. Inf. Theory 37:145.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from scipy.special import rel_entr

from tidegauge.arrays import IntArray
from tidegauge.stats.statistic import Statistic
from tidegauge.stats.tables import Sample

__all__ = ["STATISTIC", "jensen_shannon"]


def jensen_shannon(live: IntArray, reference: IntArray) -> float:
    """Compute the Jensen-Shannon distance, 0 without rows.

    Parameters
    ----------
    live, reference
        Counts per bin, shape ``(bins,)``.

    Examples
    --------
    >>> import numpy as np
    >>> round(jensen_shannon(np.array([1, 0]), np.array([0, 1])), 6)
    0.832555
    """
    n, m = int(live.sum()), int(reference.sum())
    if n == 0 or m == 0:
        return 0.0
    p, q = live / n, reference / m
    middle = (p + q) / 2
    divergence = (rel_entr(p, middle).sum() + rel_entr(q, middle).sum()) / 2
    return math.sqrt(max(0.0, float(divergence)))


class JensenShannon(Statistic):
    """Published for every feature, decides nothing."""

    name = "js"
    publishes = ("js",)

    @staticmethod
    def figures(sample: Sample) -> Mapping[str, float | None]:
        """Return the distance over the bins."""
        return {"js": jensen_shannon(sample.live, sample.reference)}


STATISTIC = JensenShannon
