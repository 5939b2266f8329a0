"""Reading one writer's log, from where the last reader stopped.

The order of looking decides what may be concluded: first whether the writer is dead, then its counter, then
which segments there are, then the segments. A frame is written before the counter passes it, so every number
below the counter that is not in the log by then is lost.
"""

from collections import deque
from dataclasses import dataclass
from typing import Final, Protocol

from tidegauge.errors import WireError
from tidegauge.protocol.capture_log import (
    FRAME_HEADER,
    SEGMENT_HEADER_BYTES,
    SEQUENCE,
    Frame,
    Parsed,
    SegmentHeader,
    parse_frames,
    segment_name,
    sequence_name,
    split_segment_name,
)
from tidegauge.protocol.names import Lost
from tidegauge_sidecar.folder import Folder
from tidegauge_sidecar.position import WriterPosition

__all__ = ["FrameHandler", "Layout", "WriterReader", "WriterScan", "scan_writer", "writers_in"]

CHUNK_BYTES: Final = 1 << 18  # read at once, so that memory does not grow with the log
MAX_GAP_ROWS: Final = 1 << 40  # a larger jump of the sequence numbers is damage, not rows


@dataclass(frozen=True, slots=True)
class Layout:
    """The header that a segment must have for its rows to be counted."""

    profile_hash: str
    columns: int

    def check(self, header: SegmentHeader) -> None:
        """Raise `WireError` when a segment holds rows of another profile."""
        if header.profile_hash != self.profile_hash:
            raise WireError(f"rows of profile {header.profile_hash[:12]}, not of {self.profile_hash[:12]}")
        if header.columns != self.columns:
            raise WireError(f"rows of {header.columns} columns: this profile has {self.columns}")


@dataclass(frozen=True, slots=True)
class WriterScan:
    """One look at a writer: dead or not, its counter, its segments' numbers in order."""

    dead: bool
    counter: int
    segments: tuple[int, ...]


class FrameHandler(Protocol):
    """Takes what a reader finds."""

    def take(self, frame: Frame, value_bytes: int) -> None:
        """Take a frame's rows, to be counted."""

    def lose(self, reason: Lost, rows: int) -> None:
        """Take note of rows that were answered and are not in the log."""

    def skip(self, corrupt_bytes: int) -> None:
        """Take note of bytes that were no frame."""

    def reject(self, segment: str, why: str) -> None:
        """Record a segment without countable rows."""


@dataclass(frozen=True, slots=True)
class _Ahead:
    """A parsed frame that was not taken yet."""

    frame: Frame
    damage_before: int
    end: int  # in the segment


def writers_in(names: dict[str, int]) -> set[str]:
    """Return writers that have a file among `names`."""
    split = (split_segment_name(name) for name in names)
    return {found[0] for found in split if found} | {n[: -len(".seq")] for n in names if n.endswith(".seq")}


def scan_writer(folder: Folder, writer: str) -> WriterScan:
    """Look at a writer's files, in the order that this module's head prescribes."""
    dead = not folder.is_locked(sequence_name(writer))
    stored = folder.read(sequence_name(writer), 0, SEQUENCE.size)
    counter = SEQUENCE.unpack(stored)[0] if len(stored) == SEQUENCE.size else 0
    found = (split_segment_name(name) for name in folder.sizes())
    return WriterScan(
        dead, counter, tuple(sorted(number for name, number in filter(None, found) if name == writer))
    )


class WriterReader:
    """Reads one writer's frames in order, each once, and finds what is lost between them."""

    def __init__(self, folder: Folder, writer: str, layout: Layout, position: WriterPosition) -> None:
        self.bad_segments: set[int] = set()
        self._folder = folder
        self._writer = writer
        self._layout = layout
        self._segment = position.segment
        self._offset = position.offset
        self._next_sequence = position.next_sequence
        self._damage_bytes = position.damage_bytes
        self._done = position.done
        self._opened = False
        self._header: SegmentHeader | None = None  # None in an opened segment: its rows cannot be counted
        self._ahead: deque[_Ahead] = deque()
        self._rest_bytes = 0  # bytes that wait to become a frame

    @property
    def position(self) -> WriterPosition:
        """Behind the last frame that was taken."""
        return WriterPosition(
            self._segment, self._offset, self._next_sequence, self._damage_bytes, self._done
        )

    @property
    def ahead_time_ns(self) -> int | None:
        """Time of the next frame, if it was parsed already."""
        return self._ahead[0].frame.time_ns if self._ahead else None

    def head_time_ns(self, scan: WriterScan, handler: FrameHandler) -> int | None:
        """Return time of the next frame that can be read now, or None at the end of the log."""
        while not self._ahead:
            if self._done or not self._read_on(scan, handler):
                return None
        return self.ahead_time_ns

    def read(self, scan: WriterScan, before_ns: int | None, handler: FrameHandler) -> None:
        """Take the frames up to the first one not before `before_ns`, or up to the log's end."""
        while (time_ns := self.head_time_ns(scan, handler)) is not None:
            if before_ns is not None and time_ns >= before_ns:
                return
            self._take(self._ahead.popleft(), handler)
        self._settle_end(scan, handler)

    def _take(self, ahead: _Ahead, handler: FrameHandler) -> None:
        frame = ahead.frame
        self._skip_to(ahead.end, ahead.damage_before, handler)
        if not 0 <= frame.first_sequence - self._next_sequence <= MAX_GAP_ROWS:
            # rows that are accounted for already, or a number that cannot be
            self._skip_to(ahead.end, FRAME_HEADER.size + len(frame.payload), handler)
            return
        self._lose_up_to(frame.first_sequence, handler)
        self._next_sequence = frame.first_sequence + frame.rows
        self._damage_bytes = 0
        assert self._header is not None  # frames come from a segment whose header was read
        handler.take(frame, self._header.value_bytes)

    def _skip_to(self, offset: int, damage: int, handler: FrameHandler) -> None:
        self._offset = offset
        if damage:
            self._damage_bytes += damage
            handler.skip(damage)

    def _lose_up_to(self, sequence: int, handler: FrameHandler) -> None:
        if sequence > self._next_sequence:
            handler.lose(Lost.CORRUPT if self._damage_bytes else Lost.FULL, sequence - self._next_sequence)
            self._next_sequence = sequence
            self._damage_bytes = 0

    def _settle_end(self, scan: WriterScan, handler: FrameHandler) -> None:
        """At the log's end what the counter has passed is lost, unless bytes still wait to become a frame."""
        if self._rest_bytes or self._done:
            return
        if scan.counter - self._next_sequence <= MAX_GAP_ROWS:
            self._lose_up_to(scan.counter, handler)
        self._done = scan.dead

    # --- segments --------------------------------------------------------------------------------------

    def _read_on(self, scan: WriterScan, handler: FrameHandler) -> bool:
        """Parse what follows; whether there was anything, or another segment to go on with."""
        following = next((number for number in scan.segments if number > self._segment), None)
        is_behind = self._next_sequence < scan.counter
        is_complete = scan.dead or following is not None
        if self._parse_rest(complete=is_complete, is_behind=is_behind, handler=handler):
            return True
        if following is None:
            return False
        self._segment, self._offset = following, 0
        self._opened = False
        return True

    def _parse_rest(self, *, complete: bool, is_behind: bool, handler: FrameHandler) -> bool:
        """Parse from the offset on; whether that led anywhere."""
        if not self._opened and not self._open(complete=complete, handler=handler):
            return False
        start = self._offset
        if self._header is None:
            size = len(self._read_chunk(CHUNK_BYTES))
            self._skip_to(start + size, size, handler)
            return size > 0
        parsed = self._parse_chunk(self._header, complete=complete, is_behind=is_behind)
        self._rest_bytes = parsed.waiting_bytes
        end = 0
        for frame in parsed.frames:
            begin = frame.end - FRAME_HEADER.size - len(frame.payload)
            self._ahead.append(_Ahead(frame, begin - end, start + frame.end))
            end = frame.end
        if not parsed.frames:
            self._skip_to(start + parsed.consumed, parsed.corrupt_bytes, handler)
        return parsed.consumed > 0

    def _parse_chunk(self, header: SegmentHeader, *, complete: bool, is_behind: bool) -> Parsed:
        """Parse a chunk, or as much more as is needed to get anywhere.

        Zeros that fill a chunk are taken for room, not read to the segment's end at every look, unless the
        counter shows that more rows may follow (`is_behind`).
        """
        size = CHUNK_BYTES
        while True:
            data = self._read_chunk(size)
            is_last = len(data) < size
            parsed = parse_frames(data, header, complete=complete and is_last)
            if is_last or parsed.consumed or not (complete or is_behind or parsed.waiting_bytes):
                return parsed
            size *= 2

    def _read_chunk(self, size: int) -> bytes:
        return self._folder.read(segment_name(self._writer, self._segment), self._offset, size)

    def _open(self, *, complete: bool, handler: FrameHandler) -> bool:
        """Read the segment's header; False while it is not written yet."""
        name = segment_name(self._writer, self._segment)
        head = self._folder.read(name, 0, SEGMENT_HEADER_BYTES)
        if len(head) < SEGMENT_HEADER_BYTES and not (complete and head):
            self._rest_bytes = len(head)
            return False
        self._rest_bytes = 0
        self._opened = True
        try:
            self._header = SegmentHeader.decode(head)
            self._layout.check(self._header)
            self._offset = max(self._offset, SEGMENT_HEADER_BYTES)
        except WireError as error:
            self._header = None
            self.bad_segments.add(self._segment)
            handler.reject(name, str(error))
        return True
