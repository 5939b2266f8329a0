"""The population stability index.

``PSI = sum (p - q) ln(p / q)`` over the bins, every bin's count plus 1/2. Without drift its mean is about
``(B - 1)(1 / n + 1 / m)`` for B bins: below that noise it says nothing.

References
----------
Potgieter et al. 2023, arXiv 2307.11878.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tidegauge.arrays import IntArray
from tidegauge.stats.statistic import Statistic
from tidegauge.stats.tables import Sample

__all__ = ["PSI", "STATISTIC", "psi"]


@dataclass(frozen=True, slots=True)
class PSI:
    """Population stability index, and what it would be on average without drift."""

    statistic: float
    noise: float


def psi(live: IntArray, reference: IntArray) -> PSI:
    """Compute the population stability index.

    Parameters
    ----------
    live, reference
        Counts per bin, shape ``(bins,)``.

    Examples
    --------
    >>> result = psi(np.array([10, 20, 70]), np.array([3000, 3000, 4000]))
    >>> round(result.statistic, 3), round(result.noise, 4)
    (0.411, 0.0202)
    """
    n, m, bins = int(live.sum()), int(reference.sum()), live.size
    if n == 0 or m == 0:
        return PSI(0.0, math.inf)
    p, q = (live + 0.5) / (n + bins / 2), (reference + 0.5) / (m + bins / 2)
    return PSI(float(np.sum((p - q) * np.log(p / q))), (bins - 1) * (1 / n + 1 / m))


class PopulationStability(Statistic):
    """Published for every feature, decides nothing."""

    name = "psi"
    publishes = ("psi", "psi_noise")

    @staticmethod
    def figures(sample: Sample) -> Mapping[str, float | None]:
        """Return the index, and its mean without drift."""
        found = psi(sample.live, sample.reference)
        return {"psi": found.statistic, "psi_noise": found.noise}


STATISTIC = PopulationStability
