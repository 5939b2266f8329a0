"""A writer of the capture log that can do what a server process can, and what can happen to one."""

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tidegauge.protocol.capture_log import SEQUENCE, SegmentHeader, encode_frame, segment_name, sequence_name


class LogWriter:
    """Appends frames of rows as `docs/capture-log.md` says, and can fail in all ways a server can.

    `answered` is the number of rows that clients got an answer for; `logged` holds those of them that stand
    in the log undamaged. With `room_bytes` segments are made so much longer than their header, and frames are
    stored there, their magic last.
    """

    def __init__(
        self,
        folder: Path,
        writer: str,
        profile_hash: str,
        columns: int,
        *,
        segment_bytes: int = 1 << 20,
        room_bytes: int = 0,
    ) -> None:
        self.answered = 0
        self.logged: list[npt.NDArray[np.float64]] = []
        self.writer = writer
        self._folder = folder
        self.profile_hash = profile_hash
        self._columns = columns
        self._segment_bytes = segment_bytes
        self._room_bytes = room_bytes
        self._number = 0
        unnamed = folder / f"{writer}.new"
        self._lock = open(unnamed, "w+b", buffering=0)  # noqa: SIM115 - locked as long as the writer lives
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self._store()
        unnamed.rename(folder / sequence_name(writer))
        self._open_segment()

    @property
    def segment(self) -> Path:
        return self._folder / segment_name(self.writer, self._number)

    def answer(self, rows: npt.NDArray[np.float64], time_ns: int) -> None:
        """Append, then answer."""
        self._append(self._frame(rows, time_ns))
        self.logged.append(rows)
        self._count(len(rows))

    def drop(self, rows: int) -> None:
        """Answer while the log is full."""
        self._count(rows)

    def damage(self, rows: npt.NDArray[np.float64], time_ns: int, spoil: Callable[[bytes], bytes]) -> None:
        """Append, answer, and have the bytes spoiled before anybody reads them."""
        self._append(spoil(self._frame(rows, time_ns)))
        self._count(len(rows))

    def litter(self, data: bytes) -> None:
        """Bytes in the log that are nobody's."""
        self._append(data)

    def tear(self, rows: npt.NDArray[np.float64], time_ns: int, size: int) -> None:
        """Die in the middle of a write: its rows were never answered."""
        torn = self._frame(rows, time_ns)[:size]
        self._append(bytes(min(4, size)) + torn[4:] if self._room_bytes else torn)
        self.die()

    def die_before_counting(self, rows: npt.NDArray[np.float64], time_ns: int) -> None:
        """Die between the write and the counter's store; the rows stand in the log."""
        self._append(self._frame(rows, time_ns))
        self.logged.append(rows)
        self.answered += len(rows)
        self.die()

    def roll(self) -> None:
        self._segment.truncate(self._at)
        self._segment.close()
        self._number += 1
        self._open_segment()

    def die(self) -> None:
        """As kill -9 does it: the lock goes with the process."""
        self._segment.close()
        self._lock.close()

    def _frame(self, rows: npt.NDArray[np.float64], time_ns: int) -> bytes:
        return encode_frame(rows.astype("<f8").tobytes(), len(rows), self.answered, time_ns)

    def _append(self, data: bytes) -> None:
        os.pwrite(self._segment.fileno(), data, self._at)
        self._at += len(data)
        if self._at >= self._segment_bytes:
            self.roll()

    def _count(self, rows: int) -> None:
        self.answered += rows
        self._store()

    def _store(self) -> None:
        os.pwrite(self._lock.fileno(), SEQUENCE.pack(self.answered), 0)

    def _open_segment(self) -> None:
        self._segment = open(self.segment, "wb", buffering=0)  # noqa: SIM115 - open as long as the writer lives
        header = SegmentHeader(self._columns, 8, self.answered, self.profile_hash).encode()
        self._segment.write(header)
        self._segment.truncate(len(header) + self._room_bytes)
        self._at = len(header)
