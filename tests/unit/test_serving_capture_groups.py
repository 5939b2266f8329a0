"""Rows that are committed together: one frame, and the same account as one by one."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.serving_app import NOW_NS, App, read_log
from support.serving_bundles import house_bundle, house_data
from tidegauge_serving.predict.capture import RETRY_SECONDS, Capture, log_bytes

from tidegauge.protocol.capture_log import (
    FRAME_HEADER,
    SEGMENT_BYTES,
    SEGMENT_HEADER_BYTES,
    SEQUENCE,
    encode_frame,
)

COLUMNS = 3
ROW_FRAME = FRAME_HEADER.size + 8 * COLUMNS


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def make_capture(
    folder: Path, budget: int = 64 << 20, value_bytes: int = 8, clock: Clock | None = None
) -> Capture:
    return Capture(
        folder,
        budget,
        columns=COLUMNS,
        value_bytes=value_bytes,
        profile_hash="cd" * 32,
        writer="test",
        monotonic=clock or Clock(),
    )


def counter(folder: Path) -> int:
    return SEQUENCE.unpack((folder / "test.seq").read_bytes())[0]


def stage_all(capture: Capture, rows: np.ndarray) -> None:
    for row in rows.tolist():
        capture.stage(tuple(row))


def values(frame, dtype: str = "<f8") -> np.ndarray:
    return np.frombuffer(frame.payload, dtype).reshape(frame.rows, COLUMNS)


@pytest.mark.parametrize(("value_bytes", "dtype"), [(4, "<f4"), (8, "<f8")])
def test_rows_committed_together_are_one_frame_in_their_order(tmp_path: Path, value_bytes, dtype) -> None:
    capture = make_capture(tmp_path, value_bytes=value_bytes)
    rows = np.array([[1, np.nan, 0.5], [-0.0, np.inf, 2], [3, 4, 1e-40], [1, np.nan, 0.5]])
    stage_all(capture, rows)
    capture.commit(77)
    (frame,) = read_log(tmp_path)[1]
    assert (frame.first_sequence, frame.rows, frame.time_ns) == (0, 4, 77)
    assert values(frame, dtype).tobytes() == rows.astype(dtype).tobytes()
    assert counter(tmp_path) == capture.sequence == capture.appended == 4


def test_a_group_is_byte_for_byte_the_library_s_frame(tmp_path: Path) -> None:
    capture = make_capture(tmp_path)
    rows = np.random.default_rng(4).normal(size=(9, COLUMNS))
    stage_all(capture, rows)
    capture.commit(5)
    written = (tmp_path / "test-00000000.rows").read_bytes()[SEGMENT_HEADER_BYTES:]
    frame = encode_frame(rows.tobytes(), 9, 0, 5)
    assert written == frame + bytes(len(written) - len(frame))


def test_a_staged_row_is_nowhere_before_its_commit(tmp_path: Path) -> None:
    capture = make_capture(tmp_path)
    capture.stage((1.0, 2.0, 3.0))
    assert (read_log(tmp_path)[1], capture.sequence, counter(tmp_path)) == ([], 0, 0)
    capture.commit(1)
    assert (len(read_log(tmp_path)[1]), capture.sequence, counter(tmp_path)) == (1, 1, 1)


def test_a_commit_with_nothing_staged_leaves_no_trace(tmp_path: Path) -> None:
    capture = make_capture(tmp_path)
    capture.commit(1)
    stage_all(capture, np.ones((2, COLUMNS)))
    capture.commit(2)
    capture.commit(3)
    assert [(frame.rows, frame.time_ns) for frame in read_log(tmp_path)[1]] == [(2, 2)]


def test_a_block_between_stage_and_commit_has_numbers_of_its_own(tmp_path: Path) -> None:
    capture = make_capture(tmp_path)
    capture.stage((1.0, 1.0, 1.0))
    capture.append_rows(np.full((2, COLUMNS), 2.0), 1)
    capture.stage((3.0, 3.0, 3.0))
    capture.commit(2)
    frames = read_log(tmp_path)[1]
    assert [(frame.first_sequence, frame.rows) for frame in frames] == [(0, 2), (2, 2)]
    np.testing.assert_array_equal(np.concatenate([values(frame) for frame in frames])[:, 0], [2, 2, 1, 3])


def test_one_value_too_large_for_float32_spoils_no_other_of_its_group(tmp_path: Path) -> None:
    capture = make_capture(tmp_path, value_bytes=4)
    rows = np.array([[1, 2, 3], [4, 1e300, 5], [np.nan, -1e300, 6]])
    stage_all(capture, rows)
    capture.commit(1)
    (frame,) = read_log(tmp_path)[1]
    np.testing.assert_array_equal(values(frame, "<f4"), [[1, 2, 3], [4, np.inf, 5], [np.nan, -np.inf, 6]])


def test_a_group_that_a_segment_s_end_has_no_room_for_goes_on_in_the_next(tmp_path: Path) -> None:
    capture = make_capture(tmp_path)
    filled = (SEGMENT_BYTES - SEGMENT_HEADER_BYTES - FRAME_HEADER.size - 3 * ROW_FRAME) // (8 * COLUMNS)
    capture.append_rows(np.zeros((filled, COLUMNS)), 1)  # room for three rows alone, not for ten
    stage_all(capture, np.arange(30.0).reshape(10, COLUMNS))
    capture.commit(2)
    _, frames, damaged = read_log(tmp_path)
    np.testing.assert_array_equal(
        np.concatenate([values(frame) for frame in frames[1:]]), np.arange(30.0).reshape(10, COLUMNS)
    )
    numbers = [n for frame in frames for n in range(frame.first_sequence, frame.first_sequence + frame.rows)]
    assert numbers == list(range(filled + 10))
    assert (capture.dropped, damaged, len(list(tmp_path.glob("*.rows")))) == (0, 0, 2)


def test_of_a_group_larger_than_the_budget_each_row_with_room_is_in_the_log(tmp_path: Path) -> None:
    budget = SEQUENCE.size + SEGMENT_HEADER_BYTES + 4 * ROW_FRAME
    capture = make_capture(tmp_path, budget=budget)
    stage_all(capture, np.ones((20, COLUMNS)))
    capture.commit(1)
    assert (capture.appended, capture.dropped) == (4, 16)
    assert counter(tmp_path) == capture.sequence == 20
    assert sum(frame.rows for frame in read_log(tmp_path)[1]) == 4


@pytest.mark.slow
@given(
    st.lists(st.tuples(st.integers(0, 40), st.booleans(), st.floats(0, 0.2)), max_size=40),
    st.integers(0, 4_000),
)
def test_whatever_the_groups_and_the_room_every_row_has_a_number_and_is_in_the_log_or_dropped(
    tmp_path_factory: pytest.TempPathFactory, turns: list[tuple[int, bool, float]], budget: int
) -> None:
    folder = tmp_path_factory.mktemp("log")
    clock = Clock()
    capture = make_capture(folder, budget=budget, clock=clock)
    rows, read = 0, []
    for count, sidecar_reads, seconds in turns:
        stage_all(capture, np.arange(rows, rows + count)[:, None] * np.ones(COLUMNS))
        capture.commit(1)
        rows += count
        clock.now += seconds
        if sidecar_reads:
            read += frames_of_left_segments(folder)
    capture.close()
    read += frames_of_left_segments(folder, left=0)
    numbers = [n for first, column in read for n in range(first, first + len(column))]
    logged = [value for _, column in read for value in column]
    assert numbers == logged  # a row's number is its place among all rows, lost ones too
    assert len(numbers) == capture.appended == rows - capture.dropped
    assert counter(folder) == capture.sequence == rows


def frames_of_left_segments(folder: Path, left: int = 1) -> list[tuple[int, list[float]]]:
    """Read and remove segments that have a next one, as the sidecar does."""
    paths = sorted(folder.glob("test-*.rows"))
    paths = paths[: len(paths) - left]
    if not paths:
        return []
    names = {path.name for path in paths}
    kept = [path for path in folder.glob("test-*.rows") if path.name not in names]
    hidden = [path.rename(path.with_suffix(".hidden")) for path in kept]
    found = [(frame.first_sequence, values(frame)[:, 0].tolist()) for frame in read_log(folder)[1]]
    for path in hidden:
        path.rename(path.with_suffix(".rows"))
    for path in paths:
        path.unlink()
    return found


def test_a_full_log_takes_groups_again_once_a_reader_made_room(tmp_path: Path) -> None:
    clock = Clock()
    capture = make_capture(tmp_path, budget=3_000, clock=clock)
    for _ in range(50):
        stage_all(capture, np.ones((8, COLUMNS)))
        capture.commit(1)
    assert 0 < capture.dropped < 400
    assert log_bytes(tmp_path) <= 3_000 + SEGMENT_HEADER_BYTES
    for path in sorted(tmp_path.glob("*.rows"))[:-1]:
        path.unlink()
    clock.now += RETRY_SECONDS
    dropped = capture.dropped
    stage_all(capture, np.full((8, COLUMNS), 7.0))
    capture.commit(2)
    assert capture.dropped == dropped
    assert read_log(tmp_path)[1][-1].first_sequence + read_log(tmp_path)[1][-1].rows == counter(tmp_path)


KILLED = """
import sys, time
from pathlib import Path
from tidegauge_serving.predict.capture import Capture
capture = Capture(Path(sys.argv[1]), 1 << 30, columns=3, value_bytes=8, profile_hash="cd" * 32, writer="test",
          monotonic=time.monotonic)
row = 0
while True:
    for _ in range(1 + row % 7):
        capture.stage((float(row), 0.0, 1.0))
        row += 1
    capture.commit(time.time_ns())
    sys.stdout.write(f"{row}\\n")  # the answers leave
    sys.stdout.flush()
"""


@pytest.mark.slow
@pytest.mark.parametrize("answered_before", [1, 500, 5_000, 30_000])
def test_a_writer_killed_at_any_moment_leaves_every_row_that_it_answered(
    tmp_path: Path, answered_before: int
) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    for line in writer.stdout:
        if int(line) >= answered_before:
            break
    os.kill(writer.pid, signal.SIGKILL)
    rest = writer.stdout.read()
    writer.stdout.close()
    writer.wait()
    answered = int(rest.split("\n")[-2]) if "\n" in rest else int(line)
    column = np.concatenate([values(frame)[:, 0] for frame in read_log(tmp_path)[1]])
    np.testing.assert_array_equal(column, np.arange(len(column)))
    assert len(column) >= answered
    assert 0 <= len(column) - counter(tmp_path) <= 7  # the counter is stored after its frame


# --- the service that stages -----------------------------------------------------------------------------


def test_rows_answered_in_one_turn_reach_the_log_as_one_frame_with_one_commit(tmp_path: Path) -> None:
    app = App(house_bundle(tmp_path / "bundle"), tmp_path / "log")
    try:
        rows = house_data(5, seed=8)[0].tolist()
        labels = [app.service.answer_at_once(tuple(row))[0] for row in rows]
        assert read_log(tmp_path / "log")[1] == []
        app.service.commit()
        (frame,) = read_log(tmp_path / "log")[1]
        logged = np.frombuffer(frame.payload).reshape(5, -1)
        np.testing.assert_array_equal(logged[:, :-1], rows)
        np.testing.assert_array_equal(logged[:, -1], labels)
        assert frame.time_ns == NOW_NS
        assert (app.capture.appended, app.metrics.rows) == (5, 5)
    finally:
        app.close()
