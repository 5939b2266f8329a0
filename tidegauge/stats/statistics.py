"""Statistics from counts: pure functions of a window's and the reference's cell counts.

`Counts.ks` gives D and its bracket; here is the rest. Every function takes counts, not rows, so its result
depends neither on the order of rows nor on how they were split over pods and panes. Shapes: ``cells`` (2k +
1 of a numeric feature, see `Profile`), ``bins`` (any runs of cells, or categories).

References
----------
Massart 1990, Ann. Probab. 18:1269 (DKW); Wei & Dudley 2012, arXiv 1107.5356 (two-sample DKW); Potgieter et
al. 2023, arXiv 2307.11878 (PSI); Williams 1976, Biometrika 63:33 (correction of G); Hoeffding 1963 (kl
bound).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import chdtrc, chdtri, kolmogorov, ndtr, rel_entr, xlogy

from tidegauge.counting.ks import KS, ks_two_sample
from tidegauge.errors import ProfileError

__all__ = [
    "KS",
    "PSI",
    "GTest",
    "RankMean",
    "bernoulli_kl",
    "chi2_quantiles",
    "g_test",
    "jensen_shannon",
    "kolmogorov_pvalue",
    "ks_two_sample",
    "psi",
    "rank_mean",
    "rate_lower_bound",
    "rate_upper_bound",
    "total_variation",
    "wasserstein",
]

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
_BISECTIONS = 40  # to 1e-12


@dataclass(frozen=True, slots=True)
class RankMean:
    """Mean of the reference's mid-ranks of the live values; 1/2 without drift."""

    statistic: float
    pvalue: float
    n: int
    m: int


@dataclass(frozen=True, slots=True)
class GTest:
    """Two-sample G (log-likelihood ratio) test of homogeneity."""

    statistic: float
    degrees: int
    pvalue: float


@dataclass(frozen=True, slots=True)
class PSI:
    """Population stability index, and what it would be on average without drift."""

    statistic: float
    noise: float


def kolmogorov_pvalue(statistic: float, n: int, m: int, design_effect: float = 1.0) -> float:
    """Asymptotic two-sample p-value of D; on the safe side of the exact one.

    Examples
    --------
    >>> round(kolmogorov_pvalue(0.05, n=1000, m=10000), 4)
    0.0212
    """
    if n == 0 or m == 0:
        return 1.0
    return float(kolmogorov(statistic / math.sqrt(design_effect / n + 1 / m)))


def rank_mean(live: IntArray, reference: IntArray) -> RankMean:
    """Mann-Whitney's U as a share: mean over live values of the reference's mid-rank.

    ``U = P(reference < live) + P(reference = live) / 2``, values of one cell counted as equal.

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


def g_test(live: IntArray, reference: IntArray) -> GTest:
    """``G = 2 sum O ln(O / E)`` over both samples; bins empty in both are left out.

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


def psi(live: IntArray, reference: IntArray) -> PSI:
    """Population stability index ``sum (p - q) ln(p / q)``, every bin's count plus 1/2.

    Its noise floor is its mean without drift, ``(B - 1)(1/n + 1/m)``: below it PSI says nothing.

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


def jensen_shannon(live: IntArray, reference: IntArray) -> float:
    """Jensen-Shannon distance (natural logarithm): 0 for equal shares, at most ``sqrt(ln 2)``.

    Examples
    --------
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


def total_variation(live: IntArray, reference: IntArray) -> float:
    """Share of rows that would have to move for the shares to be equal: ``sum |p - q| / 2``.

    Examples
    --------
    >>> total_variation(np.array([1, 3]), np.array([30, 10]))
    0.5
    """
    n, m = int(live.sum()), int(reference.sum())
    return 0.0 if n == 0 or m == 0 else float(np.abs(live / n - reference / m).sum()) / 2


def wasserstein(live: IntArray, reference: IntArray, edges: FloatArray) -> float:
    """Wasserstein-1 distance in the feature's unit, from counts alone.

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

    Notes
    -----
    ``integral |G - F|`` over the range of the cut points. Between two of them both ECDFs are taken as
    straight lines, and values outside as standing at the outermost one. With all distinct values kept and
    none outside it is exact. Else it errs: rows moved within a gap are not seen (too small), and a long
    outer gap counts as evenly filled (too large).

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


def bernoulli_kl(p: FloatArray, q: FloatArray) -> FloatArray:
    """``kl(p, q) = p ln(p/q) + (1-p) ln((1-p)/(1-q))``.

    Examples
    --------
    >>> bernoulli_kl(np.array([0.5]), np.array([0.25])).round(4)
    array([0.1438])
    """
    return np.asarray(rel_entr(p, q) + rel_entr(1 - p, 1 - q), dtype=np.float64)


def rate_upper_bound(rate: FloatArray, trials: FloatArray, alpha: float) -> FloatArray:
    """The largest true rate that `trials` with that observed rate do not rule out (Chernoff, any n).

    ``sup {q: trials * kl(rate, q) <= ln(1 / alpha)}``; 1 without trials.

    Examples
    --------
    >>> rate_upper_bound(np.array([0.0]), np.array([1000.0]), 0.01).round(5)
    array([0.00459])
    """
    return _rate_bound(rate, trials, math.log(1 / alpha), np.ones_like(rate))


def rate_lower_bound(rate: FloatArray, trials: FloatArray, exponent: FloatArray | float) -> FloatArray:
    """The smallest true rate not ruled out: ``inf {q: trials * kl(rate, q) <= exponent}``.

    `exponent` is ``ln(1 / alpha)``.

    Examples
    --------
    >>> rate_lower_bound(np.array([0.1]), np.array([1000.0]), 5.0).round(4)
    array([0.0727])
    """
    return _rate_bound(rate, trials, exponent, np.zeros_like(rate))


def _rate_bound(
    rate: FloatArray, trials: FloatArray, exponent: FloatArray | float, end: FloatArray
) -> FloatArray:
    """Bisection between the observed rate (inside) and `end` (0 or 1)."""
    inside, outside = np.array(rate, dtype=np.float64), np.array(end, dtype=np.float64)
    for _ in range(_BISECTIONS):
        middle = (inside + outside) / 2
        holds = trials * bernoulli_kl(rate, middle) <= exponent
        inside, outside = np.where(holds, middle, inside), np.where(holds, outside, middle)
    return np.where(trials > 0, inside, end)


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
