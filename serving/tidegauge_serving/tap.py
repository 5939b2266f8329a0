"""The tap: every answered row goes into the log (`docs/tap-log.md`) before its answer leaves.

One `write()` per request, nothing else on the way of the answer; and nothing that happens here reaches the
client. A log that is full or a disk that fails costs rows, never answers: sequence numbers go on, so the gap
in them is the exact number of rows lost.
"""

import fcntl
import mmap
import os
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final
from zlib import crc32

import numpy as np
import numpy.typing as npt

from tidegauge.taplog import (
    MAX_PAYLOAD_BYTES,
    SEGMENT_BYTES,
    SEGMENT_HEADER_BYTES,
    SEQUENCE,
    SegmentHeader,
    encode_frame,
    segment_name,
    sequence_name,
)

__all__ = ["RETRY_SECONDS", "Tap", "standing_bytes"]

RETRY_SECONDS: Final = 0.1
_CHECKSUM: Final = struct.Struct("<I")


class Tap:
    """The log's writer of one server process.

    Parameters
    ----------
    folder
        The log folder, made if it is not there. While it cannot be written, rows are dropped.
    budget_bytes
        Most bytes that may stand in the folder, whoever wrote them.
    columns
        Values in a row: the model's features, and the prediction if the profile has one.
    value_bytes
        4 for float32, 8 for float64.
    profile_hash
        The profile's hash, 64 hexadecimal digits.
    writer
        This process's name in the log, unique per start, of ``[a-z0-9]{1,40}``.
    monotonic
        Clock in seconds for the retries of a full log.

    Notes
    -----
    Not thread-safe: one event loop owns it.
    """

    def __init__(
        self,
        folder: Path,
        budget_bytes: int,
        *,
        columns: int,
        value_bytes: int,
        profile_hash: str,
        writer: str,
        monotonic: Callable[[], float],
    ) -> None:
        self.dropped = 0
        self._folder = folder
        self._budget = budget_bytes
        self._columns = columns
        self._value_bytes = value_bytes
        self._hash = profile_hash
        self._writer = writer
        self._monotonic = monotonic
        self._dtype = np.dtype("<f4" if value_bytes == 4 else "<f8")
        self._row_bytes = columns * value_bytes
        # The frame of one row, packed in place: what differs from row to row at 16, then the checksum at 4
        self._row_buffer = bytearray(encode_frame(bytes(self._row_bytes), 1, 0, 0))
        self._row_checked = memoryview(self._row_buffer)[8:]
        self._pack_row = struct.Struct(f"<QQ{columns}{'f' if value_bytes == 4 else 'd'}").pack_into
        self._sequence = 0
        self._segment = -1  # the descriptor, -1 while none is open
        self._number = 0
        self._size = 0  # bytes of the open segment when the folder was last looked at
        self._measured = 0  # room that was there then
        self._room = 0  # what is left of it
        self._retry_at = 0.0
        self._lock = -1
        self._page: mmap.mmap | None = None
        self._counter: memoryview | None = None
        self._roll()

    @property
    def sequence(self) -> int:
        """The next row's sequence number: rows appended and rows lost so far."""
        return self._sequence

    @property
    def appended(self) -> int:
        """Rows in the log so far."""
        return self._sequence - self.dropped

    @property
    def is_open(self) -> bool:
        """Whether there is a segment to append to."""
        return self._segment >= 0

    def append_row(self, values: Sequence[float], time_ns: int) -> None:
        """Append one row, the prediction as its last value if the profile has one. Never raises."""
        buffer = self._row_buffer
        try:
            self._pack_row(buffer, 16, self._sequence, time_ns, *values)
        except (struct.error, OverflowError):  # a value that the model took but float32 cannot hold
            with np.errstate(over="ignore"):
                values = np.asarray(values, self._dtype).tolist()
            self._pack_row(buffer, 16, self._sequence, time_ns, *values)
        _CHECKSUM.pack_into(buffer, 4, crc32(self._row_checked))
        self._append(buffer, 1)

    def append_rows(self, rows: npt.NDArray[np.float64], time_ns: int) -> None:
        """Append rows of shape ``(n, columns)`` by one write. Never raises."""
        with np.errstate(over="ignore"):
            values = np.ascontiguousarray(rows, self._dtype)
        most = max(1, MAX_PAYLOAD_BYTES // self._row_bytes)
        frames = [
            encode_frame(values[start : start + most].tobytes(), min(most, len(values) - start), at, time_ns)
            for start, at in ((s, self._sequence + s) for s in range(0, len(values), most))
        ]
        self._append(frames[0] if len(frames) == 1 else b"".join(frames), len(values))

    def standing_bytes(self) -> int:
        """Bytes that stand in the log folder now, of all writers."""
        return standing_bytes(self._folder)

    def close(self) -> None:
        """Let go of the files; a reader sees from the lock that this writer is done."""
        if self._segment >= 0:
            os.close(self._segment)
            self._segment = -1
        if self._counter is not None and self._page is not None:
            self._counter.release()
            self._page.close()  # it holds the locked file open too
            os.close(self._lock)
            self._counter = self._page = None

    # --- one write -------------------------------------------------------------------------------------

    def _append(self, frames: bytes | bytearray, rows: int) -> None:
        size = len(frames)
        if size <= self._room or self._make_room(size):
            try:
                written = os.write(self._segment, frames)
            except OSError:
                written = -1
            if written == size:
                self._room -= size
            else:
                self.dropped += rows
                self._take_back()
        else:
            self.dropped += rows
        self._sequence += rows
        # After the frame, as one aligned 8-byte store: a process killed here leaves the old number or the new
        if self._counter is not None:
            self._counter[0] = self._sequence
        if self._size + self._measured - self._room >= SEGMENT_BYTES:
            self._roll()

    def _take_back(self) -> None:
        """Cut a torn frame off; if even that fails, leave the segment, whose reader skips to its end."""
        try:
            os.ftruncate(self._segment, self._written_bytes())
        except OSError:
            self._leave_segment()
        self._no_room()

    def _written_bytes(self) -> int:
        """Bytes of whole frames in the open segment, its header included."""
        return self._size + self._measured - self._room

    def _no_room(self) -> None:
        self._size = self._written_bytes() if self._segment >= 0 else 0
        self._measured = self._room = 0
        self._retry_at = self._monotonic() + RETRY_SECONDS

    # --- room in the budget ----------------------------------------------------------------------------

    def _make_room(self, size: int) -> bool:
        """Look at the folder again, at most every `RETRY_SECONDS`; whether `size` more bytes may come."""
        now = self._monotonic()
        if now < self._retry_at:
            return False
        self._retry_at = now + RETRY_SECONDS
        if self._segment < 0 or self._written_bytes() > SEGMENT_HEADER_BYTES:
            # What stands may be this very segment, already read: only a segment that was left can be removed.
            self._roll()
        else:
            self._measure()
        return self._segment >= 0 and size <= self._room

    def _roll(self) -> None:
        """Leave the open segment and open the next one; without one if that fails."""
        self._leave_segment()
        try:
            self._open_counter()
            self._segment = self._open_segment()
        except OSError:
            self._no_room()
        else:
            self._measure()

    def _open_counter(self) -> None:
        """Make ``WRITER.seq``, locked before it has its name: no reader finds it unlocked while we live."""
        if self._counter is not None:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / sequence_name(self._writer)
        unnamed = path.with_suffix(".new")
        handle = os.open(unnamed, os.O_CREAT | os.O_RDWR | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # written, not only mapped: a store to a page that a full disk has no room for would kill us
            if os.write(handle, SEQUENCE.pack(self._sequence)) != SEQUENCE.size:
                raise OSError(f"{unnamed}: no room for the counter")
            page = mmap.mmap(handle, SEQUENCE.size)
            unnamed.rename(path)
        except OSError:
            os.close(handle)
            raise
        self._lock, self._page, self._counter = handle, page, memoryview(page).cast("Q")

    def _open_segment(self) -> int:
        path = self._folder / segment_name(self._writer, self._number)
        header = SegmentHeader(self._columns, self._value_bytes, self._sequence, self._hash).encode()
        handle = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        try:
            written = os.write(handle, header)
        except OSError:
            written = -1
        if written != len(header):
            os.close(handle)
            path.unlink(missing_ok=True)
            raise OSError(f"{path}: no room for a segment's header")
        self._number += 1
        return handle

    def _leave_segment(self) -> None:
        if self._segment >= 0:
            os.close(self._segment)
            self._segment = -1

    def _measure(self) -> None:
        """Look how much room is left, and how long the open segment is."""
        self._size = os.fstat(self._segment).st_size
        self._measured = self._room = max(0, self._budget - standing_bytes(self._folder))


def standing_bytes(folder: Path) -> int:
    """Bytes of all files below a log folder; files that vanish while it is read count nothing."""
    total = 0
    folders = [os.fspath(folder)]
    while folders:
        try:
            entries = list(os.scandir(folders.pop()))
        except OSError:
            continue
        for entry in entries:
            try:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                else:
                    total += entry.stat(follow_symlinks=False).st_size
            except OSError:
                continue
    return total
