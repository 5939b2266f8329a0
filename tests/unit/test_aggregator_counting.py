"""What is counted: each pane once, rows of all pods together, exactly."""

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import ks_2samp
from support.aggregator_rig import START, Clock, Pod, in_loop, running, small_profile
from tidegauge_aggregator.service.housekeeping import LEDGER_SECONDS

from tidegauge.profile.profile import Profile


def normal(seed: int, rows: int = 100, shift: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(shift, size=(rows, 2))


@in_loop
async def test_a_pane_sent_twice_counts_once(tmp_path: Path) -> None:
    profile = small_profile()
    async with running(tmp_path, Clock()) as rig:
        await rig.put_profile(profile)
        pod = Pod("a", profile)
        message = pod.message(START, profile.count(normal(1)))
        answers = [await rig.client.put(pod.path(START), content=message) for _ in range(3)]
        await rig.evaluate(START)
        report = await rig.report()
    assert [answer.status_code for answer in answers] == [201, 200, 200]
    assert report["rows"] == report["coverage"]["rows_counted"] == 100


@in_loop
async def test_a_pane_sent_many_times_at_once_counts_once(tmp_path: Path) -> None:
    profile = small_profile()
    async with running(tmp_path, Clock()) as rig:
        await rig.put_profile(profile)
        pod = Pod("a", profile)
        message = pod.message(START, profile.count(normal(1)))
        answers = await asyncio.gather(*(rig.client.put(pod.path(START), content=message) for _ in range(30)))
        await rig.evaluate(START)
        report = await rig.report()
    assert sorted(answer.status_code for answer in answers) == [200] * 29 + [201]
    assert report["rows"] == 100


@pytest.mark.slow
@in_loop
async def test_other_bytes_under_the_same_name_are_refused(tmp_path: Path) -> None:
    profile = small_profile()
    async with running(tmp_path, Clock()) as rig:
        await rig.put_profile(profile)
        pod = Pod("a", profile)
        await rig.send(pod, START, normal(1))
        answer = await rig.send(Pod("a", profile), START, normal(2))
        metrics = await rig.metrics()
    assert answer.status_code == 409
    assert answer.json()["reason"] == "other_bytes"
    assert metrics['tidegauge_aggregator_rows_total{model="m"}'] == 100
    assert metrics['tidegauge_aggregator_refused_total{reason="other_bytes"}'] == 1


@pytest.mark.slow
@in_loop
async def test_a_pane_sent_again_after_weeks_counts_once(tmp_path: Path) -> None:
    """Long after its digest was given up, the store still knows that the pane came."""
    profile, clock = small_profile(), Clock()
    async with running(tmp_path, clock) as rig:
        await rig.put_profile(profile)
        pod = Pod("a", profile)
        message = pod.message(START, profile.count(normal(1)))
        await rig.client.put(pod.path(START), content=message)
        await rig.evaluate(START)
        for days in (1, 10, 29):
            clock.now = START * 10 + days * 86_400
            await rig.scheduler.step()
            assert (await rig.client.put(pod.path(START), content=message)).status_code == 200
        tables = await rig.aggregator.read(
            lambda store: store._db.execute("SELECT count(*) FROM ledger").fetchone()
        )
        report = await rig.report()
    assert tables == (0,), f"the digest was still there: nothing older than {LEDGER_SECONDS} s was folded"
    assert report["coverage"]["rows_counted"] == 100


@pytest.mark.slow
@in_loop
async def test_panes_of_fifty_pods_merge_to_the_pooled_statistic(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    reference = np.round(rng.normal(size=(3000, 2)), 2)
    profile = Profile.fit(reference, cut_points=4096, feature_names=["x0", "x1"])
    live = [np.round(rng.normal(0.1, 1.1, size=(rng.integers(1, 80), 2)), 2) for _ in range(50)]
    async with running(tmp_path, Clock()) as rig:
        await rig.put_profile(profile)
        await asyncio.gather(*(rig.send(Pod(f"i{i}", profile), START, rows) for i, rows in enumerate(live)))
        await rig.evaluate(START)
        report = await rig.report()
    pooled = np.concatenate(live)
    for feature in report["features"]:
        column = int(feature["name"][1])
        expected = ks_2samp(pooled[:, column], reference[:, column]).statistic
        assert feature["window_rows"] == len(pooled)
        assert feature["statistic"] == pytest.approx(expected, abs=1e-12)


@in_loop
async def test_two_profiles_of_one_model_never_mix(tmp_path: Path) -> None:
    old, new = small_profile(1), small_profile(2)
    async with running(tmp_path, Clock()) as rig:
        for profile in (old, new):
            await rig.put_profile(profile)
        await rig.send(Pod("a", old), START, normal(1, rows=30))
        await rig.evaluate(START)
        await rig.send(Pod("b", new), START + 1, normal(2, rows=50))
        await rig.evaluate(START + 1)
        await rig.send(Pod("c", new), START + 5, normal(3, rows=5))
        await rig.evaluate(START + 5)
        latest, earlier = await rig.report(), await rig.report(profile=old.hash)
        models = (await rig.get("/v1/models"))["models"]
    assert (latest["profile"], latest["rows"]) == (new.hash, 55)
    assert (earlier["profile"], earlier["rows"]) == (old.hash, 30)
    assert models[0]["profile"] == new.hash
    assert sorted(models[0]["profiles"]) == sorted([old.hash, new.hash])


async def _rolled(folder: Path, profiles: list[Profile], sent: list[Profile]) -> dict[str, Any]:
    """The reports after a rollout from one profile to another, of which only some send their panes.

    The old revision's last panes, of other values, come after the new one's: of panes before, and at once.
    """
    old, new = Pod("a", profiles[0]), Pod("b", profiles[1])
    steps = [(old, START, 0.0), (old, START + 1, 0.0), (new, START + 3, 0.0), (new, START + 4, 0.0)]
    steps += [(old, START + 2, 3.0), (old, START + 4, 3.0), (new, START + 5, 0.0)]
    async with running(folder, Clock()) as rig:
        for profile in profiles:
            await rig.put_profile(profile)
        newest = START
        for step, (pod, pane, shift) in enumerate(steps):
            newest = max(newest, pane)
            rig.clock.after(newest)
            if pod.profile in sent:
                assert (await rig.send(pod, pane, normal(step, shift=shift))).status_code == 201
            await rig.evaluate(newest)
        reports = {profile.hash: await rig.report(profile=profile.hash) for profile in sent}
        return reports | {"now": (await rig.report())["profile"]}


@pytest.mark.slow
@in_loop
async def test_the_last_panes_of_an_old_profile_count_for_it_and_not_for_the_new_one(tmp_path: Path) -> None:
    old, new = profiles = [small_profile(1), small_profile(2)]
    both = await _rolled(tmp_path / "both", profiles, profiles)
    old_alone = await _rolled(tmp_path / "old", profiles, [old])
    new_alone = await _rolled(tmp_path / "new", profiles, [new])
    assert both[new.hash] == new_alone[new.hash], "as if the old one had never sent anything"
    assert both[old.hash] == old_alone[old.hash], "as if there were no new one"
    assert (both[old.hash]["rows"], both[new.hash]["rows"]) == (400, 300)
    assert both[old.hash]["coverage"]["rows_counted"] == 400
    assert (both[old.hash]["verdict"], both[new.hash]["verdict"]) == ("Drifting", "Learning")
    assert both["now"] == new.hash, "the model's own report is the new one's"


@pytest.mark.slow
@in_loop
async def test_panes_in_any_order_give_the_same_report(tmp_path: Path) -> None:
    profile = small_profile()
    messages = []
    for i in range(4):
        pod = Pod(f"i{i}", profile)
        messages += [
            (pod.path(START + j), pod.message(START + j, profile.count(normal(10 * i + j)))) for j in range(6)
        ]
    reports = []
    for run, order in enumerate((range(24), np.random.default_rng(9).permutation(24))):
        async with running(tmp_path / str(run), Clock(START + 6)) as rig:
            await rig.put_profile(profile)
            for i in order:
                path, body = messages[i]
                assert (await rig.client.put(path, content=body)).status_code == 201
            await rig.evaluate(START + 6)
            reports.append(await rig.report())
    assert reports[0] == reports[1]


@pytest.mark.slow
@in_loop
async def test_five_hundred_small_models_live_in_one_process(tmp_path: Path) -> None:
    profile = small_profile(cut_points=8)
    async with running(tmp_path, Clock()) as rig:
        for i in range(500):
            await rig.put_profile(profile, f"model-{i}")
        pods = [Pod("a", profile, model=f"model-{i}") for i in range(500)]
        answers = await asyncio.gather(
            *(rig.send(pod, START, normal(i, rows=10)) for i, pod in enumerate(pods))
        )
        await rig.evaluate(START)
        models = (await rig.get("/v1/models"))["models"]
        reports = [await rig.report(model=f"model-{i}") for i in range(500)]
    assert {answer.status_code for answer in answers} == {201}
    assert len(models) == 500
    assert {report["rows"] for report in reports} == {10}


@pytest.mark.slow
@in_loop
async def test_a_late_pane_adds_to_where_it_belongs(tmp_path: Path) -> None:
    profile, clock = small_profile(), Clock()
    async with running(tmp_path, clock) as rig:
        await rig.put_profile(profile)
        first, late = Pod("a", profile), Pod("b", profile)
        for pane in range(START, START + 20):
            await rig.send(first, pane, normal(pane))
            await rig.evaluate(pane)
        for pane in (START + 2, START + 18):  # merged in the store by now, and not yet
            assert (await rig.send(late, pane, normal(7, rows=20))).status_code == 201
        await rig.evaluate(START + 23)  # the end of a quarter of the window of 32 panes
        report = await rig.report()
    assert report["rows"] == 20 * 100 + 40
    assert report["late_rows"] == 0
