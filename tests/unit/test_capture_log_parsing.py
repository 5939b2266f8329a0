"""Whatever happens to a segment's bytes: nothing is invented, what is whole is found, and nothing raises."""

import struct

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tidegauge.errors import WireError
from tidegauge.protocol.capture_log import (
    FRAME_HEADER,
    FRAME_MAGIC,
    MAX_PAYLOAD_BYTES,
    SEGMENT_HEADER_BYTES,
    Frame,
    Parsed,
    SegmentHeader,
    encode_frame,
    parse_frames,
    segment_name,
    sequence_name,
    split_segment_name,
)

HASH = "0f" * 32
HEADER = SegmentHeader(3, 4, 0, HASH)
ROW_BYTES = 12

rows_of_frames = st.lists(st.integers(1, 5), min_size=0, max_size=6)
garbage = st.one_of(
    st.binary(max_size=120),
    st.sampled_from([b"R", b"RO", b"ROW", b"ROWS", b"ROWSROWS"]),
    # a frame's head that promises more than ever comes, and one longer than any frame may be
    st.just(struct.pack("<4sIIIQQ", FRAME_MAGIC, 1, ROW_BYTES * 9, 9, 0, 0)),
    st.just(struct.pack("<4sIIIQQ", FRAME_MAGIC, 1, MAX_PAYLOAD_BYTES + 4, 9, 0, 0)),
)


def frames_of(rows: list[int]) -> list[bytes]:
    """Encoded frames with so many rows each; payloads are frame magics that end in the midst of one."""
    firsts = np.cumsum([0, *rows])
    payloads = [(FRAME_MAGIC * 15 + FRAME_MAGIC[: 1 + i % 3])[-n * ROW_BYTES :] for i, n in enumerate(rows)]
    return [
        encode_frame(payload, n, int(first), 1_000 + i)
        for i, (payload, n, first) in enumerate(zip(payloads, rows, firsts, strict=False))
    ]


def encoded(frame: Frame) -> bytes:
    return encode_frame(bytes(frame.payload), frame.rows, frame.first_sequence, frame.time_ns)


def check(parsed: Parsed, data: bytes, written: list[bytes]) -> None:
    """Only written frames, in order, with their true places; consumed bytes are frames or damage."""
    found = [encoded(frame) for frame in parsed.frames]
    remaining = iter(written)
    assert all(frame in remaining for frame in found), "a frame that was not written, or out of order"
    for frame, whole in zip(parsed.frames, found, strict=True):
        assert data[frame.end - len(whole) : frame.end] == whole
    assert max((frame.end for frame in parsed.frames), default=0) <= parsed.consumed <= len(data)
    last = max((frame.end for frame in parsed.frames), default=0)
    zeros = len(data) - max(last, len(data.rstrip(b"\0"))) if parsed.consumed == len(data) else 0
    assert parsed.corrupt_bytes == parsed.consumed - zeros - sum(map(len, found))


@given(rows_of_frames, st.booleans())
def test_undamaged_frames_are_all_found(rows: list[int], complete: bool) -> None:
    written = frames_of(rows)
    parsed = parse_frames(b"".join(written), HEADER, complete=complete)
    assert [encoded(frame) for frame in parsed.frames] == written
    assert parsed.consumed == sum(map(len, written))
    assert parsed.corrupt_bytes == 0


@pytest.mark.slow
@given(st.lists(st.integers(1, 3), min_size=1, max_size=3))
def test_a_log_cut_anywhere_gives_the_frames_before_the_cut(rows: list[int]) -> None:
    written = frames_of(rows)
    data, ends = b"".join(written), np.cumsum([len(frame) for frame in written])
    for cut in range(len(data) + 1):
        whole = int((ends <= cut).sum())
        for complete in (False, True):
            parsed = parse_frames(data[:cut], HEADER, complete=complete)
            assert [encoded(frame) for frame in parsed.frames] == written[:whole]
            check(parsed, data[:cut], written)
        assert parsed.consumed == cut, "when nothing more can come, nothing is left over"
        assert parse_frames(data[:cut], HEADER, complete=False).corrupt_bytes == 0, (
            "an unfinished write is no damage"
        )


@pytest.mark.slow
@given(rows_of_frames, st.data())
def test_a_flipped_bit_costs_its_own_frame_only(rows: list[int], data: st.DataObject) -> None:
    written = frames_of([*rows, 2])
    spoiled = bytearray(b"".join(written))
    bit = data.draw(st.integers(0, 8 * len(spoiled) - 1))
    spoiled[bit // 8] ^= 1 << bit % 8
    ends = np.cumsum([len(frame) for frame in written])
    hit = int((ends <= bit // 8).sum())
    parsed = parse_frames(bytes(spoiled), HEADER, complete=True)
    assert [encoded(frame) for frame in parsed.frames] == written[:hit] + written[hit + 1 :]
    check(parsed, bytes(spoiled), written)
    growing = parse_frames(bytes(spoiled), HEADER, complete=False)
    assert [encoded(frame) for frame in growing.frames][:hit] == written[:hit]
    check(growing, bytes(spoiled), written)


@pytest.mark.slow
@given(st.lists(st.tuples(garbage, st.integers(1, 4)), max_size=5), garbage)
def test_frames_between_garbage_are_all_recovered(parts: list[tuple[bytes, int]], tail: bytes) -> None:
    written = frames_of([rows for _, rows in parts])
    data = b"".join(b"".join(pair) for pair in zip((g for g, _ in parts), written, strict=True)) + tail
    parsed = parse_frames(data, HEADER, complete=True)
    assert [encoded(frame) for frame in parsed.frames] == written
    check(parsed, data, written)
    assert parsed.consumed == len(data)


@pytest.mark.slow
@given(
    st.lists(st.tuples(garbage, st.integers(1, 4)), max_size=4),
    garbage,
    st.lists(st.integers(0, 400), max_size=6),
)
@example([(b"", 1)], b"OW", [])  # the magic's last letters behind a frame that ends with its first
def test_a_log_read_while_it_grows_gives_what_it_gives_at_once(
    parts: list[tuple[bytes, int]], tail: bytes, looks: list[int]
) -> None:
    written = frames_of([rows for _, rows in parts])
    data = b"".join(b"".join(pair) for pair in zip((g for g, _ in parts), written, strict=True)) + tail
    found, offset, corrupt = [], 0, 0
    for end in [*sorted(min(look, len(data)) for look in looks), len(data)]:
        parsed = parse_frames(data[offset:end], HEADER, complete=False)
        check(parsed, data[offset:end], written)
        found += [encoded(frame) for frame in parsed.frames]
        offset, corrupt = offset + parsed.consumed, corrupt + parsed.corrupt_bytes
    parsed = parse_frames(data[offset:], HEADER, complete=True)
    found += [encoded(frame) for frame in parsed.frames]
    assert found == written
    zeros = len(data) - max(len(data) - len(tail), len(data.rstrip(b"\0")))
    assert corrupt + parsed.corrupt_bytes == len(data) - zeros - sum(map(len, written))


@given(st.binary(max_size=4096), st.booleans())
def test_random_bytes_hold_no_frame(data: bytes, complete: bool) -> None:
    parsed = parse_frames(data, HEADER, complete=complete)
    assert not parsed.frames
    check(parsed, data, [])


@pytest.mark.slow
@given(st.lists(st.integers(1, 3), max_size=3), st.integers(0, 300), st.booleans())
def test_zeros_behind_the_last_frame_are_room_and_no_damage(
    rows: list[int], zeros: int, complete: bool
) -> None:
    written = frames_of(rows)
    data = b"".join(written) + bytes(zeros)
    parsed = parse_frames(data, HEADER, complete=complete)
    assert [encoded(frame) for frame in parsed.frames] == written
    assert parsed.consumed == len(data) - (0 if complete else zeros)
    assert (parsed.corrupt_bytes, parsed.waiting_bytes) == (0, 0)


@pytest.mark.slow
@given(st.lists(st.integers(1, 3), min_size=1, max_size=3), st.integers(0, 100), st.data())
def test_a_frame_stored_into_zeros_waits_for_its_magic(
    rows: list[int], zeros: int, data: st.DataObject
) -> None:
    written = frames_of(rows)
    last = written[-1]
    stored = data.draw(st.integers(0, len(last) - 4))
    begun = bytes(4) + last[4 : 4 + stored] + bytes(len(last) - 4 - stored + zeros)
    parsed = parse_frames(b"".join(written[:-1]) + begun, HEADER, complete=False)
    assert [encoded(frame) for frame in parsed.frames] == written[:-1]
    assert parsed.corrupt_bytes == 0
    assert parsed.waiting_bytes == len(begun.rstrip(b"\0"))
    published = parse_frames(last + bytes(zeros), HEADER, complete=False)
    assert [encoded(frame) for frame in published.frames] == [last]


def test_a_magic_seen_before_its_frame_waits_for_the_rest() -> None:
    (frame,) = frames_of([2])
    for stored in range(4, len(frame)):
        data = frame[:stored] + bytes(len(frame) - stored + 50)
        if data.rstrip(b"\0") == frame.rstrip(b"\0"):
            continue
        parsed = parse_frames(data, HEADER, complete=False)
        assert (parsed.frames, parsed.consumed, parsed.corrupt_bytes) == ([], 0, 0)


def test_zeros_between_frames_are_damage() -> None:
    first, second = frames_of([1, 1])
    parsed = parse_frames(first + bytes(40) + second, HEADER, complete=False)
    assert [encoded(frame) for frame in parsed.frames] == [first, second]
    assert parsed.corrupt_bytes == 40


@pytest.mark.parametrize("size", [MAX_PAYLOAD_BYTES + ROW_BYTES, 2**32 - 4, 0, 7])
def test_a_length_that_no_frame_has_is_damage_at_once(size: int) -> None:
    head = struct.pack("<4sIIIQQ", FRAME_MAGIC, 0, size, size // ROW_BYTES, 0, 0)
    (follows,) = frames_of([1])
    parsed = parse_frames(head + follows, HEADER, complete=False)
    assert [encoded(frame) for frame in parsed.frames] == [follows]
    assert parsed.corrupt_bytes == FRAME_HEADER.size


def test_a_payload_keeps_its_values() -> None:
    values = np.array([[1.5, np.nan, -np.inf], [0.1, 2, 3]], "<f4")
    frame = parse_frames(encode_frame(values.tobytes(), 2, 41, 99), HEADER, complete=False).frames[0]
    assert (frame.rows, frame.first_sequence, frame.time_ns) == (2, 41, 99)
    np.testing.assert_array_equal(np.frombuffer(frame.payload, "<f4").reshape(2, 3), values)


# --- segment headers and names -----------------------------------------------------------------------------


@given(
    st.integers(1, 1 << 20),
    st.sampled_from([4, 8]),
    st.integers(0, 2**64 - 1),
    st.binary(min_size=32, max_size=32),
)
def test_a_segment_header_comes_back(columns: int, value_bytes: int, first: int, digest: bytes) -> None:
    header = SegmentHeader(columns, value_bytes, first, digest.hex())
    assert len(header.encode()) == SEGMENT_HEADER_BYTES
    assert SegmentHeader.decode(header.encode() + b"frames") == header


@given(st.binary(max_size=100))
def test_random_bytes_are_no_segment_header(data: bytes) -> None:
    with pytest.raises(WireError):
        SegmentHeader.decode(data)


@pytest.mark.parametrize(
    ("offset", "value", "complaint"),
    [
        (0, b"X", "not a log segment of version 1"),
        (8, b"\x02", "not a log segment of version 1"),
        (10, b"\x02", "columns of 2 bytes"),
        (12, bytes(4), "0 columns"),
        (12, b"\xff\xff\xff\xff", "4294967295 columns"),
    ],
)
def test_a_segment_header_says_what_is_wrong_with_it(offset: int, value: bytes, complaint: str) -> None:
    data = bytearray(HEADER.encode())
    data[offset : offset + len(value)] = value
    with pytest.raises(WireError, match=complaint):
        SegmentHeader.decode(bytes(data))


def test_a_torn_segment_header_is_named() -> None:
    with pytest.raises(WireError, match="opens with 64 bytes, got 63"):
        SegmentHeader.decode(HEADER.encode()[:-1])


@pytest.mark.slow
@given(st.from_regex(r"[a-z0-9]{1,40}", fullmatch=True), st.integers(0, 10**12))
def test_a_segment_name_comes_back(writer: str, number: int) -> None:
    assert split_segment_name(segment_name(writer, number)) == (writer, number)
    assert split_segment_name(sequence_name(writer)) is None


@given(st.text(max_size=60))
def test_names_of_other_files_are_no_segments(name: str) -> None:
    found = split_segment_name(name)
    assert found is None or segment_name(*found) == name or name.split("-")[1].startswith("0")
