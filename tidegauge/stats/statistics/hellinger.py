"""The Hellinger distance of two distributions: 0 for equal shares, 1 if they have no value in common.

``H^2 = sum (sqrt(p) - sqrt(q))^2 / 2 = 1 - sum sqrt(p q)`` over the bins. For the total variation distance
TV, ``H^2 <= TV <= H sqrt(2)``. An empty bin needs no correction, unlike in PSI.

References
----------
Hellinger 1909, J. reine angew. Math. 136:210; Le Cam & Yang 2000, Asymptotics in Statistics, section 3.1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from tidegauge.arrays import IntArray
from tidegauge.stats.statistic import Statistic
from tidegauge.stats.tables import Sample

__all__ = ["STATISTIC", "hellinger"]


def hellinger(live: IntArray, reference: IntArray) -> float:
    """Compute the Hellinger distance, 0 without rows.

    Parameters
    ----------
    live, reference
        Counts per bin, shape ``(bins,)``.

    Examples
    --------
    Shares of 1/2 and 1/2 beside 9/10 and 1/10:

    >>> round(hellinger(np.array([5, 5]), np.array([900, 100])), 4)
    0.3249
    """
    n, m = int(live.sum()), int(reference.sum())
    if n == 0 or m == 0:
        return 0.0
    gap = np.sqrt(live / n) - np.sqrt(reference / m)
    return min(1.0, math.sqrt(float(gap @ gap) / 2))


class Hellinger(Statistic):
    """Published for every feature, decides nothing."""

    name = "hellinger"
    publishes = ("hellinger",)

    @staticmethod
    def figures(sample: Sample) -> Mapping[str, float | None]:
        """Return the distance over the bins."""
        return {"hellinger": hellinger(sample.live, sample.reference)}


STATISTIC = Hellinger
