"""The store: full, damaged, tidied; what is counted stays exactly what was sent."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.aggregator_rig import PANE_SECONDS, START, Clock, Pod, Rig, in_loop, running, small_profile
from tidegauge_aggregator.domain.blocks import BLOCK_PANES, FINE_PANES
from tidegauge_aggregator.domain.rows import SumRow
from tidegauge_aggregator.store.base import StoreError
from tidegauge_aggregator.store.sqlite.store import FILE_NAME, SqliteStore, open_store

from tidegauge.counting.counts import Counts
from tidegauge.profile.profile import Profile
from tidegauge.protocol.pane import Pane

PROFILE = small_profile(features=2, cut_points=8)


def rows(seed: int, count: int = 20) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, 2))


async def query(rig: Rig, sql: str) -> list[Any]:
    run: Callable[[Any], list[Any]] = lambda store: store._db.execute(sql).fetchall()  # noqa: E731
    return await rig.aggregator.read(run)


async def stored(rig: Rig, profile: Profile) -> Counts:
    """All counts in the store, merged and unmerged."""
    sums = [Counts.from_bytes(counts, profile) for (counts,) in await query(rig, "SELECT counts FROM sums")]
    inbox = [Pane.from_bytes(message).counts for (message,) in await query(rig, "SELECT message FROM inbox")]
    return sum([*sums, *(Counts.from_bytes(counts, profile) for counts in inbox)], Counts.zero(profile))


@pytest.mark.slow
@in_loop
async def test_a_full_disk_refuses_and_takes_the_pane_later(tmp_path: Path) -> None:
    async with running(tmp_path, Clock()) as rig:
        await rig.put_profile(PROFILE)
        pod = Pod("a", PROFILE)
        await rig.send(pod, START, rows(0))
        await rig.evaluate(START)
        pages = (await query(rig, "PRAGMA page_count"))[0][0]
        await query(rig, f"PRAGMA max_page_count={pages}")
        taken, refused, pane = 1, None, START
        while refused is None:
            pane += 1
            rig.clock.after(pane)
            message = pod.message(pane, PROFILE.count(rows(pane)))
            answer = await rig.client.put(pod.path(pane), content=message)
            if answer.status_code == 503:
                refused = message
            else:
                assert answer.status_code == 201
                taken += 1
            assert pane < START + 500, "the disk never became full"
        assert answer.json()["reason"] == "disk_full"
        assert answer.headers["retry-after"]
        assert (await rig.report())["coverage"]["rows_counted"] == taken * 20
        await rig.evaluate(pane)
        assert (await rig.report())["pane"] == pane, "reports must go on"
        await query(rig, f"PRAGMA max_page_count={1 << 30}")
        assert (await rig.client.put(pod.path(pane), content=refused)).status_code == 201
        await rig.evaluate(pane + 1)
        coverage = (await rig.report())["coverage"]
        assert (await stored(rig, PROFILE)).rows == coverage["rows_counted"] == (taken + 1) * 20
    async with running(tmp_path, Clock(pane + 2)) as again:
        await again.evaluate(pane + 2)
        assert (await again.report())["coverage"]["rows_counted"] == (taken + 1) * 20


def test_a_damaged_file_is_moved_aside_and_said_loudly(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = open_store(tmp_path)
    with store.transaction():
        store.add_profile("m", PROFILE.hash, PROFILE.to_bytes(), 0.0)
    store.close()
    for damage in (b"not a database at all" * 1000, None):
        content = damage or bytearray((tmp_path / FILE_NAME).read_bytes())
        if damage is None:
            assert isinstance(content, bytearray)
            content[8192:40000] = b"\xee" * (40000 - 8192)
        (tmp_path / FILE_NAME).write_bytes(content)
        caplog.clear()
        with caplog.at_level(logging.ERROR):
            store = open_store(tmp_path)
        assert "damaged" in caplog.text
        assert list(store.profiles()) == []
        store.close()
    assert len(list(tmp_path.glob("*.damaged-*"))) == 2


def test_two_aggregators_do_not_share_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tidegauge_aggregator.store.sqlite.store.LOCK_WAIT_SECONDS", 0.05)
    first = open_store(tmp_path)
    with pytest.raises(StoreError, match="locked"):
        open_store(tmp_path)
    first.close()
    open_store(tmp_path).close()


def test_the_newest_rows_are_found_among_merged_panes_of_one_series(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / FILE_NAME)
    with store.transaction():
        nothing_yet = store.newest_rows(1)
        store.put_sum(1, SumRow(0, BLOCK_PANES, 9, 0, b""))
        in_a_block = store.newest_rows(1)
        for pane, count in ((700, 5), (701, 0)):
            store.put_sum(1, SumRow(pane, 1, count, 3, b""))
        store.put_sum(2, SumRow(900, 1, 1, 0, b""))
        alone = store.newest_rows(1)
    store.close()
    assert (nothing_yet, in_a_block, alone) == (-1, BLOCK_PANES - 1, 700)


def test_a_transaction_that_fails_leaves_nothing(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / FILE_NAME)

    def act() -> None:
        with store.transaction():
            store.add_profile("m", PROFILE.hash, PROFILE.to_bytes(), 0.0)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        act()
    assert list(store.profiles()) == []
    store.close()


@pytest.mark.slow
@in_loop
async def test_merging_in_any_order_keeps_every_count(tmp_path: Path) -> None:
    """Panes in order, late and very late: in the end the store's sums are all that was sent, to the count."""
    rng = np.random.default_rng(4)
    total, pods = Counts.zero(PROFILE), [Pod(f"i{i}", PROFILE) for i in range(3)]
    newest = START + FINE_PANES + 3 * BLOCK_PANES
    recent = [newest - int(back) for back in rng.choice(200, 60, replace=False)]
    old = [START + int(ahead) for ahead in rng.choice(3 * BLOCK_PANES, 60, replace=False)]
    async with running(tmp_path, Clock(newest)) as rig:
        await rig.put_profile(PROFILE)
        for number, pane in enumerate([*sorted(old), *recent]):
            counts = PROFILE.count(rows(number))
            assert (await rig.send(pods[number % 3], pane, counts)).status_code in (201, 503)
            total = total + counts
            if number % 11 == 0:
                rig.clock.after(newest + number)
                for _ in range(40):
                    await rig.scheduler.step()
        rig.clock.after(newest + 500)
        for _ in range(80):
            rig.clock.now += PANE_SECONDS
            await rig.scheduler.step()
        assert await stored(rig, PROFILE) == total
        kinds = await query(
            rig, "SELECT panes, count(*), sum(row_count) FROM sums GROUP BY panes ORDER BY panes"
        )
        assert [kind[0] for kind in kinds] == [1, BLOCK_PANES]
        assert sum(kind[2] for kind in kinds) == total.rows
        assert await query(rig, "SELECT count(*) FROM inbox") == [(0,)]
        coverage = (await rig.report())["coverage"]
    assert coverage["rows_counted"] == total.rows


@pytest.mark.slow
@in_loop
async def test_what_is_older_than_the_retention_is_forgotten(tmp_path: Path) -> None:
    clock = Clock()
    async with running(tmp_path, clock, retention_seconds=3600) as rig:
        await rig.put_profile(PROFILE)
        gone, stays = Pod("gone", PROFILE), Pod("stays", PROFILE)
        await rig.send(gone, START, rows(1), lost={"full": 3})
        await rig.send(stays, START, rows(2))
        await rig.evaluate(START)
        for pane in range(START + 60, START + 900, 60):
            clock.after(pane)
            await rig.send(stays, pane, rows(pane))
            await rig.scheduler.step()
        for _ in range(30):
            clock.now += 60
            await rig.scheduler.step()
        names = await query(rig, "SELECT name FROM instances")
        oldest = (await query(rig, "SELECT min(pane + panes) FROM sums"))[0][0]
        coverage = (await rig.report())["coverage"]
    assert names == [("stays",)]
    assert oldest > START + 360
    assert coverage["rows_counted"] == gone.rows + stays.rows, "what is forgotten was counted all the same"
    assert coverage["rows_lost"] == 3
    async with running(tmp_path, clock, retention_seconds=3600) as again:
        assert (await again.report())["coverage"]["rows_lost"] == 3


@pytest.mark.slow
@in_loop
async def test_a_model_that_was_silent_for_the_retention_leaves_nothing(tmp_path: Path) -> None:
    clock = Clock()
    async with running(tmp_path, clock, retention_seconds=7200) as rig:
        await rig.put_profile(PROFILE)
        await rig.send(Pod("a", PROFILE), START, rows(1))
        await rig.evaluate(START)
        for _ in range(60):
            clock.now += 300
            for _ in range(3):
                await rig.scheduler.step()
        assert await rig.get("/v1/models") == {"models": []}
        for table in (
            "watches",
            "profiles",
            "instances",
            "ledger",
            "ledger_blocks",
            "sums",
            "inbox",
            "transitions",
        ):
            assert await query(rig, f"SELECT count(*) FROM {table}") == [(0,)], table
        pane = int(clock.now // PANE_SECONDS) - 1
        assert (await rig.send(Pod("b", PROFILE), pane, rows(2))).status_code == 404
        await rig.put_profile(PROFILE)
        assert (await rig.send(Pod("b", PROFILE), pane, rows(2))).status_code == 201
