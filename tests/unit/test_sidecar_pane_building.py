"""When a pane opens and closes, what goes into it, and what is said to be lost."""

import logging
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from support.pod import PANE_SECONDS, SECOND, START_NS, Pod, some_rows
from tidegauge_sidecar.spool import Spooled

from tidegauge.protocol.capture_log import SEGMENT_BYTES, encode_frame, segment_name
from tidegauge.protocol.pane import Pane

FIRST = START_NS // SECOND // PANE_SECONDS


@pytest.fixture
def pod(tmp_path: Path) -> Pod:
    return Pod(tmp_path)


def spooled(pod: Pod) -> list[Pane]:
    return [Spooled.from_bytes(pod.folder.read(f"sidecar/{name}")).pane for name in pod.waiting]


def rows_by_pane(pod: Pod) -> dict[int, int]:
    return {pane.pane - FIRST: pane.rows for pane in spooled(pod)}


def answer(pod: Pod, seconds: float, rows: int = 1) -> None:
    pod.writers[0].answer(some_rows(rows, 3), START_NS + int(seconds * SECOND))


def turn_at(pod: Pod, seconds: float) -> None:
    pod.now_ns = START_NS + int(seconds * SECOND)
    pod.turn()


def test_a_row_falls_into_the_pane_of_its_time(pod: Pod) -> None:
    pod.writer()
    for second in (0, 9.9, 10, 19):
        answer(pod, second)
    turn_at(pod, 21)
    assert rows_by_pane(pod) == {0: 2, 1: 2}


def test_a_pane_stays_open_a_second_for_rows_on_their_way(pod: Pod) -> None:
    pod.writer()
    answer(pod, 5)
    turn_at(pod, 10.9)
    assert pod.waiting == []
    answer(pod, 9.99)
    turn_at(pod, 11)
    assert rows_by_pane(pod) == {0: 2}


def test_a_row_that_comes_too_late_goes_into_the_open_pane(pod: Pod) -> None:
    pod.writer()
    turn_at(pod, 0)
    turn_at(pod, 11)
    answer(pod, 5)
    turn_at(pod, 21)
    assert rows_by_pane(pod) == {0: 0, 1: 1}


def test_every_writer_is_read_before_a_pane_is_closed(pod: Pod) -> None:
    one, two = pod.writer(), pod.writer()
    one.answer(some_rows(2, 1), START_NS)
    two.answer(some_rows(3, 1), START_NS + 12 * SECOND)
    two.answer(some_rows(4, 1), START_NS + 9 * SECOND)  # behind a later row of its writer: it goes with that
    turn_at(pod, 30)
    assert rows_by_pane(pod) == {0: 2, 1: 7}


def test_a_pane_without_rows_is_a_sign_of_life(pod: Pod) -> None:
    turn_at(pod, 0)
    turn_at(pod, 11)
    turn_at(pod, 21)
    assert rows_by_pane(pod) == {0: 0, 1: 0}


def test_after_a_long_stop_rows_come_into_the_panes_of_their_times(pod: Pod) -> None:
    pod.writer()
    for second in (1, 11, 301, 302, 4000):
        answer(pod, second)
    pod.kill()
    turn_at(pod, 4011)
    assert rows_by_pane(pod) == {0: 1, 1: 1, 30: 2, 400: 1}


def test_a_clock_that_jumps_back_does_not_lower_the_pane(pod: Pod) -> None:
    pod.writer()
    answer(pod, 100)
    turn_at(pod, 111)
    answer(pod, 20)
    turn_at(pod, 20)
    pod.kill()
    turn_at(pod, 31)
    answer(pod, 32)
    turn_at(pod, 121)
    assert rows_by_pane(pod) == {10: 1, 11: 2}


def test_rows_of_a_clock_that_ran_ahead_fall_into_the_present(pod: Pod) -> None:
    pod.writer()
    answer(pod, 3)
    answer(pod, 1e6)
    turn_at(pod, 4)
    turn_at(pod, 11)
    assert rows_by_pane(pod) == {0: 2}


def test_consumed_segments_go_when_their_pane_is_committed(pod: Pod) -> None:
    writer = pod.writer(segment_bytes=200)
    for _ in range(9):
        answer(pod, 1, rows=5)
    turn_at(pod, 5)
    assert len(list(pod.path.glob("*.rows"))) == 10
    turn_at(pod, 11)
    assert [path.name for path in pod.path.glob("*.rows")] == [segment_name(writer.writer, 9)]


def test_a_dead_writers_files_go_when_its_rows_are_committed(pod: Pod) -> None:
    pod.writer()
    answer(pod, 1)
    pod.writers[0].die()
    turn_at(pod, 5)
    assert list(pod.path.glob("w0*"))
    turn_at(pod, 11)
    assert not list(pod.path.glob("w0*"))
    assert rows_by_pane(pod) == {0: 1}


def test_rows_dropped_by_a_full_log_are_reported_to_the_row(pod: Pod) -> None:
    writer = pod.writer()
    answer(pod, 1)
    writer.drop(3)
    answer(pod, 2)
    writer.drop(4)
    turn_at(pod, 11)
    assert spooled(pod)[0].lost == {"full": 7}


def test_rows_dropped_by_a_writer_that_cannot_open_a_segment_are_reported(pod: Pod) -> None:
    writer = pod.writer()
    writer.segment.unlink()
    writer.drop(5)
    turn_at(pod, 1)
    turn_at(pod, 11)
    assert spooled(pod)[0].lost == {"full": 5}


def test_rows_under_damaged_bytes_are_reported_as_corrupt(pod: Pod) -> None:
    writer = pod.writer()
    answer(pod, 1)
    writer.damage(some_rows(6, 1), START_NS, lambda frame: frame[:-1] + bytes([frame[-1] ^ 1]))
    answer(pod, 2)
    turn_at(pod, 11)
    assert spooled(pod)[0].lost == {"corrupt": 6}
    assert pod.sidecar.snapshot().corrupt_bytes == len(encode_frame(bytes(6 * 32), 6, 0, 0))


def test_a_write_that_is_not_finished_is_waited_for(pod: Pod) -> None:
    writer = pod.writer()
    frame = encode_frame(some_rows(2, 1).tobytes(), 2, 0, START_NS)
    writer.litter(frame[:50])
    turn_at(pod, 5)
    writer.litter(frame[50:])
    writer.drop(2)  # only counts them: they stand in the log
    turn_at(pod, 11)
    assert (spooled(pod)[0].rows, spooled(pod)[0].lost) == (2, {})


def test_rows_behind_a_frame_that_never_ends_are_not_given_up(pod: Pod) -> None:
    writer = pod.writer()
    writer.litter(encode_frame(bytes(64 * 32), 64, 0, START_NS)[:40])
    answer(pod, 1, rows=2)
    turn_at(pod, 5)
    writer.roll()
    turn_at(pod, 11)
    assert (spooled(pod)[0].rows, spooled(pod)[0].lost) == (2, {})


def test_rows_that_were_never_answered_are_not_lost(pod: Pod) -> None:
    writer = pod.writer()
    answer(pod, 1)
    writer.tear(some_rows(2, 1), START_NS, 60)
    turn_at(pod, 11)
    assert (spooled(pod)[0].rows, spooled(pod)[0].lost) == (1, {})


def test_rows_seen_twice_count_once(pod: Pod) -> None:
    writer = pod.writer()
    answer(pod, 1, rows=2)
    writer.litter(encode_frame(some_rows(2, 1).tobytes(), 2, 0, START_NS))
    turn_at(pod, 11)
    assert (spooled(pod)[0].rows, spooled(pod)[0].lost) == (2, {})


def test_a_sequence_number_that_cannot_be_is_damage(pod: Pod) -> None:
    writer = pod.writer()
    writer.litter(encode_frame(some_rows(2, 1).tobytes(), 2, 1 << 60, START_NS))
    answer(pod, 1)
    turn_at(pod, 11)
    assert (spooled(pod)[0].rows, spooled(pod)[0].lost) == (1, {})


@pytest.mark.parametrize("spoiled", ["profile", "magic", "columns"])
def test_a_segment_that_is_not_ours_is_set_aside_and_its_rows_reported(
    pod: Pod, spoiled: str, caplog: pytest.LogCaptureFixture
) -> None:
    writer = pod.writer(segment_bytes=100, profile_hash="cd" * 32 if spoiled == "profile" else None)
    with writer.segment.open("r+b") as file:
        file.seek({"profile": 60, "magic": 0, "columns": 12}[spoiled])
        file.write(b"\x09")
    with caplog.at_level(logging.ERROR):
        answer(pod, 1, rows=3)
        answer(pod, 1, rows=4)
        turn_at(pod, 5)
        turn_at(pod, 11)
    expected = 7 if spoiled == "profile" else 3
    assert spooled(pod)[0].lost == {"corrupt": expected}
    assert (pod.path / "sidecar/rejected.bad").exists()
    assert [name for name in pod.folder.sizes() if name.endswith(".rows")] == [writer.segment.name]
    assert len([r for r in caplog.records if segment_name("w0", 0) in r.getMessage()]) == 1


def test_a_full_disk_stops_the_counting_until_there_is_room(pod: Pod) -> None:
    pod.writer()
    answer(pod, 1)
    pod.folder.is_full = True
    turn_at(pod, 11)
    answer(pod, 12, rows=5)
    turn_at(pod, 25)
    assert pod.waiting == []
    pod.folder.is_full = False
    turn_at(pod, 26)
    assert rows_by_pane(pod) == {0: 1, 1: 5}


def test_the_end_closes_the_open_pane_and_says_that_it_is_the_last(pod: Pod) -> None:
    pod.writer()
    answer(pod, 1)
    turn_at(pod, 2)
    pod.writers[0].die()
    assert pod.sidecar.pane_builder.finish(pod.now_ns)
    (pane,) = spooled(pod)
    assert (pane.rows, pane.final) == (1, True)


def test_a_pane_is_not_final_while_a_server_lives(pod: Pod) -> None:
    pod.writer()
    answer(pod, 1)
    assert not pod.sidecar.pane_builder.finish(pod.now_ns)
    assert [pane.final for pane in spooled(pod)] == [False]


def test_rows_of_a_request_larger_than_a_batch_are_all_counted(pod: Pod) -> None:
    pod.writer()
    answer(pod, 1, rows=40_000)
    turn_at(pod, 11)
    (pane,) = spooled(pod)
    assert pane.rows == 40_000
    assert pane.counts == pod.profile.count_matrix(pod.writers[0].logged[0]).to_bytes()


def test_float32_and_float64_segments_may_follow_each_other(pod: Pod) -> None:
    rows = some_rows(5, 1).astype("<f4").astype("<f8")
    writer = pod.writer()
    writer.answer(rows, START_NS)
    writer.roll()
    with writer.segment.open("r+b") as file:
        file.seek(10)
        file.write(b"\x04")
    writer.litter(encode_frame(rows.astype("<f4").tobytes(), 5, 5, START_NS))
    writer.drop(5)
    turn_at(pod, 11)
    (pane,) = spooled(pod)
    assert pane.counts == pod.profile.count_matrix(np.concatenate([rows, rows])).to_bytes()


def test_memory_holds_a_panes_rows_and_not_the_log_they_were_read_from(pod: Pod) -> None:
    pod.writer(room_bytes=SEGMENT_BYTES)
    turn_at(pod, 0)
    tracemalloc.start()
    try:
        for tenth in range(1, 60):
            answer(pod, tenth / 10)
            turn_at(pod, tenth / 10)
        assert tracemalloc.get_traced_memory()[1] < 2 * SEGMENT_BYTES
    finally:
        tracemalloc.stop()


def test_a_log_that_stands_is_read_in_parts(pod: Pod, monkeypatch: pytest.MonkeyPatch) -> None:
    pod.writer(segment_bytes=4 * SEGMENT_BYTES)
    for second in range(100):
        answer(pod, second / 20, rows=1000)
    seen = []
    read = pod.folder.read
    monkeypatch.setattr(pod.folder, "read", lambda *where: seen.append(len(found := read(*where))) or found)
    turn_at(pod, 11)
    assert rows_by_pane(pod) == {0: 100_000}
    assert max(seen) <= SEGMENT_BYTES // 4
