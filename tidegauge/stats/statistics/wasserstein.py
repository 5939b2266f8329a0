"""The Wasserstein-1 distance in the feature's unit, from counts alone.

``integral |G - F|`` over the range of the cut points. Between two of them both ECDFs are taken as straight
lines, and values outside count as the outermost cut point. With all distinct values kept and none outside it
is exact. Else it errs: rows moved within a gap are not seen (too small), and a long outer gap counts as
evenly filled (too large).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tidegauge.arrays import FloatArray, IntArray
from tidegauge.errors import ProfileError
from tidegauge.profile.features import NumericFeature
from tidegauge.stats.statistic import Statistic
from tidegauge.stats.tables import Sample

__all__ = ["STATISTIC", "wasserstein"]


def wasserstein(live: IntArray, reference: IntArray, edges: FloatArray) -> float:
    """Compute the Wasserstein-1 distance in the feature's unit, 0 without rows.

    Parameters
    ----------
    live, reference
        Counts per cell, shape ``(2k + 1,)``.
    edges
        The finite cut points, shape ``(k,)``.

    Raises
    ------
    ProfileError
        `edges` are not k finite values.

    Examples
    --------
    >>> wasserstein(np.array([0, 0, 0, 2, 0]), np.array([0, 2, 0, 0, 0]), np.array([1.0, 3.0]))
    2.0
    """
    if edges.size * 2 + 1 != live.size or not np.isfinite(edges).all():
        raise ProfileError(f"{edges.size} edges for {live.size} cells: every cut point is needed, and finite")
    n, m = int(live.sum()), int(reference.sum())
    if n == 0 or m == 0 or edges.size < 2:
        return 0.0
    gap = np.cumsum(live) / n - np.cumsum(reference) / m
    left, right = gap[1:-2:2], gap[2:-1:2]  # G - F at each cut point, and just below the next one
    return float(np.sum(_mean_magnitude(left, right) * np.diff(edges.astype(np.float64))))


def _mean_magnitude(left: FloatArray, right: FloatArray) -> FloatArray:
    """Mean of |line| over an interval, for lines given by their ends."""
    total = np.abs(left) + np.abs(right)
    crosses = left * right < 0
    return np.where(crosses, (left**2 + right**2) / np.where(crosses, total, 1.0), total) / 2


class Wasserstein(Statistic):
    """Published for numeric features with finite cut points, decides nothing."""

    name = "wasserstein"
    publishes = ("wasserstein",)

    @staticmethod
    def figures(sample: Sample) -> Mapping[str, float | None]:
        """Return the distance over the cells."""
        feature = sample.feature
        if not isinstance(feature, NumericFeature) or feature.cut_points.size < 2:
            return {}
        if not np.isfinite(feature.cut_points).all():
            return {}
        points = feature.cut_points.astype(np.float64)
        return {"wasserstein": wasserstein(sample.cells, feature.counts, points)}


STATISTIC = Wasserstein
