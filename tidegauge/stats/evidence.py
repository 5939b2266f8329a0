"""What a statistic is given in a look, and what it gives back.

Shapes: W windows, F features, B bins of all features, one after the other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from tidegauge.arrays import BoolArray, FloatArray
from tidegauge.stats.tables import Reference

__all__ = ["Budget", "Evidence", "Limits", "Sums"]


@dataclass(frozen=True, slots=True)
class Sums:
    """The sums of one pass over each window's cells.

    Parameters
    ----------
    n, m
        Live values and reference values, without missing ones, ``(W, F)``.
    distance
        D, the largest distance of the two ECDFs, ``(W, F)``; it means nothing where values have no order.
    rank
        Mean of the reference's mid-ranks less 1/2, ``(W, F)``; the same holds for it.
    bins
        Live rows per bin, ``(W, B)``.
    expected
        Share of the reference per bin, ``(W, B)``.
    missing, beyond
        Rows without a value, and values with ``|z| > 3``, ``(W, F)``.
    """

    n: FloatArray
    m: FloatArray
    distance: FloatArray
    rank: FloatArray
    bins: FloatArray
    expected: FloatArray
    missing: FloatArray
    beyond: FloatArray


@dataclass(frozen=True, slots=True)
class Budget:
    """The chance of a false alarm that each window has, and the factors that follow from it, ``(W,)``.

    Parameters
    ----------
    alpha
        Chance of a false alarm allowed per look and (feature, statistic) pair.
    deviation
        ``sqrt(ln(2 / alpha) / 2)``: the two-sided DKW-Massart factor (lambda in the documentation).
    normal
        ``z`` with two-sided normal tail mass alpha.
    """

    alpha: FloatArray
    deviation: FloatArray
    normal: FloatArray

    @classmethod
    def of(cls, alpha: FloatArray) -> Budget:
        """Compute the factors from alpha."""
        return cls(alpha, np.sqrt(np.log(2 / alpha) / 2), -ndtri(alpha / 2))

    def take(self, windows: list[int]) -> Budget:
        """Return the budget of these windows alone."""
        return Budget(self.alpha[windows], self.deviation[windows], self.normal[windows])


@dataclass(frozen=True, slots=True)
class Limits:
    """What chance alone may do in a look.

    Parameters
    ----------
    budget
        Of the windows.
    design_effect
        Variance of the windows' shares over that of independent rows, ``(W, F)``.
    noise
        ``design effect / n + 1 / m``, ``(W, F)``; infinite without rows.
    half_width
        ``deviation * sqrt(noise)``, ``(W, F)``: a distance of ECDFs up to it may be chance.
    """

    budget: Budget
    design_effect: FloatArray
    noise: FloatArray
    half_width: FloatArray

    @classmethod
    def of(cls, reference: Reference, sums: Sums, budget: Budget, design_effect: FloatArray) -> Limits:
        """Compute the limits of windows from their sizes.

        Where the reference has no values, rows are all that can be compared: with a value or without.
        """
        n = np.where(reference.known, sums.n, sums.n + sums.missing)
        m = np.where(reference.known, sums.m, reference.rows)
        noise = design_effect / np.maximum(n, 1) + 1 / np.maximum(m, 1)
        noise[n == 0] = np.inf
        return cls(budget, design_effect, noise, budget.deviation[:, None] * np.sqrt(noise))


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one statistic says of all windows and features, arrays of shape ``(W, F)``.

    Parameters
    ----------
    point
        Its estimate of the share of rows that moved, finite also where it does not apply.
    lower
        Lower confidence bound of that share; minus infinity where nothing is known.
    detected
        Where it is significant at its share of the budget.
    half_width
        The most that `point` is above `lower` without drift: a share up to it cannot be shown.
    """

    point: FloatArray
    lower: FloatArray
    detected: BoolArray
    half_width: FloatArray
