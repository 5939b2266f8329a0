"""The newest look at each scale, and which of them says most about a feature."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tidegauge.arrays import FloatArray, IntArray
from tidegauge.monitor.alarms import Alarms, Look

__all__ = ["LatestLooks", "StrongestLooks"]


@dataclass(frozen=True, slots=True)
class StrongestLooks:
    """The look with the largest lower bound of each feature, arrays of shape ``(features,)``.

    `scale` is -1 where no look counts; `eps` is the half-width of that look's bound, and `smallest_eps` the
    smallest of all looks.
    """

    scale: IntArray
    lower: FloatArray
    statistic: FloatArray
    cause: npt.NDArray[np.object_]
    rows: FloatArray
    noise: FloatArray
    detected: npt.NDArray[np.bool_]
    eps: FloatArray
    smallest_eps: FloatArray


class LatestLooks:
    """Results of the newest look at each scale, arrays of shape ``(scales, features)``."""

    def __init__(self, scales: int, features: int) -> None:
        shape = (scales, features)
        self._first = np.full(scales, -(1 << 62), dtype=np.int64)
        self._known = np.zeros(scales, dtype=bool)
        self._lower, self._eps = np.full(shape, -np.inf), np.full(shape, np.inf)
        self._statistic, self._rows, self._noise = np.zeros(shape), np.zeros(shape), np.full(shape, np.inf)
        self._cause = np.full(shape, "", dtype=np.object_)
        self._detected = np.zeros(shape, dtype=bool)

    def take(self, look: Look) -> None:
        """Replace what is known of the look's scale."""
        s, found = look.scale, look.found
        self._first[s], self._known[s] = look.first_pane, True
        self._lower[s], self._eps[s], self._statistic[s] = found.lower, found.eps, found.statistic
        self._rows[s], self._noise[s], self._cause[s] = found.rows, found.noise, found.cause
        self._detected[s] = found.detected

    def unknown_scales(self) -> list[int]:
        """Return scales without a look since the start."""
        return [int(s) for s in np.flatnonzero(~self._known)]

    @property
    def rows(self) -> int:
        """The largest number of rows in any window."""
        return int(self._rows.max())

    @property
    def heard(self) -> npt.NDArray[np.bool_]:
        """Features of which some window holds a row, missing values included."""
        return np.asarray((self._rows > 0).any(axis=0))

    def strongest(self, alarms: Alarms) -> StrongestLooks:
        """Return the look that says most about each feature, among windows after its last clearing.

        The clearing of either severity: a bound above the critical floor needs a critical alarm.

        While an alarm is calming down, windows longer than its owner hold the past and are left out.
        """
        counts = (self._first[:, None] > alarms.cleared.max(axis=0)) & np.isfinite(self._lower)
        counts &= (alarms.calm[0] < 0) | (np.arange(len(self._first))[:, None] <= alarms.owner[0])
        lower = np.where(counts, self._lower, -np.inf)
        # Of equal bounds (none is common: no rows) the shortest window counts.
        scale = lower.argmax(axis=0)
        at = (scale, np.arange(scale.size))
        return StrongestLooks(
            scale=np.where(counts.any(axis=0), scale, -1),
            lower=lower[at],
            statistic=self._statistic[at],
            cause=self._cause[at],
            rows=self._rows[at],
            noise=self._noise[at],
            detected=self._detected[at] & counts[at],
            eps=self._eps[at],
            smallest_eps=np.where(counts, self._eps, np.inf).min(axis=0),
        )
