"""Whatever is killed, damaged, refused or full: rows counted + rows reported lost = rows answered."""

import shutil
import struct
import tempfile
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)
from support.capture_log_writer import LogWriter
from support.pod import SECOND, Pod, some_rows
from tidegauge_sidecar import reader

from tidegauge.protocol.capture_log import FRAME_MAGIC

pytestmark = pytest.mark.slow

COUNTS = st.integers(1, 30)
SEEDS = st.integers(0, 2**32 - 1)
KILLS = st.none() | st.integers(0, 6)
EVENTS = st.sampled_from(["take", "lose_answer", "away", "409", "413", "422", "425", "421", "503", "401"])
PRETENDER = struct.pack("<4sIIIQQ", FRAME_MAGIC, 0, 32 * 64, 64, 0, 0)  # a frame whose end never comes
SPOILED = st.sampled_from(["flip_header", "flip_payload", "cut", "cut_early", "pretend", "zeros"])


def spoil(kind: str, frame: bytes) -> bytes:
    match kind:
        case "flip_header":
            return frame[:9] + bytes([frame[9] ^ 1]) + frame[10:]
        case "flip_payload":
            return frame[:-1] + bytes([frame[-1] ^ 128])
        case "cut":
            return frame[:-3]
        case "cut_early":
            return frame[:6]
        case "pretend":
            return PRETENDER
        case _:
            return bytes(len(frame))


class PodLife(RuleBasedStateMachine):
    """Random lives of one pod; `teardown` ends the life and checks what the aggregators know."""

    @initialize(shards=st.sampled_from([1, 1, 2, 3]), chunk_bytes=st.sampled_from([40, 500, 1 << 18]))
    def begin(self, shards: int, chunk_bytes: int) -> None:
        self.chunks = mock.patch.object(reader, "CHUNK_BYTES", chunk_bytes)
        self.chunks.start()
        self.path = Path(tempfile.mkdtemp())
        self.pod = Pod(self.path, shards=shards)
        self.alive: list[LogWriter] = [self.pod.writer(segment_bytes=600)]
        self.dropped = 0
        self.spoiled = 0
        self.blanked = 0  # rows under zeros, which at a segment's end look like room

    def pick(self, data: st.DataObject) -> LogWriter:
        return data.draw(st.sampled_from(self.alive))

    @precondition(lambda self: len(self.alive) < 3)
    @rule(segment_bytes=st.sampled_from([200, 2000]), room_bytes=st.sampled_from([0, 700]))
    def a_server_starts(self, segment_bytes: int, room_bytes: int) -> None:
        self.alive.append(self.pod.writer(segment_bytes=segment_bytes, room_bytes=room_bytes))

    @precondition(lambda self: len(self.alive) < 3)
    @rule()
    def a_server_of_another_profile_starts(self) -> None:
        self.alive.append(self.pod.writer(profile_hash="ab" * 32))
        self.spoiled += 1

    @precondition(lambda self: self.alive)
    @rule(data=st.data(), count=COUNTS, seed=SEEDS, offset=st.integers(-25, 25))
    def rows_are_answered(self, data: st.DataObject, count: int, seed: int, offset: int) -> None:
        writer = self.pick(data)
        writer.answer(some_rows(count, seed), self.pod.now_ns + offset * SECOND)

    @precondition(lambda self: self.alive)
    @rule(data=st.data(), count=COUNTS, seed=SEEDS)
    def rows_are_answered_now(self, data: st.DataObject, count: int, seed: int) -> None:
        self.pick(data).answer(some_rows(count, seed), self.pod.now_ns)

    @precondition(lambda self: self.alive)
    @rule(data=st.data(), count=COUNTS)
    def rows_are_dropped(self, data: st.DataObject, count: int) -> None:
        self.pick(data).drop(count)
        self.dropped += count

    @precondition(lambda self: self.alive)
    @rule(data=st.data(), count=COUNTS, kind=SPOILED)
    def a_frame_is_damaged(self, data: st.DataObject, count: int, kind: str) -> None:
        self.pick(data).damage(some_rows(count, 0), self.pod.now_ns, lambda frame: spoil(kind, frame))
        self.spoiled += 1
        self.blanked += count if kind == "zeros" else 0

    @precondition(lambda self: self.alive)
    @rule(data=st.data(), litter=st.binary(max_size=50) | st.sampled_from([PRETENDER, b"RO", b"ROWS"]))
    def bytes_fall_into_the_log(self, data: st.DataObject, litter: bytes) -> None:
        self.pick(data).litter(litter)
        self.spoiled += 1

    @precondition(lambda self: self.alive)
    @rule(data=st.data())
    def a_segment_is_rolled(self, data: st.DataObject) -> None:
        self.pick(data).roll()

    @precondition(lambda self: self.alive)
    @rule(data=st.data(), count=COUNTS, how=st.sampled_from(["idle", "writing", "counting"]), cut=COUNTS)
    def a_server_is_killed(self, data: st.DataObject, count: int, how: str, cut: int) -> None:
        writer = self.pick(data)
        self.alive.remove(writer)
        match how:
            case "writing":
                writer.tear(some_rows(count, 1), self.pod.now_ns, cut)
                self.spoiled += 1
            case "counting" if writer.profile_hash == self.pod.profile.hash:
                writer.die_before_counting(some_rows(count, 2), self.pod.now_ns)
            case _:
                writer.die()

    @rule(seconds=st.sampled_from([0.2, 1, 5, 11, 60, -3, -40]))
    def the_clock_moves(self, seconds: float) -> None:
        self.pod.wait(seconds)

    @rule(kill=KILLS, half=st.booleans())
    def the_sidecar_turns(self, kill: int | None, half: bool) -> None:
        self.pod.folder.kill_after, self.pod.folder.halves_writes = kill, half
        self.pod.turn()

    @rule(kill=KILLS, half=st.booleans())
    def a_pane_passes(self, kill: int | None, half: bool) -> None:
        self.pod.wait(11)
        self.the_sidecar_turns(kill, half)

    @rule(kill=KILLS, half=st.booleans())
    def what_waits_is_sent(self, kill: int | None, half: bool) -> None:
        self.pod.folder.kill_after, self.pod.folder.halves_writes = kill, half
        self.pod.send()

    @rule(kill=KILLS, half=st.booleans(), events=st.lists(EVENTS, max_size=4), shard=st.integers(0, 2))
    def the_sidecar_sends(self, kill: int | None, half: bool, events: list[str], shard: int) -> None:
        self.pod.ledgers[shard % len(self.pod.ledgers)].script[:] = events
        self.pod.folder.kill_after, self.pod.folder.halves_writes = kill, half
        for _ in range(3):
            self.pod.send()

    @rule()
    def the_sidecar_is_killed(self) -> None:
        self.pod.kill()

    @rule(is_full=st.booleans())
    def the_disk_is_full_or_not(self, is_full: bool) -> None:
        self.pod.folder.is_full = is_full

    def teardown(self) -> None:
        if not hasattr(self, "pod"):
            return
        try:
            self.pod.finish()
            self.pod.check()
            self.check_reasons()
            assert not [name for name in self.pod.folder.sizes() if name.endswith((".rows", ".seq"))]
        finally:
            self.chunks.stop()
            shutil.rmtree(self.path)

    def check_reasons(self) -> None:
        for ledger in self.pod.ledgers:
            assert ledger.lost.get("full", 0) <= self.dropped + self.blanked
            assert self.spoiled or not ledger.lost.get("corrupt")


LIFE = settings(
    max_examples=100,
    stateful_step_count=50,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
)


def test_no_life_of_a_pod_loses_or_doubles_a_row() -> None:
    run_state_machine_as_test(PodLife, settings=LIFE)


@pytest.mark.soak
def test_no_life_of_a_pod_loses_or_doubles_a_row_in_thousands_of_lives() -> None:
    run_state_machine_as_test(
        PodLife, settings=settings(LIFE, max_examples=3000, stateful_step_count=80, derandomize=False)
    )


def live(pod: Pod) -> None:
    """A life with all that changes files: segments rolled and damaged, a server dead, panes refused."""
    one, two = pod.writer(segment_bytes=400), pod.writer()
    pod.ledgers[0].script = ["take", "409", "lose_answer"]
    for round_ in range(3):
        for count in (3, 9):
            one.answer(some_rows(count, round_), pod.now_ns)
            pod.turn()
        one.drop(round_)
        two.damage(some_rows(2, 1), pod.now_ns, lambda frame: frame[:20])
        two.answer(some_rows(4, round_), pod.now_ns)
        if round_ == 1:
            two.tear(some_rows(3, 3), pod.now_ns, 70)
            two = pod.writer()
        pod.close_pane()
        pod.send()
        pod.send()


def count_steps(path: Path, shards: int) -> int:
    pod = Pod(path, shards=shards)
    live(pod)
    return pod.folder.steps


@pytest.mark.parametrize("halves_writes", [False, True])
@pytest.mark.parametrize("shards", [1, 2])
def test_a_kill_between_any_two_steps_loses_and_doubles_nothing(
    tmp_path: Path, shards: int, halves_writes: bool
) -> None:
    for step in range(count_steps(tmp_path / "unharmed", shards)):
        pod = Pod(tmp_path / str(step), shards=shards, kill_after=step, halves_writes=halves_writes)
        live(pod)
        assert pod.folder.kill_after is None, "it was killed"
        pod.finish()
        pod.check()
