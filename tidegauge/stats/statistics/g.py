"""G, the two-sample log-likelihood ratio test of equal shares, bin by bin.

``G = 2 sum O ln(O / E)`` over both samples. Bins that expect fewer than 5 rows of the smaller sample are
pooled; Williams' correction brings the mean of G with small bins back to its degrees of freedom. Its bound is
one of the total variation distance over the bins, less its expected noise and the DKW half-width.

References
----------
Williams 1976, Biometrika 63:33.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from scipy.special import chdtrc, chdtri, xlogy

from tidegauge.arrays import FloatArray, IntArray
from tidegauge.stats.evidence import Evidence, Limits, Sums
from tidegauge.stats.statistic import Statistic
from tidegauge.stats.tables import BINS, Kind, Reference, Sample

__all__ = ["STATISTIC", "GTest", "chi2_quantiles", "g_test"]

MIN_BIN_ROWS: Final = 5.0  # bins that expect fewer are pooled
MIN_ROWS: Final = 25 * BINS  # of a continuous feature: below, the law of G is not trusted


@dataclass(frozen=True, slots=True)
class GTest:
    """Two-sample G (log-likelihood ratio) test of homogeneity."""

    statistic: float
    degrees: int
    pvalue: float


def g_test(live: IntArray, reference: IntArray) -> GTest:
    """Compute ``G = 2 sum O ln(O / E)``; bins empty in both samples are left out.

    Parameters
    ----------
    live, reference
        Counts per bin, shape ``(bins,)``.

    Examples
    --------
    >>> result = g_test(np.array([30, 70]), np.array([50, 50]))
    >>> round(result.statistic, 4), result.degrees, round(result.pvalue, 5)
    (8.4024, 1, 0.00375)
    """
    n, m = float(live.sum()), float(reference.sum())
    pooled = live + reference
    degrees = max(0, int(np.count_nonzero(pooled)) - 1)
    if n == 0 or m == 0 or degrees == 0:
        return GTest(0.0, degrees, 1.0)
    both = xlogy(live, live / n).sum() + xlogy(reference, reference / m).sum()
    statistic = max(0.0, 2 * float(both - xlogy(pooled, pooled / (n + m)).sum()))
    return GTest(statistic, degrees, float(chdtrc(degrees, statistic)))


class _Pooled(NamedTuple):
    """Bins without the small ones, ``(W, B)``, the small ones as one, and degrees of freedom, ``(W, F)``."""

    live: FloatArray
    expected: FloatArray
    small_live: FloatArray
    small_share: FloatArray
    degrees: FloatArray


class _Sizes(NamedTuple):
    """Rows and design effect of each window, per feature ``(W, F)`` or per bin ``(W, B)``."""

    n: FloatArray
    m: FloatArray
    design_effect: FloatArray

    def per_bin(self, reference: Reference) -> _Sizes:
        return _Sizes(*(np.repeat(values, reference.bin_sizes, axis=1) for values in self))


class LogLikelihoodRatio(Statistic):
    """Decides for every feature with reference values."""

    name = "g"
    kinds = frozenset({Kind.CONTINUOUS, Kind.DISCRETE, Kind.CATEGORICAL})
    leads = frozenset({Kind.DISCRETE, Kind.CATEGORICAL})
    reads = frozenset({"n", "m", "bins", "expected", "distance"})
    publishes = ("g",)

    def decide(self, sums: Sums, limits: Limits) -> Evidence:
        """Return the total variation distance over pooled bins; G says where it is significant."""
        r = self.reference
        sizes = _Sizes(np.maximum(sums.n, 1), np.maximum(sums.m, 1), limits.design_effect)
        each = sizes.per_bin(r)
        pooled = self._pool(sums, sizes, each)
        found = self._g(pooled, sizes, each, limits.noise) > chi2_quantiles(
            pooled.degrees, limits.budget.alpha
        )
        found &= (pooled.degrees > 0) & (sums.n > 0) & ((sums.n >= MIN_ROWS) | ~r.continuous)
        share, small = pooled.live / each.n, pooled.small_live / sizes.n
        distance = (self._sum(np.abs(share - pooled.expected)) + np.abs(small - pooled.small_share)) / 2
        noise = self._sum(_deviation(share, pooled.expected, each)) + _deviation(
            small, pooled.small_share, sizes
        )
        width = noise / 2 + limits.half_width
        # Few distinct values: G decides, and D's bound is as good.
        lower = np.where(
            r.discrete, np.maximum(distance - width, sums.distance - limits.half_width), distance - width
        )
        half_width = np.where(r.discrete, np.minimum(limits.half_width, width), width)
        return Evidence(distance, lower, found, half_width)

    def _g(self, pooled: _Pooled, sizes: _Sizes, each: _Sizes, noise: FloatArray) -> FloatArray:
        """G, thinned by the design effect and with Williams' correction, ``(W, F)``."""
        n, m = sizes.n, sizes.m
        g = self._sum(_log_ratio(pooled.live, pooled.expected, each))
        g += _log_ratio(pooled.small_live, pooled.small_share, sizes)
        count = np.maximum(pooled.live + each.m * pooled.expected, 1e-300)
        inverse = self._sum(np.where(pooled.live + pooled.expected > 0, 1 / count, 0.0))
        williams = 1 + ((n + m) * (1 / n + 1 / m) - 1) * np.maximum((n + m) * inverse - 1, 0) / (
            6 * (n + m) * np.maximum(pooled.degrees, 1)
        )
        return np.asarray(2 * g * (1 / n + 1 / m) / noise / williams)

    def _sum(self, values: FloatArray) -> FloatArray:
        """Sum values of bins over each feature's bins."""
        return np.asarray(np.add.reduceat(values, self.reference.bin_offsets[:-1], axis=1))

    def _pool(self, sums: Sums, sizes: _Sizes, each: _Sizes) -> _Pooled:
        """Take bins of too few rows as one; as part of the largest if that is too few.

        Both samples together say which bins are small: their sum does not tell to which one luck gave more.
        """
        r, live, expected = self.reference, sums.bins, sums.expected
        n, m = sizes.n, sizes.m
        enough = MIN_BIN_ROWS * (n + m) / np.minimum(n, m)  # rows of both that hold so many of the smaller
        small = live + each.m * expected < np.repeat(enough, r.bin_sizes, axis=1)
        small |= r.nameless_bins
        small_live, small_share = (self._sum(np.where(small, values, 0.0)) for values in (live, expected))
        live, expected = np.where(small, 0.0, live), np.where(small, 0.0, expected)
        degrees = np.add.reduceat(~small, r.bin_offsets[:-1], axis=1, dtype=np.float64) - 1
        own = small_live + m * small_share >= enough
        live[:, r.largest_bin] += np.where(own, 0.0, small_live)
        expected[:, r.largest_bin] += np.where(own, 0.0, small_share)
        return _Pooled(
            live, expected, np.where(own, small_live, 0.0), np.where(own, small_share, 0.0), degrees + own
        )

    @staticmethod
    def figures(sample: Sample) -> Mapping[str, float | None]:
        """Return G over all bins, none of them pooled."""
        return {"g": g_test(sample.live, sample.reference).statistic}

    @staticmethod
    def pvalue(sample: Sample, distance: float, noise: float) -> float:  # noqa: ARG004
        """Return the chi-square tail of G, thinned by the design effect."""
        found = g_test(sample.live, sample.reference)
        thinned = found.statistic * (1 / sample.n + 1 / float(sample.reference.sum())) / noise
        return float(chdtrc(found.degrees, thinned)) if found.degrees else 1.0


def chi2_quantiles(degrees: FloatArray, alpha: FloatArray) -> FloatArray:
    """Return upper chi-square quantiles, ``(windows, features)``.

    Parameters
    ----------
    degrees
        Degrees of freedom, ``(windows, features)``. They repeat over features, so each distinct one is looked
        up once.
    alpha
        Upper tail of each window, ``(windows,)``.
    """
    found, places = np.unique(np.maximum(degrees, 1), return_inverse=True)
    table = chdtri(found[None, :], alpha[:, None])
    rows = np.arange(alpha.size)[:, None]
    return np.asarray(table[rows, places.reshape(degrees.shape)])


def _log_ratio(o: FloatArray, q: FloatArray, sizes: _Sizes) -> FloatArray:
    """Half of G per bin: `o` live rows of n, a share `q` of m reference rows."""
    n, m = sizes.n, sizes.m
    e = m * q
    return np.asarray(xlogy(o, o / n) + xlogy(e, q) - xlogy(o + e, (o + e) / (n + m)))


def _deviation(p: FloatArray, q: FloatArray, sizes: _Sizes) -> FloatArray:
    """Standard deviation of the difference of two shares, `p` of n rows and `q` of m."""
    return np.sqrt(np.maximum(p * (1 - p) * sizes.design_effect / sizes.n + q * (1 - q) / sizes.m, 0))


STATISTIC = LogLikelihoodRatio
