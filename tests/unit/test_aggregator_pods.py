"""In which pods a drift is: named when it is certain, and only then."""

import json
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.aggregator_rig import START, Clock, Pod, Rig, in_loop, running, small_profile
from tidegauge_aggregator.domain.recent_pods import ENTRY_BYTES, KEPT_BYTES, RecentPods
from tidegauge_aggregator.service.scheduler import IDLE_SECONDS
from tidegauge_aggregator.service.validation import MAX_PANE_ROWS, Shard

from tidegauge.counting.counts import Counts
from tidegauge.monitor.monitor import Monitor
from tidegauge.monitor.pods import KEPT_PANES, PodRows, bin_rows, name_pods
from tidegauge.monitor.policy import Policy
from tidegauge.profile.profile import Profile
from tidegauge.protocol.names import Verdict
from tidegauge.protocol.pane import Pane
from tidegauge.report.model import PodReport, Report

ROWS = 1000
INDEPENDENT = {"default_policy": {"design_effect": 1}}  # nothing is to be learned
PANE: dict[str, Any] = {"model": "m", "profile": "0" * 64, "pane_seconds": 10, "counts": b""}
LAST_KEPT = 40  # panes: a window of 32, which may have ended 8 ago


def rows(seed: int, pane: int, count: int = ROWS, shift: float = 0.0, missing: float = 0.0) -> np.ndarray:
    """Rows of two features, the second one moved."""
    random = np.random.default_rng((seed, pane))
    found = random.normal(size=(count, 2))
    found[:, 1] += shift
    found[: int(count * missing), 1] = np.nan
    return found


def aggregating(folder: Path, clock: Clock | None = None, **other: Any) -> AbstractAsyncContextManager[Rig]:
    config = folder.with_name(f"{folder.name}.json")
    config.write_text(json.dumps(INDEPENDENT))
    return running(folder, clock or Clock(), config=config, **other)


async def seen(rig: Rig, profile: Profile, panes: int, **pods: dict[str, Any]) -> dict[str, Any]:
    """What is said of the moved feature after so many panes of these pods."""
    await rig.put_profile(profile)
    of = {name: Pod(name, profile) for name in pods}
    for pane in range(START, START + panes):
        for seed, (name, given) in enumerate(pods.items()):
            await rig.send(of[name], pane, rows(seed, pane, **given))
        await rig.evaluate(pane)
    return feature_of(await rig.report())


def feature_of(report: dict[str, Any], name: str = "x1") -> dict[str, Any]:
    return next(feature for feature in report["features"] if feature["name"] == name)


def names(feature: dict[str, Any]) -> list[str]:
    return sorted(pod["pod"] for pod in feature["pods"])


@pytest.mark.slow
@in_loop
async def test_drift_in_one_pod_of_three_names_it_and_says_that_it_is_alone(tmp_path: Path) -> None:
    async with aggregating(tmp_path) as rig:
        profile = small_profile()
        found = await seen(rig, profile, 8, a={}, b={"shift": 1.0}, c={})
        report = await rig.report()
    assert found["verdict"] == "Drifting"
    assert (found["extent"], names(found)) == ("confined", ["pod-b"])
    (pod,) = found["pods"]
    own = sum((profile.count(rows(1, pane, shift=1.0)) for pane in range(START, START + 8)), 0)
    assert pod["rows"] == 8 * ROWS
    assert pod["instance"] == "b"
    assert pod["statistic"] == pytest.approx(own.ks("x1").statistic, abs=0.06)
    assert pod["statistic"] > 2 * found["statistic"]
    assert found["floor"] < pod["lower"] < pod["statistic"]
    assert Report.from_dict(report).features["x1"].where == "in pod pod-b only"


@pytest.mark.slow
@in_loop
async def test_drift_of_all_is_everywhere(tmp_path: Path) -> None:
    async with aggregating(tmp_path) as rig:
        found = await seen(rig, small_profile(), 8, **{name: {"shift": 0.7} for name in "abcde"})
    assert found["extent"] == "everywhere"
    assert len(found["pods"]) == 3, "the worst three stand for all"


@in_loop
async def test_the_only_pod_with_rows_is_named_and_no_word_is_said_of_others(tmp_path: Path) -> None:
    async with aggregating(tmp_path) as rig:
        found = await seen(rig, small_profile(), 1, a={"shift": 0.7}, idle={"count": 0})
    assert (found["extent"], names(found)) == (None, ["pod-a"])


@pytest.mark.slow
@in_loop
async def test_a_pod_with_few_rows_is_neither_accused_nor_cleared(tmp_path: Path) -> None:
    async with aggregating(tmp_path) as rig:
        found = await seen(rig, small_profile(), 1, a={"shift": 0.7}, b={"shift": 0.7}, c={"count": 5})
    assert (found["verdict"], found["extent"], names(found)) == ("Drifting", None, ["pod-a", "pod-b"])
    async with aggregating(tmp_path / "all-few") as rig:
        few = {f"p{i}": {"count": 30, "shift": 0.7} for i in range(20)}
        found = await seen(rig, small_profile(), 1, **few)
    assert (found["verdict"], found["extent"], found["pods"]) == ("Drifting", None, [])


@pytest.mark.slow
@in_loop
async def test_a_feature_that_does_not_drift_names_nobody(tmp_path: Path) -> None:
    async with aggregating(tmp_path) as rig:
        await seen(rig, small_profile(), 6, a={}, b={"shift": 1.0}, c={})
        calm = feature_of(await rig.report(), "x0")
    assert (calm["verdict"] == "Drifting", calm["extent"], calm["pods"]) == (False, None, [])


@in_loop
async def test_values_missing_in_one_pod_name_it(tmp_path: Path) -> None:
    async with aggregating(tmp_path) as rig:
        found = await seen(rig, small_profile(), 4, a={}, b={"missing": 0.6}, c={})
    assert (found["cause"], found["extent"], names(found)) == ("missing", "confined", ["pod-b"])


@pytest.mark.slow
@in_loop
async def test_a_pod_that_is_gone_falls_out_with_its_last_rows(tmp_path: Path) -> None:
    profile = small_profile()
    async with aggregating(tmp_path) as rig:
        await seen(rig, profile, 4, a={"shift": 1.0}, gone={"shift": 1.0})
        a, shown = Pod("a", profile), []
        for pane in range(START + 7, START + 4 + LAST_KEPT, 4):
            await rig.send(a, pane, rows(0, pane, shift=1.0))
            await rig.evaluate(pane)
            shown.append(names(feature_of(await rig.report())))
        (series,) = rig.aggregator.all_series.values()
        assert series.pods
        kept = [pod.instance for pod in series.pods.up_to(START + 3 + KEPT_PANES)]
    assert shown[0] == ["pod-a", "pod-gone"]
    assert shown[-1] == ["pod-a"]
    assert kept == ["a"]


@pytest.mark.slow
@in_loop
async def test_a_restart_keeps_the_names_and_the_panes_of_the_last_minute(tmp_path: Path) -> None:
    profile, clock = small_profile(), Clock()
    strange, calm = Pod("b", profile), Pod("a", profile)
    async with aggregating(tmp_path, clock) as rig:
        await rig.put_profile(profile)
        for pane in range(START, START + 4):
            await rig.send(strange, pane, rows(1, pane, shift=1.0))
            await rig.send(calm, pane, rows(0, pane))
            await rig.evaluate(pane)
        before = feature_of(await rig.report())
    async with aggregating(tmp_path, clock) as rig:
        stored = feature_of(await rig.report())
        await rig.evaluate(START + 4)
        after = feature_of(await rig.report())
    assert before["pods"]
    assert (stored["pods"], stored["extent"]) == (before["pods"], before["extent"])
    assert (names(after), after["extent"]) == (["pod-b"], "confined")


@in_loop
async def test_a_pane_sent_twice_is_in_a_pods_rows_once(tmp_path: Path) -> None:
    profile = small_profile()
    async with aggregating(tmp_path) as rig:
        await rig.put_profile(profile)
        for name, shift in (("a", 0.0), ("b", 2.0)):
            pod = Pod(name, profile)
            body = pod.message(START, profile.count(rows(0, START, shift=shift)))
            answers = [(await rig.client.put(pod.path(START), content=body)).status_code for _ in range(2)]
            assert answers == [201, 200]
        await rig.evaluate(START)
        (pod_b,) = feature_of(await rig.report())["pods"]
    assert (pod_b["pod"], pod_b["rows"]) == ("pod-b", ROWS)


@pytest.mark.slow
@in_loop
async def test_each_shard_names_the_pods_of_its_own_features(tmp_path: Path) -> None:
    profile = small_profile()
    parts = []
    for index in range(2):
        async with aggregating(tmp_path / str(index), shard=Shard(index, 2)) as rig:
            await rig.put_profile(profile)
            for pane in range(START, START + 4):
                for seed, (name, shift) in enumerate((("a", 0.0), ("b", 1.0))):
                    pod = Pod(name, profile, shard=index, shards=2)
                    await rig.send(pod, pane, rows(seed, pane, shift=shift))
                await rig.evaluate(pane)
            parts.append(Report.from_dict(await rig.report()))
    joined = Report.join(parts)
    assert [f.name for f in joined.drifting] == ["x1"]
    assert joined.features["x1"].where == "in pod pod-b only"


def test_a_pod_at_the_bound_does_not_come_and_go() -> None:
    """It is not calm as long as its bound is near the floor; only above the floor it begins to be named."""
    profile = small_profile()
    monitor = Monitor(profile, Policy(design_effect=1))
    counted = {
        name: profile.count(rows(seed, 0, shift=shift))
        for seed, (name, shift) in enumerate({"a": 1.0, "b": 0.3, "c": 0.0}.items())
    }
    for counts in counted.values():
        monitor.add(0, counts)
    report, findings = monitor.report(0), monitor.look(0, whole=True)
    pods = pods_of(monitor, counted)
    fresh = name_pods(report, findings, pods, None).features["x1"]
    named = PodReport(pod="pod-b", instance="b", statistic=0.2, lower=0.06, rows=9)
    before = replace(report, features={"x1": replace(report.features["x1"], pods=(named,))})
    after = name_pods(report, findings, pods, before).features["x1"]
    ended = replace(before, features={"x1": replace(before.features["x1"], verdict=Verdict.STABLE)})
    anew = name_pods(report, findings, pods, ended).features["x1"]
    assert [pod.instance for pod in fresh.pods] == ["a"]
    assert [pod.instance for pod in after.pods] == ["a", "b"]
    assert [pod.instance for pod in anew.pods] == ["a"], "that was another drift"


def pods_of(monitor: Monitor, counted: dict[str, Counts]) -> list[PodRows]:
    return [PodRows(f"pod-{n}", n, {0: bin_rows(c, monitor.reference)}) for n, c in counted.items()]


def test_more_pods_than_are_judged_at_once_are_found_one_by_one() -> None:
    profile = small_profile()
    monitor = Monitor(profile, Policy(design_effect=1))
    moved = (3, 70, 149)
    counted = {
        f"p{k:03}": profile.count(rows(k, 0, count=300, shift=2.0 if k in moved else 0.0)) for k in range(150)
    }
    monitor.add(0, sum(counted.values(), 0))
    drifting = replace(monitor.report(0).features["x1"], verdict=Verdict.DRIFTING, window=1)
    report = replace(monitor.report(0), features={"x1": drifting})
    findings = replace(monitor.look(0), windows={0: monitor.window(0)})
    found = name_pods(report, findings, pods_of(monitor, counted), None).features["x1"]
    assert found.where == "in pods pod-p003, pod-p070, pod-p149 only"


def odd_pods(profile: Profile) -> dict[str, Counts]:
    """Panes as they are accepted, and as no pod in its senses sends them."""
    usual, none = profile.count(rows(0, 0, shift=1.0)), Counts.zero(profile)
    one = profile.count(rows(1, 0, count=1))
    lost = profile.count(np.full((1, 2), np.nan))
    many = (one, lost, profile.count(np.full((1, 2), 1e300)))
    huge = [
        Counts(
            profile, MAX_PANE_ROWS, *(of // c.rows * MAX_PANE_ROWS for of in (c.cells, c.missing, c.beyond))
        )
        for c in many
    ]
    return {"usual": usual, "none": none, "one": one, "lost": lost} | {
        f"huge-{i}": c for i, c in enumerate(huge)
    }


@pytest.mark.slow
@pytest.mark.filterwarnings("error")
def test_no_pods_that_are_accepted_stop_a_verdict() -> None:
    """Whoever sends, alone or with any other, named before or not: no exception, no number that is none."""
    profile = small_profile()
    odd = odd_pods(profile)
    for first in odd:
        for second in odd:
            monitor = Monitor(profile, Policy(design_effect=1))
            both = {first: odd[first], second: odd[second]}
            monitor.add(0, sum(both.values(), 0))
            report = monitor.report(0)
            drifting = {n: replace(f, verdict=Verdict.DRIFTING) for n, f in report.features.items()}
            report = replace(report, features=drifting)
            named = tuple(PodReport(pod=n, instance=n, statistic=0.5, lower=0.4, rows=9) for n in both)
            before = replace(report, features={n: replace(f, pods=named) for n, f in drifting.items()})
            findings = replace(monitor.look(0), windows={0: monitor.window(0)})
            for earlier in (None, before):
                for kept in (pods_of(monitor, both), []):
                    found = name_pods(report, findings, kept, earlier)
                    pods = [pod for f in found.features.values() for pod in f.pods]
                    assert np.isfinite([(pod.lower, pod.statistic) for pod in pods]).all()


def test_rows_of_more_pods_than_fit_are_kept_for_fewer_panes_of_all() -> None:
    profile = small_profile()
    monitor, counts = Monitor(profile), profile.count(rows(0, 0, count=100))
    each = bin_rows(counts, monitor.reference).nbytes + ENTRY_BYTES
    recent = RecentPods(monitor.reference, kept_bytes=10 * each)
    for pane in range(6):
        for name in ("a", "b", "c"):
            recent.add(Pane(pane=pane, instance=name, rows=100, **PANE), counts)
    assert {pod.instance: list(pod.panes) for pod in recent.up_to(5)} == {name: [3, 4, 5] for name in "abc"}
    assert recent.up_to(5 + KEPT_PANES) == []
    for pane in range(100, 103):
        for name in ("a", "b", "c"):
            recent.add(Pane(pane=pane, instance=name, rows=100, **PANE), counts)
    assert [len(pod.panes) for pod in recent.up_to(102)] == [3, 3, 3], "what was forgotten takes no place"
    assert KEPT_BYTES == 32 << 20, "as docs/aggregator.md says"


@pytest.mark.slow
@in_loop
async def test_a_series_that_is_unloaded_holds_no_rows_of_pods(tmp_path: Path) -> None:
    async with aggregating(tmp_path) as rig:
        await seen(rig, small_profile(), 2, a={})
        (series,) = rig.aggregator.all_series.values()
        assert series.pods
        for _ in range(3):
            await rig.evaluate(START + 2, seconds=IDLE_SECONDS + 60)
        (series,) = rig.aggregator.all_series.values()
    assert (series.monitor, series.pods) == (None, None)


def test_a_pod_takes_few_bytes() -> None:
    profile = small_profile(features=50, cut_points=1024)
    monitor, random = Monitor(profile), np.random.default_rng(4)
    kept = bin_rows(profile.count(random.normal(size=(3000, 50))), monitor.reference)
    assert kept.nbytes <= 50 * (16 + 2) * 2
    assert kept[:800].sum() == 3000 * 50
