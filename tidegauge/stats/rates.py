"""Rates of rows beside the reference's own rates: Chernoff's bounds, for any number of rows.

References
----------
Chernoff 1952, Ann. Math. Stat. 23:493; Hoeffding 1963, JASA 58:13 (the bound in terms of kl).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import rel_entr

from tidegauge.arrays import BoolArray, FloatArray
from tidegauge.stats.evidence import Evidence, Limits

__all__ = ["Rate", "bernoulli_kl", "rate_lower_bound", "rate_upper_bound", "reference_bound"]

REFERENCE_ALPHA: Final = 0.01  # chance that any bound of a reference's own rate is wrong
_BISECTIONS: Final = 40  # to 1e-12


@dataclass(frozen=True, slots=True)
class Rate:
    """The share of so many rows that have a property: `rate` of `trials`, each of shape ``(W, F)``."""

    rate: FloatArray
    trials: FloatArray

    @classmethod
    def of(cls, hits: FloatArray, trials: FloatArray) -> Rate:
        """Compute the share; 0 of no rows."""
        return cls(hits / np.maximum(trials, 1), trials)

    def above(self, bound: FloatArray, limits: Limits) -> Evidence:
        """Return the evidence that the rate is above a bound of the reference's, ``(F,)``.

        A rate is significant where ``trials * kl(rate, bound) > ln(2 / alpha)``, with the number of trials
        divided by the design effect. Its lower bound is then that of the live rate, less `bound`.
        """
        excess = self.rate - bound
        found = excess > 0
        lower = np.where(found, -bound, excess)
        if found.any():
            self._test(bound, limits, found, lower)
        return Evidence(np.maximum(excess, 0), lower, found, limits.half_width)

    def _test(self, bound: FloatArray, limits: Limits, found: BoolArray, lower: FloatArray) -> None:
        """Leave what is significant in `found`, and set the lower bound there."""
        limit = np.broadcast_to(bound, found.shape)
        exponent = np.broadcast_to((2 * limits.budget.deviation**2)[:, None], found.shape)
        trials = self.trials / limits.design_effect
        found[found] = trials[found] * bernoulli_kl(self.rate[found], limit[found]) > exponent[found]
        if found.any():
            bounds = rate_lower_bound(self.rate[found], trials[found], exponent[found])
            lower[found] = bounds - limit[found]


def reference_bound(rate: FloatArray, trials: FloatArray, pairs: int) -> FloatArray:
    """Return an upper bound of the reference's own rates, ``(F,)``.

    The bounds of all features and rates hold together with probability 0.99 at least: a feature has no more
    of them than (feature, statistic) pairs.
    """
    return rate_upper_bound(rate, trials, REFERENCE_ALPHA / max(1, pairs))


def bernoulli_kl(p: FloatArray, q: FloatArray) -> FloatArray:
    """Compute ``kl(p, q) = p ln(p/q) + (1-p) ln((1-p)/(1-q))``.

    Examples
    --------
    >>> bernoulli_kl(np.array([0.5]), np.array([0.25])).round(4)
    array([0.1438])
    """
    return np.asarray(rel_entr(p, q) + rel_entr(1 - p, 1 - q), dtype=np.float64)


def rate_upper_bound(rate: FloatArray, trials: FloatArray, alpha: float) -> FloatArray:
    """Find the largest true rate that `trials` with that observed rate do not rule out.

    ``sup {q: trials * kl(rate, q) <= ln(1 / alpha)}``; 1 without trials.

    Examples
    --------
    >>> rate_upper_bound(np.array([0.0]), np.array([1000.0]), 0.01).round(5)
    array([0.00459])
    """
    return _rate_bound(rate, trials, math.log(1 / alpha), np.ones_like(rate))


def rate_lower_bound(rate: FloatArray, trials: FloatArray, exponent: FloatArray | float) -> FloatArray:
    """Find the smallest true rate not ruled out: ``inf {q: trials * kl(rate, q) <= exponent}``.

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
