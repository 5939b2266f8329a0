"""Capture: every answered row goes into the log (`docs/capture-log.md`) before its answer leaves.

Rows are stored into a segment that is mapped into memory, with room set aside on the disk: no system call on
the way of the answer, and nothing that happens here reaches the client. Rows of requests that arrive together
are staged one by one and committed as one frame, as databases commit transactions in groups. A log that is
full or a disk that fails costs rows, never answers: sequence numbers go on, so the gap in them is the exact
number of rows lost.
"""

import fcntl
import mmap
import os
import struct
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final
from zlib import crc32

import numpy as np
import numpy.typing as npt

from tidegauge.protocol.capture_log import (
    FRAME_HEADER,
    FRAME_MAGIC,
    MAX_PAYLOAD_BYTES,
    SEGMENT_BYTES,
    SEGMENT_HEADER_BYTES,
    SEQUENCE,
    SegmentHeader,
    encode_frame,
    segment_name,
    sequence_name,
)

__all__ = ["RETRY_SECONDS", "Capture", "log_bytes"]

RETRY_SECONDS: Final = 0.1
_PACK_HEAD: Final = struct.Struct("<4sI").pack_into
_Pack = Callable[..., None]


class Capture:
    """The log's writer of one server process.

    Parameters
    ----------
    folder
        The log folder, made if it is not there. While it cannot be written, rows are dropped.
    budget_bytes
        Largest size of the folder, with the files of all writers.
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

    Attributes
    ----------
    stage
        Takes one row's values for the next `commit`, the prediction as the last one if the profile has one.
        It is the bound method of a list: nothing is cheaper, and it is called for every request.
    """

    stage: Callable[[Iterable[float]], None]

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
        self._packs: dict[int, _Pack] = {}  # by rows of a frame
        self._staged: list[float] = []
        self.stage = self._staged.extend
        self._sequence = 0
        self._segment = -1  # the descriptor, -1 while none is open
        self._room: memoryview | None = None  # the open segment in memory
        self._map: mmap.mmap | None = None
        self._at = 0  # where its next frame goes
        self._end = 0
        self._number = 0
        self._retry_at = 0.0
        self._lock = -1
        self._page: mmap.mmap | None = None
        self._counter: memoryview | None = None
        self._make_room(0)

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

    def commit(self, time_ns: int) -> None:
        """Append the staged rows as one frame, before any of their answers leaves. Never raises.

        Parameters
        ----------
        time_ns
            When the rows are answered, nanoseconds since the epoch.
        """
        if self._staged:
            values = tuple(self._staged)
            self._staged.clear()
            self._append_values(values, len(values) // self._columns, time_ns)

    def append_rows(self, rows: npt.NDArray[np.float64], time_ns: int) -> None:
        """Append rows of shape ``(n, columns)``. Never raises."""
        with np.errstate(over="ignore"):
            values = np.ascontiguousarray(rows, self._dtype)
        most = max(1, MAX_PAYLOAD_BYTES // self._row_bytes)
        for start in range(0, len(values), most):
            part = values[start : start + most]
            frame = encode_frame(part.tobytes(), len(part), self._sequence, time_ns)
            self._append(frame, len(part))

    def log_bytes(self) -> int:
        """Return bytes in the log folder now, of all writers."""
        return log_bytes(self._folder)

    def close(self) -> None:
        """Let go of the files; a reader sees from the lock that this writer is done."""
        self._leave_segment()
        if self._counter is not None and self._page is not None:
            self._counter.release()
            self._page.close()  # it holds the locked file open too
            os.close(self._lock)
            self._counter = self._page = None

    # --- one frame -------------------------------------------------------------------------------------

    def _append_values(self, values: tuple[float, ...], rows: int, time_ns: int) -> None:
        payload = rows * self._row_bytes
        size = FRAME_HEADER.size + payload
        if self._at + size > self._end:
            if rows > 1:
                self._append_singly(values, time_ns)
                return
            if not self._make_room(size):
                self.dropped += 1
                self._count(1)
                return
        at = self._at
        end = at + size
        room = self._room
        assert room is not None
        # In place, and in as few steps as can be: between two requests the processor forgets this code, so
        # each step costs several times what it does in a loop.
        pack = self._packs.get(rows) or self._pack(rows)
        try:
            pack(room, at + 8, payload, rows, self._sequence, time_ns, *values)
        except (struct.error, OverflowError):  # a value that the model took but float32 cannot hold
            with np.errstate(over="ignore"):
                values = tuple(np.asarray(values, self._dtype).tolist())
            pack(room, at + 8, payload, rows, self._sequence, time_ns, *values)
        _PACK_HEAD(room, at, FRAME_MAGIC, crc32(room[at + 8 : end]))  # last: from here on it is a frame
        self._at = end
        self._sequence = sequence = self._sequence + rows
        if self._counter is not None:
            self._counter[0] = sequence

    def _append_singly(self, values: tuple[float, ...], time_ns: int) -> None:
        """A frame for each row, so that every row is in the log that there is room for."""
        step = self._columns
        for start in range(0, len(values), step):
            self._append_values(values[start : start + step], 1, time_ns)

    def _pack(self, rows: int) -> _Pack:
        """Make what stores all that the checksum of a frame of so many rows covers."""
        form = f"<IIQQ{rows * self._columns}{'f' if self._value_bytes == 4 else 'd'}"
        self._packs[rows] = pack = struct.Struct(form).pack_into
        return pack

    def _append(self, frame: bytes, rows: int) -> None:
        size = len(frame)
        if self._at + size <= self._end or self._make_room(size):
            at, room = self._at, self._room
            assert room is not None
            room[at + 8 : at + size] = memoryview(frame)[8:]
            room[at : at + 8] = frame[:8]  # last: from here on it is a frame
            self._at = at + size
        else:
            self.dropped += rows
        self._count(rows)

    def _count(self, rows: int) -> None:
        self._sequence += rows
        # After the frame, as one aligned 8-byte store: a process killed here leaves the old number or the new
        if self._counter is not None:
            self._counter[0] = self._sequence

    # --- room in the budget ----------------------------------------------------------------------------

    def _make_room(self, size: int) -> bool:
        """Find room for `size` bytes, in a new segment if the open one holds frames; whether there is any.

        The open segment is left even if there is no more room. It may fill the folder, already read, and a
        reader only removes a segment that has a next one. After a failure not again for `RETRY_SECONDS`.
        """
        now = self._monotonic()
        if now < self._retry_at:
            return False
        if self._at > SEGMENT_HEADER_BYTES:
            self._leave_segment()
        try:
            self._open_counter()
            self._open_segment()
            self._set_aside(size)
        except OSError:
            self._retry_at = now + RETRY_SECONDS
            return False
        return True

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

    def _open_segment(self) -> None:
        """Make the next segment, which is its header and no more yet."""
        if self._segment >= 0:
            return
        path = self._folder / segment_name(self._writer, self._number)
        header = SegmentHeader(self._columns, self._value_bytes, self._sequence, self._hash).encode()
        handle = os.open(path, os.O_CREAT | os.O_RDWR | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        try:
            if os.write(handle, header) != len(header):
                raise OSError(f"{path}: no room for a segment's header")
        except OSError:
            os.close(handle)
            path.unlink(missing_ok=True)
            raise
        self._segment = handle
        self._at = self._end = len(header)
        self._number += 1

    def _set_aside(self, size: int) -> None:
        """Give the open, empty segment its room: on the disk, then in memory.

        Raises
        ------
        OSError
            Neither budget nor disk have room for `size` bytes.
        """
        least = SEGMENT_HEADER_BYTES + size
        length = SEGMENT_HEADER_BYTES + max(0, self._budget - log_bytes(self._folder))
        length = min(length, max(SEGMENT_BYTES, least))
        while True:
            if length < least:
                raise OSError(f"no room for {size} bytes")
            try:
                # Not only made long: a store to a page that the disk has no room for would kill us.
                os.posix_fallocate(self._segment, 0, length)
                break
            except OSError:
                os.ftruncate(self._segment, SEGMENT_HEADER_BYTES)
                length //= 4
        self._map = mmap.mmap(self._segment, length)
        self._room, self._end = memoryview(self._map), length

    def _leave_segment(self) -> None:
        """Let go of the open segment, and of the room that it did not use."""
        if self._room is not None and self._map is not None:
            self._room.release()
            self._map.close()
            self._room = self._map = None
        if self._segment >= 0:
            with suppress(OSError):  # zeros at its end do no harm, but count in the budget
                os.ftruncate(self._segment, self._at)
            os.close(self._segment)
            self._segment = -1
        self._at = self._end = 0


def log_bytes(folder: Path) -> int:
    """Return bytes of all files below a log folder; files that vanish while it is read count nothing."""
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
