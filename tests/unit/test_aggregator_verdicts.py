"""What is said: drift and silence, coverage, history, and that a restart changes nothing."""

import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.aggregator_rig import START, Clock, Pod, Rig, in_loop, running, small_profile
from tidegauge_aggregator.service.validation import Shard

from tidegauge.profile.profile import Profile
from tidegauge.report.model import Report


def rows(seed: int, count: int = 100, shift: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(shift, size=(count, 2))


@pytest.mark.slow
@in_loop
async def test_drift_is_found_and_named_since_when(tmp_path: Path) -> None:
    profile = small_profile()
    async with running(tmp_path, Clock()) as rig:
        await rig.put_profile(profile)
        pod = Pod("a", profile)
        for pane in range(START, START + 12):
            moved = rows(pane, 400)
            if pane >= START + 6:
                moved[:, 1] += 1.0
            await rig.send(pod, pane, moved)
            await rig.evaluate(pane)
        report, history = await rig.report(), await rig.get("/v1/history")
        models = await rig.get("/v1/models")
        metrics = await rig.metrics()
    assert report["verdict"] == "Drifting"
    assert report["drifting"] == ["x1"]
    assert report["since_pane"] == START + 6
    assert models["models"][0]["verdict"] == "Drifting"
    first = history["transitions"][-1]
    assert first["before"] == "Unknown"
    raised = [t for t in history["transitions"] if t["verdict"] == "Drifting" and t["feature"] == "x1"]
    assert raised[-1]["pane"] == START + 6
    assert metrics['tidegauge_drift_verdict{feature="x1",model="m",verdict="Drifting"}'] == 1
    assert metrics['tidegauge_drift_verdict{feature="x0",model="m",verdict="Drifting"}'] == 0
    assert metrics['tidegauge_drift_drifting_features{model="m"}'] == 1
    assert Report.from_dict(report).features["x1"].verdict == "Drifting"


@in_loop
async def test_silence_is_never_stable(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"default_policy": {"design_effect": 1, "stale": "2m"}}))
    profile = small_profile()
    async with running(tmp_path / "data", Clock(), config=config) as rig:
        await rig.put_profile(profile)
        assert (await rig.report())["verdict"] == "Unknown"
        pod = Pod("a", profile)
        for pane in range(START, START + 4):
            await rig.send(pod, pane, rows(pane, 2000))
            await rig.evaluate(pane)
        talking = (await rig.report())["verdict"]
        await rig.evaluate(START + 17)
        silent = await rig.report()
        metrics = await rig.metrics()
    assert talking == "Stable"
    assert silent["verdict"] == "Unknown"
    assert silent["stale"]
    assert silent["coverage"]["newest_pane_age_seconds"] == 14 * 10 + 6
    assert metrics['tidegauge_newest_pane_age_seconds{model="m"}'] == 146


@in_loop
async def test_empty_panes_do_not_hide_that_traffic_has_stopped(tmp_path: Path) -> None:
    profile, nothing = small_profile(), np.empty((0, 2))
    pod = Pod("a", profile)
    async with running(tmp_path / "before", Clock()) as rig:
        await rig.put_profile(profile)
        await rig.send(pod, START, nothing)
        await rig.evaluate(START)
        never = (await rig.report())["coverage"]
        await rig.send(pod, START + 1, rows(1))
        for pane in range(START + 2, START + 6):
            await rig.send(pod, pane, nothing)
            await rig.evaluate(pane)
        stopped, metrics = (await rig.report())["coverage"], await rig.metrics()
        async with _crashed_and_back(rig, tmp_path / "after") as again:
            unloaded = (await again.report())["coverage"]
            await again.evaluate(START + 6)
            loaded = (await again.report())["coverage"]
    assert never["newest_pane_age_seconds"] == 6
    assert never["newest_rows_age_seconds"] is None
    assert stopped["newest_pane_age_seconds"] == 6
    assert stopped["newest_rows_age_seconds"] == 46
    assert metrics['tidegauge_newest_rows_age_seconds{model="m"}'] == 46
    assert unloaded["newest_rows_age_seconds"] == 46
    assert loaded["newest_rows_age_seconds"] == 56


@in_loop
async def test_a_model_that_only_was_expected_does_not_stand_beside_one_that_sends(tmp_path: Path) -> None:
    config, profile = tmp_path / "config.json", small_profile()
    config.write_text('{"models": {"other": {"expected_pods": 3}}}')
    async with running(tmp_path / "data", Clock(), config=config) as rig:
        await rig.put_profile(profile)
        await rig.send(Pod("a", profile), START, rows(1))
        await rig.evaluate(START)
        meant, other = await rig.report(), await rig.report(model="other")
    assert (meant["model"], meant["pane"]) == ("m", START)
    assert (other["verdict"], other["pane"], other["time"]) == ("Unknown", None, None)
    assert Report.from_dict(other).to_dict() == {k: v for k, v in other.items() if k != "shard"}


@in_loop
async def test_coverage_counts_pods_and_rows(tmp_path: Path) -> None:
    config, profile = tmp_path / "config.json", small_profile()
    config.write_text('{"models": {"m": {"expected_pods": 3}}}')
    async with running(tmp_path / "data", Clock(), config=config) as rig:
        await rig.put_profile(profile)
        pods = [Pod(name, profile) for name in "ab"]
        for pod in pods:
            await rig.send(pod, START, rows(1))
        await rig.evaluate(START)
        three_expected = (await rig.report())["coverage"]
        await rig.send(pods[0], START + 1, rows(2), lost={"full": 25})
        await rig.send(pods[1], START + 1, rows(3), final=True)
        config.write_text("{}")
        await rig.evaluate(START + 1)
        one_ended = (await rig.report())["coverage"]
        await rig.evaluate(START + 5)
        none_heard = (await rig.report())["coverage"]
        metrics = await rig.metrics()
    assert (three_expected["pods_heard"], three_expected["pods_expected"]) == (2, 3)
    assert (one_ended["pods_heard"], one_ended["pods_expected"]) == (1, 1)
    assert (one_ended["rows_counted"], one_ended["rows_lost"]) == (400, 25)
    assert one_ended["lost_by_reason"] == {"full": 25}
    assert (one_ended["recent_rows_counted"], one_ended["recent_rows_lost"]) == (400, 25)
    assert one_ended["rows_ratio"] == pytest.approx(400 / 425)
    assert (none_heard["pods_heard"], none_heard["pods_expected"]) == (0, 1)
    assert metrics['tidegauge_aggregator_rows_lost_total{model="m",reason="full"}'] == 25


@pytest.mark.slow
@in_loop
async def test_pods_that_were_seen_are_expected_until_they_are_silent_for_ten_minutes(tmp_path: Path) -> None:
    profile = small_profile()
    async with running(tmp_path, Clock()) as rig:
        await rig.put_profile(profile)
        for name in "abc":
            await rig.send(Pod(name, profile), START, rows(1))
        staying = Pod("d", profile)
        expected = []
        for pane in (START, START + 50, START + 62):
            rig.clock.after(pane)
            await rig.send(staying, pane, rows(2))
            await rig.evaluate(pane)
            expected.append((await rig.report())["coverage"]["pods_expected"])
    assert expected == [4, 4, 1]


@in_loop
async def test_the_disk_is_gone_and_what_it_held_is_reported_lost(tmp_path: Path) -> None:
    profile = small_profile()
    pod = Pod("a", profile)
    async with running(tmp_path / "first", Clock()) as rig:
        await rig.put_profile(profile)
        for pane in range(START, START + 3):
            await rig.send(pod, pane, rows(pane), lost={"full": 2})
    async with running(tmp_path / "second", Clock(START + 3)) as rig:
        await rig.put_profile(profile)
        for pane in range(START + 3, START + 5):
            await rig.send(pod, pane, rows(pane))
        await rig.evaluate(START + 4)
        coverage = (await rig.report())["coverage"]
        metrics = await rig.metrics()
    assert coverage["rows_counted"] == 200
    assert coverage["rows_lost"] == 306
    assert coverage["rows_counted"] + coverage["rows_lost"] == pod.rows + pod.lost
    assert metrics['tidegauge_aggregator_rows_lost_total{model="m",reason="store"}'] == 306


@asynccontextmanager
async def _crashed_and_back(rig: Rig, folder: Path) -> AsyncIterator[Rig]:
    """An aggregator on the files as they stand now, which the running one has not closed."""
    shutil.copytree(rig.store.path.parent, folder)
    async with running(folder, rig.clock) as again:
        yield again


async def _told(rig: Rig) -> dict[str, Any]:
    return {
        "report": await rig.report(),
        "history": (await rig.get("/v1/history", limit=10_000))["transitions"],
    }


@pytest.mark.slow
@in_loop
async def test_a_restart_changes_nothing(tmp_path: Path) -> None:
    """The same panes in one life, and with crashes between: the same report, the same history."""
    profile = small_profile()
    panes = range(START - 70, START + 250)

    async def one_pane(rig: Rig, pods: list[Pod], pane: int) -> None:
        shift = 0.8 if START <= pane < START + 60 else 0.0
        for number, pod in enumerate(pods):
            await rig.send(pod, pane, rows(pane * 7 + number, 60, shift))
        await rig.evaluate(pane)

    async with running(tmp_path / "whole", Clock(panes[0])) as rig:
        await rig.put_profile(profile)
        pods = [Pod(name, profile) for name in "ab"]
        for pane in panes:
            await one_pane(rig, pods, pane)
        expected = await _told(rig)

    lives = [(-70, -30), (-30, 5), (5, 40), (40, 97), (97, 250)]
    folder, pods = tmp_path / "life0", [Pod(name, profile) for name in "ab"]
    for number, (begin, end) in enumerate(lives):
        async with running(folder, Clock(START + begin)) as rig:
            await rig.put_profile(profile)
            for pane in range(START + begin, START + end):
                await one_pane(rig, pods, pane)
            folder = tmp_path / f"life{number + 1}"
            shutil.copytree(rig.store.path.parent, folder)
            told = await _told(rig)
    assert {t["verdict"] for t in expected["history"] if t["feature"] is None} >= {"Drifting", "Learning"}
    assert told == expected


@in_loop
async def test_a_restart_keeps_what_was_acknowledged(tmp_path: Path) -> None:
    profile = small_profile()
    pod = Pod("a", profile)
    async with running(tmp_path / "before", Clock()) as rig:
        await rig.put_profile(profile)
        message = pod.message(START, profile.count(rows(1)))
        await rig.client.put(pod.path(START), content=message)
        async with _crashed_and_back(rig, tmp_path / "after") as again:
            answer = await again.client.put(pod.path(START), content=message)
            await again.evaluate(START)
            report = await again.report()
    assert answer.status_code == 200
    assert report["rows"] == 100


@pytest.mark.slow
@in_loop
async def test_shards_together_say_what_one_replica_says(tmp_path: Path) -> None:
    profile = small_profile(features=5)
    live = {pane: np.random.default_rng(pane).normal(0.3, size=(300, 5)) for pane in range(START, START + 8)}
    reports = []
    for index, of in ((0, 1), (0, 2), (1, 2)):
        async with running(tmp_path / f"{index}-{of}", Clock(), shard=Shard(index, of)) as rig:
            await rig.put_profile(profile)
            pod = Pod("a", profile, shard=index, shards=of)
            for pane, values in live.items():
                assert (await rig.send(pod, pane, profile.count(values))).status_code == 201
                await rig.evaluate(pane)
            document = await rig.report()
            assert document["shard"] == {"index": index, "of": of}
            reports.append(Report.from_dict(document))
            stray = Pod("b", profile, shard=(index + 1) % 3, shards=3)
            assert (await rig.send(stray, START, profile.count(live[START]))).status_code == 421
    whole, joined = reports[0], Report.join(reports[1:])
    assert joined.features == whole.features
    assert (joined.verdict, joined.severity, joined.since) == (whole.verdict, whole.severity, whole.since)
    assert joined.profile == profile.hash


@in_loop
async def test_a_feature_is_shown_as_two_distributions(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    profile = Profile.fit(
        {
            "size": rng.normal(size=4000),
            "colour": rng.choice(["red", "blue", "green"], 4000, p=[0.5, 0.3, 0.2]),
        }
    )
    live = {"size": rng.normal(1.0, size=600), "colour": rng.choice(["red", "pink"], 600)}
    async with running(tmp_path, Clock()) as rig:
        await rig.put_profile(profile)
        await rig.send(Pod("a", profile), START, profile.count(live))
        await rig.evaluate(START)
        size, colour = await rig.get("/v1/features/size"), await rig.get("/v1/features/colour")
    bins = size["distribution"]
    assert 10 <= len(bins) <= 51
    assert sum(b["reference"] for b in bins) == pytest.approx(1)
    assert sum(b["live"] for b in bins) == pytest.approx(1)
    middle = bins[20]
    inside = (live["size"] > middle["low"]) & (live["size"] <= middle["high"])
    assert middle["live"] == pytest.approx(inside.mean(), abs=0.01)
    assert size["timeline"][-1]["statistic"] == pytest.approx(size["feature"]["statistic"], abs=1e-9)
    shares = {b["category"]: b["live"] for b in colour["distribution"]}
    assert shares["red"] == pytest.approx((live["colour"] == "red").mean())
    assert shares[None] == pytest.approx((live["colour"] == "pink").mean())


@in_loop
async def test_a_policy_that_changes_holds_from_the_next_evaluation(tmp_path: Path) -> None:
    config, profile = tmp_path / "config.json", small_profile()
    config.write_text(
        json.dumps({"models": {"m": {"policy": {"min_effect": {"warning": 0.9, "critical": 0.95}}}}})
    )
    async with running(tmp_path / "data", Clock(), config=config) as rig:
        await rig.put_profile(profile)
        pod, found = Pod("a", profile), []
        for pane in range(START, START + 6):
            if pane == START + 3:
                config.write_text(json.dumps({"models": {"m": {"expected_pods": 7}}}))
            await rig.send(pod, pane, rows(pane, 500, 1.0))
            await rig.evaluate(pane)
            await rig.evaluate(pane)
            found.append((await rig.report())["verdict"])
        coverage = (await rig.report())["coverage"]
    assert "Drifting" not in found[:3]
    assert found[-1] == "Drifting"
    assert coverage["pods_expected"] == 7
