"""The open pane: rows gathered into batches and counted, and the lost rows."""

from collections import Counter
from typing import Final

import numpy as np

from tidegauge.counting.counts import Accumulator, Counts
from tidegauge.profile.profile import Profile
from tidegauge.protocol.capture_log import Frame
from tidegauge.protocol.names import Lost

__all__ = ["BATCH_ROWS", "OpenPane"]

BATCH_ROWS: Final = 16_384  # a batch much longer than the cut points is counted fastest


class OpenPane:
    """The rows read for the open pane."""

    def __init__(self, profile: Profile) -> None:
        self.rows = 0
        self.lost: Counter[Lost] = Counter()
        self.oldest_ns: int | None = None
        self._columns = len(profile.monitored)
        self._accumulator = Accumulator(profile)
        self._batch = bytearray()  # copied: a payload is a view of all the bytes that were read with it
        self._batch_rows = 0
        self._value_bytes = 0

    def take(self, frame: Frame, value_bytes: int) -> None:
        """Count a frame's rows, sooner or later."""
        if value_bytes != self._value_bytes:
            self._count_batch()
            self._value_bytes = value_bytes
        self._batch += frame.payload
        self._batch_rows += frame.rows
        self.rows += frame.rows
        if self.oldest_ns is None or frame.time_ns < self.oldest_ns:
            self.oldest_ns = frame.time_ns
        if self._batch_rows >= BATCH_ROWS:
            self._count_batch()

    def lose(self, reason: Lost, rows: int) -> None:
        """Add rows that were lost."""
        self.lost[reason] += rows

    def counts(self) -> Counts:
        """Return counts of all rows taken so far."""
        self._count_batch()
        return self._accumulator.counts()

    def clear(self) -> None:
        """Start the next pane."""
        self._accumulator.clear()
        self.rows = 0
        self.lost.clear()
        self.oldest_ns = None

    def _count_batch(self) -> None:
        if not self._batch:
            return
        values = np.frombuffer(self._batch, dtype=f"<f{self._value_bytes}")
        self._batch = bytearray()
        self._batch_rows = 0
        self._accumulator.add(values.reshape(-1, self._columns))
