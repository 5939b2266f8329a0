"""Which hours of the reference a window is compared with. Hours are those of the day, UTC.

A cycle may turn on the hour (jobs that start then) or move within it (the sun). So there are two mixtures,
and each statistic takes the one that it is nearer to: the hour itself, and the straight line between the
middles of the two hours around.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from tidegauge.arrays import FloatArray
from tidegauge.stats.tables import Reference

__all__ = ["HOUR_SECONDS", "MIXTURES", "Expected", "hour_weights", "mixture"]


HOUR_SECONDS: Final = 3600
MIXTURES: Final = 2


def hour_weights(pane: int, panes: int, pane_seconds: float) -> npt.NDArray[np.int64]:
    """Return weights of the 24 hours in both mixtures, for rows spread over `panes` from `pane` on.

    Returns
    -------
    array
        int64, shape ``(2, 24)``, in seconds: each mixture sums to about 3600. First the hour that a pane's
        middle lies in, then the line between hours.

    Examples
    --------
    A quarter of an hour after midnight: the first hour; or it and the last one, one part in four.

    >>> hour_weights(1, 1, 600)[:, [23, 0]]
    array([[   0, 3600],
           [ 900, 2700]])
    """
    middle = (pane + np.arange(panes) + 0.5) * pane_seconds / HOUR_SECONDS
    earlier = np.floor(middle - 0.5)
    later_share = middle - 0.5 - earlier
    weights = np.zeros((MIXTURES, 24))
    np.add.at(weights[0], np.floor(middle).astype(np.int64) % 24, 1.0)
    np.add.at(weights[1], earlier.astype(np.int64) % 24, 1 - later_share)
    np.add.at(weights[1], (earlier.astype(np.int64) + 1) % 24, later_share)
    return np.rint(weights * (HOUR_SECONDS / panes)).astype(np.int64)


@dataclass(frozen=True, slots=True)
class Expected:
    """The reference of a window: ECDF ``(cells,)``, then per feature its rank sums and its size."""

    ecdf: FloatArray
    rank_level: FloatArray
    m: FloatArray


def mixture(reference: Reference, rows: FloatArray) -> Expected:
    """Return the reference's hours, weighted by a window's rows, shape ``(24, features)``.

    Features without hours of day, and windows without rows of known hours, get the whole reference.
    """
    r, weight = reference, rows / np.maximum(rows.sum(axis=0), 1)
    ecdf, noise = np.zeros(r.ecdf.size), np.zeros(r.m.size)
    for hour in np.flatnonzero(weight.any(axis=1)):
        ecdf += r.hour_ecdf[hour] * np.repeat(weight[hour], r.sizes)
        noise += weight[hour] ** 2 / np.maximum(r.hour_m[hour], 1)
    plain = ~r.hourly | (noise == 0)
    m = np.where(plain, r.m, 1 / np.where(plain, 1.0, noise))
    level = np.where(plain, r.rank_level, (weight * r.hour_rank_level).sum(axis=0))
    return Expected(np.where(np.repeat(plain, r.sizes), r.ecdf, ecdf), level, m)
