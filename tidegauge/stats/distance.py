"""The distance that people read: D where values have an order, else the total variation distance."""

from __future__ import annotations

import numpy as np

from tidegauge.arrays import FloatArray, IntArray
from tidegauge.stats.evidence import Sums
from tidegauge.stats.tables import Reference

__all__ = ["distances", "total_variation"]


def total_variation(live: IntArray, reference: IntArray) -> float:
    """Compute the share of rows that would have to move for the shares to be equal: ``sum |p - q| / 2``.

    Examples
    --------
    >>> total_variation(np.array([1, 3]), np.array([30, 10]))
    0.5
    """
    n, m = int(live.sum()), int(reference.sum())
    return 0.0 if n == 0 or m == 0 else float(np.abs(live / n - reference / m).sum()) / 2


def distances(reference: Reference, sums: Sums) -> FloatArray:
    """Return D of numeric features and the total variation distance of the others, ``(W, F)``."""
    r = reference
    if r.numeric.all():
        return sums.distance
    share = sums.bins / np.repeat(np.maximum(sums.n, 1), r.bin_sizes, axis=1)
    moved = np.add.reduceat(np.abs(share - sums.expected), r.bin_offsets[:-1], axis=1) / 2
    return np.where(r.numeric, sums.distance, np.where(sums.n > 0, moved, 0.0))
