"""The capture log: answered rows in segment files (`docs/capture-log.md` is the same for other languages).

Pure: bytes in, bytes out. `tidegauge_serving.predict.capture` writes with it, the sidecar reads with it.

A *writer* (one serving process) owns two kinds of file in the log folder:

``WRITER.seq``
    8 bytes, little-endian: the next sequence number. It is stored after the frame that used the numbers
    below it was written or dropped, so every number below it is in the log or lost. The writer holds an
    exclusive `flock` on it for life; a reader that gets the lock knows that the writer is dead.
``WRITER-NNNNNNNN.rows``
    Segments: one `SegmentHeader`, then frames, each there before its rows' answer is sent: appended by one
    ``write()``, or stored into zeros that the file was made with, the frame's magic and checksum last. So
    zeros at a segment's end are room that was not used.

A frame holds the rows of one request, or of several that are answered together, row-major, as little-endian
floats of `value_bytes` bytes: the model's features in profile order, then the prediction if the profile has
one. A categorical value is its index in the profile's categories (their number means "none of them"); NaN is
missing.
"""

import re
import struct
import zlib
from dataclasses import dataclass
from typing import Final, Self

from tidegauge.errors import WireError

__all__ = [
    "FRAME_HEADER",
    "MAX_PAYLOAD_BYTES",
    "SEGMENT_BYTES",
    "SEGMENT_HEADER_BYTES",
    "SEQUENCE",
    "Frame",
    "Parsed",
    "SegmentHeader",
    "encode_frame",
    "parse_frames",
    "segment_name",
    "sequence_name",
    "split_segment_name",
]

SEGMENT_MAGIC: Final = b"TIDETAP1"
FRAME_MAGIC: Final = b"ROWS"
SEGMENT_BYTES: Final = 1 << 20  # a segment is this long, or more if one frame alone is
MAX_PAYLOAD_BYTES: Final = 64 << 20  # a longer frame is taken for damage
SEQUENCE: Final = struct.Struct("<Q")
FRAME_HEADER: Final = struct.Struct("<4sIIIQQ")  # magic, crc32, payload bytes, rows, first sequence, time ns
_SEGMENT_HEADER: Final = struct.Struct("<8sHHIQ32s8x")
SEGMENT_HEADER_BYTES: Final = _SEGMENT_HEADER.size
_CHECKED: Final = struct.Struct("<IIQQ")  # the part of the frame header that the crc32 covers
_SEGMENT_NAME: Final = re.compile(r"([a-z0-9]{1,40})-([0-9]{8,})\.rows")


def segment_name(writer: str, number: int) -> str:
    """Return file name of a writer's `number`-th segment, counted from 0."""
    return f"{writer}-{number:08d}.rows"


def sequence_name(writer: str) -> str:
    """Return file name of a writer's sequence counter and lock."""
    return f"{writer}.seq"


def split_segment_name(name: str) -> tuple[str, int] | None:
    """Return writer and number of a segment's file name, or None if it is not one."""
    match = _SEGMENT_NAME.fullmatch(name)
    return (match[1], int(match[2])) if match else None


@dataclass(frozen=True, slots=True)
class SegmentHeader:
    """The fields that all frames of one segment share.

    Parameters
    ----------
    columns
        Values in a row: the model's features, and the prediction if the profile has one.
    value_bytes
        4 (float32) or 8 (float64).
    first_sequence
        Sequence number of the first row that this segment can hold.
    profile_hash
        The profile's hash, 64 hexadecimal digits.
    """

    columns: int
    value_bytes: int
    first_sequence: int
    profile_hash: str

    def encode(self) -> bytes:
        """Return the 64 bytes that open a segment."""
        digest = bytes.fromhex(self.profile_hash)
        return _SEGMENT_HEADER.pack(
            SEGMENT_MAGIC, 1, self.value_bytes, self.columns, self.first_sequence, digest
        )

    @classmethod
    def decode(cls, data: bytes | memoryview) -> Self:
        """Read a segment's first 64 bytes; raises `WireError` when they are not a header."""
        if len(data) < SEGMENT_HEADER_BYTES:
            raise WireError(f"a log segment opens with {SEGMENT_HEADER_BYTES} bytes, got {len(data)}")
        magic, version, value_bytes, columns, first, digest = _SEGMENT_HEADER.unpack_from(data)
        if magic != SEGMENT_MAGIC or version != 1:
            raise WireError(f"not a log segment of version 1: it opens with {bytes(data[:10])!r}")
        if value_bytes not in (4, 8) or not 1 <= columns <= 1 << 20:
            raise WireError(f"a log segment with {columns} columns of {value_bytes} bytes: not possible")
        return cls(columns, value_bytes, first, digest.hex())


@dataclass(frozen=True, slots=True)
class Frame:
    """Rows that were answered together; `payload` is `rows` x columns values, row-major."""

    first_sequence: int
    time_ns: int
    rows: int
    payload: memoryview
    end: int  # offset of the byte after the frame, in the bytes it was parsed from


@dataclass(frozen=True, slots=True)
class Parsed:
    """Result of `parse_frames`.

    Parameters
    ----------
    frames
        Whole frames, in order.
    consumed
        Bytes used up.
    corrupt_bytes
        How many of these were damage.
    waiting_bytes
        Bytes after these that wait to become a frame; zeros at the end do not.
    """

    frames: list[Frame]
    consumed: int
    corrupt_bytes: int
    waiting_bytes: int


def encode_frame(payload: bytes, rows: int, first_sequence: int, time_ns: int) -> bytes:
    """Return one frame, header and payload, ready for a single ``write()``.

    Parameters
    ----------
    payload
        `rows` x columns little-endian floats, row-major.
    rows
        Rows in it, at least 1.
    first_sequence
        Sequence number of the first row in this writer.
    time_ns
        When the rows were answered, nanoseconds since the epoch.
    """
    checked = _CHECKED.pack(len(payload), rows, first_sequence, time_ns)
    crc = zlib.crc32(payload, zlib.crc32(checked))
    return b"".join((FRAME_MAGIC, crc.to_bytes(4, "little"), checked, payload))


def parse_frames(data: bytes, header: SegmentHeader, *, complete: bool) -> Parsed:
    """Parse as many whole frames as `data` holds.

    Damage is skipped up to the next frame that proves itself by its checksum; the gap in the sequence
    numbers then tells how many rows it held.

    Parameters
    ----------
    data
        Bytes of the segment from a frame boundary on.
    header
        The segment's header.
    complete
        Whether nothing more can be appended (the writer rolled on or is dead). If so, a torn frame at the
        end is damage, and zeros there are used up; if not, both are left for the next call.
    """
    view = memoryview(data)
    frames: list[Frame] = []
    offset = corrupt = 0
    written = len(data.rstrip(b"\0"))  # a frame's last bytes may be zeros too
    while offset < written:
        frame = _frame_at(view, offset, header)
        if frame is not None:
            frames.append(frame)
            offset = frame.end
            continue
        if not complete and _may_be_unfinished(view, offset, written, header):
            break
        following = _next_frame(data[:written], view, offset + 1, header, complete=complete)
        if not complete and view[offset] == 0 and _frame_at(view, following, header) is None:
            break  # room with something in it: a frame whose magic is not stored yet
        corrupt += following - offset
        offset = following
    return Parsed(frames, len(data) if complete else offset, corrupt, max(0, written - offset))


def _frame_at(view: memoryview, offset: int, header: SegmentHeader) -> Frame | None:
    start = offset + FRAME_HEADER.size
    if start > len(view):
        return None
    magic, crc, size, rows, first, time_ns = FRAME_HEADER.unpack_from(view, offset)
    if magic != FRAME_MAGIC or not _is_possible(size, rows, header) or start + size > len(view):
        return None
    if zlib.crc32(view[offset + 8 : start + size]) != crc:
        return None
    return Frame(first, time_ns, rows, view[start : start + size], start + size)


def _is_possible(size: int, rows: int, header: SegmentHeader) -> bool:
    return 0 < size <= MAX_PAYLOAD_BYTES and size == rows * header.columns * header.value_bytes


def _may_be_unfinished(view: memoryview, offset: int, written: int, header: SegmentHeader) -> bool:
    """Whether the bytes from `offset` can be the start of a frame that is not all there yet."""
    head = view[offset : min(written, offset + FRAME_HEADER.size)]
    if len(head) < FRAME_HEADER.size:
        return head[:4] == FRAME_MAGIC[: len(head)]
    magic, _, size, rows, _, _ = FRAME_HEADER.unpack_from(head)
    ends_later = offset + FRAME_HEADER.size + size >= written
    return magic == FRAME_MAGIC and _is_possible(size, rows, header) and ends_later


def _next_frame(data: bytes, view: memoryview, offset: int, header: SegmentHeader, *, complete: bool) -> int:
    """Offset of the next place that is a frame, or may become one; the end of the data if there is none."""
    start = offset
    while (offset := data.find(FRAME_MAGIC, offset)) >= 0:
        if _frame_at(view, offset, header) is not None:
            return offset
        if not complete and _may_be_unfinished(view, offset, len(data), header):
            return offset
        offset += 1
    return len(data) if complete else len(data) - _cut_magic_bytes(data, start)


def _cut_magic_bytes(data: bytes, start: int) -> int:
    """How many bytes at the end, none before `start`, may be the start of a frame's magic."""
    return next((n for n in (3, 2, 1) if data.endswith(FRAME_MAGIC[:n], start)), 0)
