"""Capture: what is answered is in the log; what goes wrong there never reaches the answer."""

import errno
import fcntl
import os
import resource
import subprocess
from pathlib import Path

import numpy as np
import pytest
from support.serving_app import read_log
from tidegauge_serving.predict.capture import RETRY_SECONDS, Capture, log_bytes

from tidegauge.protocol.capture_log import SEGMENT_BYTES, SEQUENCE, SegmentHeader, encode_frame, parse_frames

HASH = "ab" * 32


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def make_capture(
    folder: Path, budget: int = 64 << 20, columns: int = 3, value_bytes: int = 8, clock=None
) -> Capture:
    return Capture(
        folder,
        budget,
        columns=columns,
        value_bytes=value_bytes,
        profile_hash=HASH,
        writer="test",
        monotonic=clock or Clock(),
    )


def append_row(capture: Capture, values: tuple[float, ...], time_ns: int) -> None:
    """As the server does for a request that arrives alone."""
    capture.stage(values)
    capture.commit(time_ns)


def counter(folder: Path) -> int:
    return SEQUENCE.unpack((folder / "test.seq").read_bytes())[0]


@pytest.mark.parametrize("value_bytes", [4, 8])
def test_rows_come_back_from_the_log_as_they_were_answered(tmp_path: Path, value_bytes: int) -> None:
    capture = make_capture(tmp_path, value_bytes=value_bytes)
    append_row(capture, (1.0, float("nan"), 3.5), 11)
    capture.append_rows(np.arange(6.0).reshape(2, 3), 12)
    append_row(capture, (-1.5, 0.0, 2.0), 13)
    header, frames, damaged = read_log(tmp_path)
    rows = np.concatenate([np.frombuffer(f.payload, f"<f{value_bytes}").reshape(f.rows, 3) for f in frames])
    np.testing.assert_array_equal(rows, [[1, np.nan, 3.5], [0, 1, 2], [3, 4, 5], [-1.5, 0, 2]])
    assert (header.columns, header.value_bytes, header.profile_hash, header.first_sequence) == (
        3,
        value_bytes,
        HASH,
        0,
    )
    assert [(f.first_sequence, f.rows, f.time_ns) for f in frames] == [(0, 1, 11), (1, 2, 12), (3, 1, 13)]
    assert damaged == 0
    assert counter(tmp_path) == capture.sequence == capture.appended == 4


def test_the_quick_frame_of_one_row_is_the_library_frame(tmp_path: Path) -> None:
    append_row(make_capture(tmp_path), (1.0, 2.0, 3.0), 99)
    written = (tmp_path / "test-00000000.rows").read_bytes()[64:]
    frame = encode_frame(np.array([1.0, 2.0, 3.0]).tobytes(), 1, 0, 99)
    assert written == frame + bytes(SEGMENT_BYTES - 64 - len(frame))


def test_a_value_too_large_for_float32_is_logged_as_infinite(tmp_path: Path) -> None:
    capture = make_capture(tmp_path, value_bytes=4)
    append_row(capture, (1e300, 0.0, -1e300), 1)
    capture.append_rows(np.array([[1e300, 0.0, 0.0]]), 1)
    _, frames, _ = read_log(tmp_path)
    assert [np.frombuffer(f.payload, "<f4")[0] for f in frames] == [np.inf, np.inf]


def test_segments_roll_at_one_mebibyte_and_give_back_what_they_did_not_use(tmp_path: Path) -> None:
    capture = make_capture(tmp_path)
    for _ in range(7):
        capture.append_rows(np.zeros((20_000, 3)), 1)
    sizes = [path.stat().st_size for path in sorted(tmp_path.glob("*.rows"))]
    assert sizes == [64 + 2 * (32 + 480_000)] * 3 + [SEGMENT_BYTES]
    _, frames, _ = read_log(tmp_path)
    assert [frame.first_sequence for frame in frames] == list(range(0, 140_000, 20_000))


def test_a_request_longer_than_a_segment_gets_one_of_its_own(tmp_path: Path) -> None:
    capture = make_capture(tmp_path)
    append_row(capture, (1.0, 2.0, 3.0), 1)
    capture.append_rows(np.ones((100_000, 3)), 2)
    append_row(capture, (1.0, 2.0, 3.0), 3)
    _, frames, damaged = read_log(tmp_path)
    assert [(frame.first_sequence, frame.rows) for frame in frames] == [(0, 1), (1, 100_000), (100_001, 1)]
    assert (capture.dropped, damaged) == (0, 0)


def test_a_frame_shows_only_once_it_is_whole(tmp_path: Path) -> None:
    """Its magic is stored last: a process that is killed before leaves zeros there."""
    capture = make_capture(tmp_path)
    append_row(capture, (1.0, 2.0, 3.0), 1)
    path = tmp_path / "test-00000000.rows"
    spoiled = bytearray(path.read_bytes())
    spoiled[64:68] = bytes(4)
    header = SegmentHeader.decode(bytes(spoiled))
    parsed = parse_frames(bytes(spoiled[64:]), header, complete=False)
    assert (parsed.frames, parsed.corrupt_bytes, parsed.waiting_bytes > 0) == ([], 0, True)


def test_a_living_writer_holds_its_lock_and_a_closed_one_lets_go(tmp_path: Path) -> None:
    capture = make_capture(tmp_path)
    with (tmp_path / "test.seq").open() as reader:
        with pytest.raises(BlockingIOError):
            fcntl.flock(reader, fcntl.LOCK_EX | fcntl.LOCK_NB)
        capture.close()
        fcntl.flock(reader, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_full_log_drops_rows_and_the_gap_tells_how_many(tmp_path: Path) -> None:
    clock = Clock()
    capture = make_capture(tmp_path, budget=10_000, clock=clock)
    for _ in range(1_000):
        append_row(capture, (1.0, 2.0, 3.0), 1)
        clock.now += 0.001
    assert log_bytes(tmp_path) <= 10_000 + 64
    assert capture.dropped > 0
    assert capture.appended + capture.dropped == capture.sequence == counter(tmp_path) == 1_000
    for path in sorted(tmp_path.glob("*.rows"))[:-1]:
        path.unlink()  # a sidecar has read them
    clock.now += RETRY_SECONDS
    dropped = capture.dropped
    append_row(capture, (7.0, 7.0, 7.0), 2)
    assert capture.dropped == dropped
    _, frames, _ = read_log(tmp_path)
    assert frames[-1].first_sequence == 1_000


def test_a_full_log_is_looked_at_again_only_now_and_then(tmp_path: Path) -> None:
    clock = Clock()
    capture = make_capture(tmp_path, budget=200, clock=clock)
    for _ in range(10):
        append_row(capture, (1.0, 2.0, 3.0), 1)
    for path in list(tmp_path.glob("*.rows"))[:-1]:
        path.unlink()
    before = capture.dropped
    append_row(capture, (1.0, 2.0, 3.0), 1)
    assert capture.dropped == before + 1, "asked the folder again at once"
    clock.now += RETRY_SECONDS
    append_row(capture, (1.0, 2.0, 3.0), 1)
    assert capture.dropped == before + 1


def test_a_full_log_leaves_its_open_segment_so_that_it_can_be_removed(tmp_path: Path) -> None:
    clock = Clock()
    capture = make_capture(tmp_path, budget=5_000, clock=clock)
    for _ in range(200):
        append_row(capture, (1.0, 2.0, 3.0), 1)
        clock.now += 0.01
    names = sorted(path.name for path in tmp_path.glob("*.rows"))
    assert (tmp_path / names[-1]).stat().st_size == 64
    assert len(names) >= 2


def test_what_others_wrote_counts_against_the_budget(tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool" / "pane").write_bytes(bytes(5_000))
    capture = make_capture(tmp_path, budget=5_000)
    append_row(capture, (1.0, 2.0, 3.0), 1)
    assert (capture.appended, capture.dropped) == (0, 1)
    assert capture.log_bytes() == 5_000 + 64 + 8


def test_a_disk_with_less_room_than_a_segment_gets_shorter_ones(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300, hard))  # no file may be longer
    try:
        capture = make_capture(tmp_path)
        for _ in range(10):
            append_row(capture, (1.0, 2.0, 3.0), 1)
        capture.append_rows(np.ones((50, 3)), 1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (capture.appended, capture.dropped, capture.sequence) == (10, 50, 60)
    assert max(path.stat().st_size for path in tmp_path.glob("*.rows")) <= 300
    _, frames, damaged = read_log(tmp_path)
    assert [frame.first_sequence for frame in frames] == list(range(10))
    assert damaged == 0


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("call", ["write", "posix_fallocate"])
def test_a_failing_disk_costs_rows_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, call: str
) -> None:
    clock = Clock()

    def fail(*_: object) -> int:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        capture = make_capture(tmp_path, clock=clock)
        for _ in range(5):
            append_row(capture, (1.0, 2.0, 3.0), 1)
            clock.now += RETRY_SECONDS
    clock.now += RETRY_SECONDS
    append_row(capture, (4.0, 5.0, 6.0), 1)
    _, frames, _ = read_log(tmp_path)
    assert [frame.first_sequence for frame in frames] == [5]
    assert (capture.appended, capture.dropped, counter(tmp_path)) == (1, 5, 6)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
def test_a_really_full_disk_costs_rows_and_nothing_else(tmp_path: Path) -> None:
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", tmp_path], capture_output=True, check=False
    )
    if mount.returncode:
        pytest.skip("no file system may be mounted here")
    try:
        clock = Clock()
        capture = make_capture(tmp_path, clock=clock)
        for _ in range(2_000):
            append_row(capture, (1.0, 2.0, 3.0), 1)
            clock.now += 0.001
        assert capture.dropped > 0
        assert capture.appended + capture.dropped == counter(tmp_path) == 2_000
        _, frames, damaged = read_log(tmp_path)
        assert len(frames) == capture.appended
        assert damaged == 0
        capture.close()
    finally:
        subprocess.run(["umount", tmp_path], check=True)


def test_a_folder_that_cannot_be_written_costs_rows_until_it_can(tmp_path: Path) -> None:
    clock = Clock()
    folder = tmp_path / "log"
    folder.write_text("a file where the folder should be")
    capture = make_capture(folder, clock=clock)
    assert not capture.is_open
    append_row(capture, (1.0, 2.0, 3.0), 1)
    folder.unlink()
    clock.now += RETRY_SECONDS
    append_row(capture, (4.0, 5.0, 6.0), 2)
    assert (capture.appended, capture.dropped, counter(folder)) == (1, 1, 2)
    header, frames, _ = read_log(folder)
    assert [frame.first_sequence for frame in frames] == [1]
    assert header.first_sequence == 1
