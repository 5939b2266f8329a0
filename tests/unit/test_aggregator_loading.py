"""A model is loaded: the others are not kept waiting, and what arrives meanwhile is counted once."""

import asyncio
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.aggregator_rig import (
    PANE_SECONDS,
    START,
    Clock,
    HookedExecutor,
    Pod,
    Rig,
    in_loop,
    running,
    small_profile,
)
from tidegauge_aggregator.domain.rows import EvaluationRow
from tidegauge_aggregator.store import jobs

pytestmark = pytest.mark.slow

PROFILE = small_profile(features=2, cut_points=8)
OTHER = small_profile(seed=1, features=2, cut_points=8)
EDITED = {"models": {"m": {"policy": {"false_alarms": 2.0}}}}
PANES = 150  # more than two parts of what is read at once


def rows(seed: int, count: int = 20, shift: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(shift, size=(count, 2))


async def live(rig: Rig, pod: Pod) -> int:
    """Hours of one pod, merged as time goes on; returns the newest pane."""
    await rig.put_profile(PROFILE)
    for pane in range(START, START + PANES):
        rig.clock.after(pane)
        assert (await rig.send(pod, pane, rows(pane))).status_code == 201
        if pane % 10 == 0:
            await rig.evaluate(pane)
    await rig.evaluate(START + PANES - 1)
    return START + PANES - 1


async def until(holds: Callable[[], Any], what: str) -> None:
    for _ in range(2000):
        if holds():
            return
        await asyncio.sleep(0.005)
    raise AssertionError(f"waited in vain until {what}")


@in_loop
async def test_other_models_are_acknowledged_while_one_is_loaded(tmp_path: Path) -> None:
    clock, pod, other = Clock(), Pod("a", PROFILE), Pod("b", OTHER, model="other")
    async with running(tmp_path, clock) as rig:
        newest = await live(rig, pod)
    gate, executor = threading.Event(), HookedExecutor()
    async with running(tmp_path, clock, executor=executor) as rig:
        clock.after(newest)
        executor.before = lambda: gate.wait(60)  # type: ignore[assignment, return-value]
        turn = asyncio.create_task(rig.scheduler.step())
        try:
            await asyncio.sleep(0)
            assert (await rig.client.get("/readyz")).status_code == 200
            assert (await rig.put_profile(OTHER, "other")).status_code == 201
            for pane in range(newest - 5, newest + 1):
                assert (await rig.send(other, pane, rows(pane))).status_code == 201
            assert (await rig.send(pod, newest + 1, rows(1))).status_code == 201
            assert (await rig.get("/v1/history", model="m"))["transitions"] is not None
            assert not turn.done()
            all_series = rig.aggregator.all_series
            assert all(series.monitor is None for series in all_series.values()), (
                "loading was not held at all"
            )
        finally:
            gate.set()
        await turn
        await rig.evaluate(newest + 1)
        assert (await rig.report(model="m"))["pane"] == newest + 1
        assert (await rig.report(model="m"))["coverage"]["rows_counted"] == (PANES + 1) * 20


@pytest.mark.parametrize("cause", ["restart", "edit"])
@in_loop
async def test_panes_that_arrive_at_every_step_of_loading_count_once(tmp_path: Path, cause: str) -> None:
    """Late, present and new panes, one before each piece of work, against a life without any loading."""
    config = tmp_path / "config.json"
    config.write_text(json.dumps(EDITED if cause == "restart" else {}))
    loaded, arrivals = await load_with_arrivals(tmp_path / "loaded", config, cause)
    config.write_text(json.dumps(EDITED))
    async with running(tmp_path / "lived", Clock(), config=config) as rig:
        pod = Pod("a", PROFILE)
        newest = await live(rig, pod)
        for pane, message in arrivals:
            path = Pod(f"late-{pane}", PROFILE).path(pane)
            rig.clock.now = max(rig.clock.now, pane * PANE_SECONDS)
            assert (await rig.client.put(path, content=message)).status_code == 201
        await rig.evaluate(newest + 2)
        lived = await seen(rig)
    assert len(arrivals) >= 6, "loading had too few steps to say anything"
    assert loaded == lived


async def load_with_arrivals(
    folder: Path, config: Path, cause: str
) -> tuple[dict[str, Any], list[tuple[int, bytes]]]:
    clock, pod, executor = Clock(), Pod("a", PROFILE), HookedExecutor()
    arrivals: list[tuple[int, bytes]] = []
    loop = asyncio.get_running_loop()
    async with running(folder, clock, config=config) as rig:
        newest = await live(rig, pod)
    late = iter([newest + 1, newest - 30, newest + 2, *range(newest - 1000, newest - 980)])
    async with running(folder, clock, config=config, executor=executor) as rig:
        if cause == "edit":
            await rig.evaluate(newest)
            config.write_text(json.dumps(EDITED))
        clock.after(newest + 2, 0.0)

        async def arrive() -> None:
            pane = next(late)
            sender = Pod(f"late-{pane}", PROFILE)
            arrivals.append((pane, sender.message(pane, PROFILE.count(rows(pane, shift=3.0)))))
            answer = await rig.client.put(sender.path(pane), content=arrivals[-1][1])
            assert answer.status_code == 201, answer.text

        def before() -> None:
            asyncio.run_coroutine_threadsafe(arrive(), loop).result(30)

        executor.before = before
        series = next(iter(rig.aggregator.all_series.values()))
        for _ in range(20):
            await rig.scheduler.step()
            if len(arrivals) >= 6 and rig.aggregator.all_series[series.row.key].monitor is not None:
                break
        executor.before = lambda: None
        await rig.evaluate(newest + 2)
        return await seen(rig), arrivals


async def seen(rig: Rig) -> dict[str, Any]:
    """What was counted, and what each window holds. Which window decides depends on when the looks were."""
    report, monitor = (
        await rig.report(model="m"),
        next(iter(rig.aggregator.all_series.values())).monitor.monitor,
    )
    held = {scale: monitor.evaluator.sums([monitor.windows.window(scale)]) for scale in range(13)}
    bins = {scale: (sums.n.tolist(), sums.bins.tolist()) for scale, sums in held.items()}
    coverage = {key: report["coverage"][key] for key in ("rows_counted", "rows_lost", "recent_rows_counted")}
    timeline = (await rig.get("/v1/features/x0", model="m"))["timeline"]
    return {"bins": bins, "coverage": coverage, "timeline": timeline}


@in_loop
async def test_loading_that_fails_halfway_is_begun_again_and_loses_nothing(tmp_path: Path) -> None:
    clock, pod, executor = Clock(), Pod("a", PROFILE), HookedExecutor()
    async with running(tmp_path, clock) as rig:
        newest = await live(rig, pod)
    async with running(tmp_path, clock, executor=executor) as rig:
        for fails_at in (1, 2, 4):
            work = iter(range(1, 100))

            def fail(fails_at: int = fails_at, work: Any = work) -> None:
                if next(work) == fails_at:
                    raise MemoryError

            executor.before = fail
            clock.after(newest + fails_at)
            assert (await rig.send(pod, newest + fails_at, rows(fails_at))).status_code == 201
            await rig.scheduler.step()
            series = next(iter(rig.aggregator.all_series.values()))
            assert series.monitor is None
            assert series.held_before is None
            clock.now += 31
        executor.before = lambda: None
        await rig.evaluate(newest + 14)
        report = await rig.report()
        assert report["coverage"]["rows_counted"] == (PANES + 3) * 20
        shown = await rig.get("/v1/features/x0")
        windows = {line["pane"]: line["rows"] for line in shown["timeline"]}
        assert sum(windows.values()) == (PANES + 3) * 20, "each pane once, in the windows too"


@in_loop
async def test_merging_does_not_keep_others_waiting(tmp_path: Path) -> None:
    """The sums of a merge are worked out by the evaluator: while it is held, panes are taken."""
    clock, pod = Clock(), Pod("a", PROFILE)
    gate, executor, names = threading.Event(), HookedExecutor(), []
    async with running(tmp_path, clock, executor=executor) as rig:
        await rig.put_profile(PROFILE)
        for pane in range(START, START + 4):
            await rig.send(pod, pane, rows(pane))
        await rig.evaluate(START + 3)
        clock.now += 10 * PANE_SECONDS

        def before() -> None:
            names.append("held")
            gate.wait(60)

        executor.before = before
        turn = asyncio.create_task(rig.scheduler.step())
        try:
            await until(lambda: names, "the evaluator is asked for something")
            assert (await rig.send(pod, START + 12, rows(9))).status_code == 201
            assert not turn.done()
        finally:
            gate.set()
        await turn
        executor.before = lambda: None
        await rig.evaluate(START + 20)
        assert (await rig.report())["coverage"]["rows_counted"] == 5 * 20


@pytest.mark.parametrize("stored", [b'{"schema": "tidegauge.io/report/v9"}', b"{", b"[]"])
@in_loop
async def test_a_report_of_another_version_does_not_stop_the_start(tmp_path: Path, stored: bytes) -> None:
    clock, pod = Clock(), Pod("a", PROFILE)
    async with running(tmp_path, clock) as rig:
        await rig.put_profile(PROFILE)
        await rig.send(pod, START, rows(1))
        await rig.evaluate(START)
        row = rig.store.all_series()[0]
        left = EvaluationRow(START, row.state, None, stored, ())
        await rig.aggregator.read(jobs.save_evaluation, row.id, left)
    async with running(tmp_path, clock) as rig:
        assert (await rig.report())["verdict"] == "Unknown"
        await rig.evaluate(START + 3)
        report = await rig.report()
        assert (report["pane"], report["rows"]) == (START + 3, 20)


@in_loop
async def test_a_monitor_state_of_another_version_keeps_the_counts(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock, pod = Clock(), Pod("a", PROFILE)
    async with running(tmp_path, clock) as rig:
        await rig.put_profile(PROFILE)
        for pane in range(START, START + 3):
            clock.after(pane)
            await rig.send(pod, pane, rows(pane))
            await rig.evaluate(pane)
        row = rig.store.all_series()[0]
        left = EvaluationRow(row.evaluated, b'{"version": 9}', None, row.report, ())
        await rig.aggregator.read(jobs.save_evaluation, row.id, left)
    async with running(tmp_path, clock) as rig:
        await rig.send(pod, START + 3, rows(9))
        await rig.evaluate(START + 3)
        shown = await rig.get("/v1/features/x0")
        assert sum(line["rows"] for line in shown["timeline"]) == 4 * 20
        assert (await rig.report())["pane"] == START + 3
    assert "the version of a monitor's state is 9: this program reads version 1" in caplog.text
