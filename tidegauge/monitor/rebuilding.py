"""A monitor's windows from stored panes, given as bytes.

A block of the windows is the sum of its panes, so stored panes are added up first, as they are encoded, and
each sum enters the windows once. The result is the one of `Monitor.add` pane by pane, bit for bit.
"""

from __future__ import annotations

import numpy as np

from tidegauge.arrays import IntArray
from tidegauge.counting.codec import EncodedSum
from tidegauge.counting.counts import Counts
from tidegauge.monitor.monitor import Monitor

__all__ = ["Rebuilding"]


class Rebuilding:
    """Fills the windows of a monitor whose state was loaded.

    Parameters
    ----------
    monitor
        Nobody else may use it until `finish` has returned.
    """

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor
        self._begin(None)

    def _begin(self, block: tuple[int, int] | None) -> None:
        evaluator = self._monitor.evaluator
        self._block: tuple[int, int] | None = block
        self._sum = EncodedSum(self._monitor.profile)
        self._raw: IntArray = np.zeros(evaluator.width, dtype=np.int64)
        self._values: IntArray = np.zeros(evaluator.features, dtype=np.int64)

    def add(self, pane: int, rows: int, counts: bytes, panes: int = 1) -> None:
        """Add stored counts; quickest in order of pane.

        Parameters
        ----------
        pane
            The pane, or the first of several.
        rows
            Rows that are counted in it.
        counts
            The counts as bytes, of the monitor's profile.
        panes
            Number of panes that the counts hold together, as in `Monitor.add`.

        Raises
        ------
        WireError
            The bytes are torn or damaged.
        ProfileMismatch
            They are another profile's.
        """
        monitor = self._monitor
        frontier = monitor.evaluated_through
        if frontier is None or pane > frontier:
            monitor.add(pane, Counts.from_bytes(counts, monitor.profile), panes)
        elif rows:
            monitor.note_rows(pane + panes - 1, is_closed=True)
            level = monitor.windows.finest_level(pane, panes)
            if level is not None:
                self._add(level, pane, counts, panes)

    def _add(self, level: int, pane: int, counts: bytes, panes: int) -> None:
        block = level, pane >> level
        if block != self._block:
            self.finish()
            self._begin(block)
        self._sum.add(counts)
        hours = self._monitor.hours(pane, panes)
        if hours is not None:
            before, self._values = self._values, self._sum.values_by_feature()
            self._monitor.evaluator.fill_hours(self._raw, self._values - before, hours)

    def finish(self) -> None:
        """Put what was added into the windows."""
        if self._block is None:
            return
        level, index = self._block
        evaluator = self._monitor.evaluator
        counts = Counts(self._monitor.profile, *self._sum.sums())
        evaluator.fill(self._raw, counts, None)
        self._monitor.windows.add(index << level, evaluator.vector(self._raw), 1 << level)
        self._block = None
