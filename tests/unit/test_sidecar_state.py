"""The sidecar's own files: what a crash in the middle of a write leaves."""

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.failing_folder import FailingFolder, Killed
from support.pod import small_profile
from tidegauge_sidecar.folder import Folder
from tidegauge_sidecar.position import Position, WriterPosition
from tidegauge_sidecar.recovery import lock_folder, name_instance
from tidegauge_sidecar.spool import Sent, ShardState, Spooled, StateFile

from tidegauge.counting.counts import Counts
from tidegauge.errors import ProfileError, WireError
from tidegauge.protocol.pane import Pane


@pytest.fixture
def folder(tmp_path: Path) -> FailingFolder:
    folder = FailingFolder(tmp_path)
    folder.make("sidecar")
    return folder


def a_spooled_pane() -> Spooled:
    profile = small_profile()
    pane = Pane(
        model="m",
        profile=profile.hash,
        pane=7,
        pane_seconds=10,
        instance="i0",
        rows=0,
        counts=Counts.zero(profile).to_bytes(),
    )
    return Spooled(pane, Position(7, 3, 2, {"w": WriterPosition(1, 200, 30, 4, True)}))


def test_a_state_comes_back(folder: FailingFolder) -> None:
    file = StateFile(folder)
    for content in (b"one", b"two", b"three"):
        file.write(content)
        assert StateFile(folder).content == content


def test_a_kill_in_the_middle_of_a_write_leaves_the_old_state(folder: FailingFolder) -> None:
    file = StateFile(folder)
    rng = random.Random(3)
    for content in (rng.randbytes(500) for _ in range(5)):
        old = file.content
        folder.kill_after, folder.halves_writes = 0, True
        with pytest.raises(Killed):
            file.write(content)
        file = StateFile(folder)
        assert file.content == old
        file.write(content)


@pytest.mark.parametrize("cut", range(0, 40, 3))
def test_a_write_torn_anywhere_leaves_the_old_state_or_the_new(folder: FailingFolder, cut: int) -> None:
    file = StateFile(folder)
    file.write(b"old")
    before = folder.read("sidecar/state")
    file.write(b"new content")
    after = folder.read("sidecar/state")
    changed = next(i for i, (a, b) in enumerate(zip(before, after, strict=True)) if a != b)
    folder.write("sidecar/state", after[: changed + cut] + before[changed + cut :])
    assert StateFile(folder).content in (b"old", b"new content")


def test_a_state_that_outgrows_its_slot_moves_into_larger_ones(folder: FailingFolder) -> None:
    file = StateFile(folder)
    file.write(b"small")
    content = random.Random(1).randbytes(3 * StateFile.SLOT_BYTES)
    file.write(content)
    assert StateFile(folder).content == content
    file.write(b"small again")
    assert StateFile(folder).content == b"small again"


def test_a_state_can_be_stored_on_a_full_disk(folder: FailingFolder) -> None:
    file = StateFile(folder)
    folder.is_full = True
    file.write(b"acknowledged")
    assert StateFile(folder).content == b"acknowledged"


def test_what_was_sent_comes_back() -> None:
    sent = Sent(
        (ShardState(4, 10, 2, {"refused": 1}), ShardState()),
        Position(4, 12, 1, {"w": WriterPosition(1, 2, 3)}),
    )
    assert Sent.from_bytes(sent.to_bytes()) == sent
    assert sent.shards[0].accounted == 13


def test_a_spooled_pane_comes_back() -> None:
    spooled = a_spooled_pane()
    assert Spooled.from_bytes(spooled.to_bytes()) == spooled


@given(st.data())
def test_a_damaged_spool_file_is_never_taken_for_a_pane(data: st.DataObject) -> None:
    whole = bytearray(a_spooled_pane().to_bytes())
    bit = data.draw(st.integers(0, 8 * len(whole) - 1))
    whole[bit // 8] ^= 1 << bit % 8
    with pytest.raises(WireError):
        Spooled.from_bytes(bytes(whole))
    with pytest.raises(WireError):
        Spooled.from_bytes(a_spooled_pane().to_bytes()[: bit // 8])


def test_an_instance_has_one_name_for_ever(folder: FailingFolder) -> None:
    name = name_instance(folder, 10)
    assert len(name) == 17
    assert name_instance(folder, 10) == name


@pytest.mark.parametrize("step", [0, 1])
def test_a_kill_while_an_instance_is_named_leaves_none_or_one(folder: FailingFolder, step: int) -> None:
    folder.kill_after, folder.halves_writes = step, True
    with pytest.raises(Killed):
        name_instance(folder, 10)
    assert name_instance(folder, 10) == name_instance(folder, 10)


def test_panes_of_another_length_are_refused_with_the_way_out(folder: FailingFolder) -> None:
    name_instance(folder, 10)
    with pytest.raises(ProfileError, match="pane_seconds=30: this log folder's panes are of 10 s; keep that"):
        name_instance(folder, 30)


def test_two_sidecars_do_not_share_a_folder(folder: FailingFolder) -> None:
    lock = lock_folder(folder)
    with pytest.raises(BlockingIOError, match="another sidecar"):
        lock_folder(Folder(folder.path))
    lock.close()
    lock_folder(Folder(folder.path)).close()
