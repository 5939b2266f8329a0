"""What a look found is one value; reports, histories and replays are made of it."""

import json
from pathlib import Path

import numpy as np
import pytest
from support.aggregator_rig import START, Clock, Pod, in_loop, running, small_profile
from support.drift import independent, normal_profile, shifted_pane

from tidegauge import Monitor, replay
from tidegauge.monitor.findings import Findings, changes, scale_for_pods
from tidegauge.monitor.pods import PodRows, bin_rows, name_pods
from tidegauge.monitor.report_builder import summarise
from tidegauge.protocol.names import Severity, Verdict
from tidegauge.protocol.transition import Transition, pane_end

PROFILE = normal_profile(3, rows=5000, cut_points=63)


def looked_at(panes: int, shift: float = 0.0) -> tuple[Monitor, Findings]:
    monitor, random = Monitor(PROFILE, independent(scales=8)), np.random.default_rng(1)
    for pane in range(panes):
        monitor.add(pane, shifted_pane(PROFILE, random, 400, shift, 0))
    return monitor, monitor.look(panes - 1)


def content(findings: Findings) -> bytes:
    looks = findings.strongest
    return b"".join(getattr(looks, name).astype(str).tobytes() for name in type(looks).__slots__)


def test_what_was_found_does_not_change_when_the_monitor_goes_on() -> None:
    monitor, found = looked_at(8)
    states, held = found.states, content(found)
    random = np.random.default_rng(2)
    for pane in range(8, 40):
        monitor.add(pane, shifted_pane(PROFILE, random, 400, 2.0, 0))
        monitor.look(pane)
    assert monitor.look(39).states[None].verdict is Verdict.DRIFTING
    assert (found.states, content(found)) == (states, held)
    with pytest.raises(ValueError, match="read-only"):
        found.strongest.lower[0] = 1.0


def test_a_window_for_pods_does_not_change_when_the_monitor_goes_on() -> None:
    monitor, _ = looked_at(8, shift=1.0)
    window = monitor.look(7, whole=True).windows[3]
    bins = window.sums.bins.copy()
    for pane in (8, 9):
        monitor.add(pane, shifted_pane(PROFILE, np.random.default_rng(pane), 400, 2.0, 0))
    monitor.look(9)
    assert window.panes == range(8)
    assert np.array_equal(window.sums.bins, bins)
    assert not np.array_equal(monitor.window(3).sums.bins, bins)


def test_report_and_pods_are_made_of_findings_alone() -> None:
    """Whatever the monitor does afterwards: nothing of either is read from it."""
    monitor, _ = looked_at(0)
    pods, random = [], np.random.default_rng(4)
    for name, shift in (("a", 3.0), ("b", 0.0), ("c", 0.0)):
        counts = shifted_pane(PROFILE, random, 2000, shift, 0)
        monitor.add(0, counts)
        pods.append(PodRows(f"pod-{name}", name, {0: bin_rows(counts, monitor.reference)}))
    findings = monitor.look(0, whole=True)
    at_once = name_pods(summarise(findings), findings, pods, None)
    assert at_once.features["x0"].where == "in pod pod-a only"
    for pane in range(1, 70):
        monitor.add(pane, shifted_pane(PROFILE, random, 400, 0.0, 0))
        monitor.report(pane)
    assert name_pods(summarise(findings), findings, pods, None).to_dict() == at_once.to_dict()
    assert name_pods(monitor.report(69), findings, pods, None).to_dict() != at_once.to_dict()


def test_only_what_drifts_has_a_window_for_its_pods() -> None:
    assert looked_at(8)[0].look(7, whole=True).windows == {}
    monitor, plain = looked_at(70, shift=1.0)
    found = monitor.look(69, whole=True)
    drifting = [i for i, state in enumerate(found.features) if state.verdict is Verdict.DRIFTING]
    assert set(found.windows) == {scale_for_pods(int(found.strongest.scale[i])) for i in drifting}
    assert max(found.windows) <= 5 < found.strongest.scale[drifting].max()
    assert (plain.samples, plain.windows) == ({}, {})


def test_a_report_says_what_the_look_found() -> None:
    monitor, found = looked_at(12, shift=1.0)
    report = monitor.report(11)
    assert report.states == found.states
    worst = report.drifting[0]
    assert PROFILE.names[found.leading] == worst.name
    assert (worst.lower, worst.cause) == (
        found.strongest.lower[found.leading],
        found.strongest.cause[found.leading],
    )


def test_changes_from_a_report_and_from_its_look_are_the_same() -> None:
    monitor, found = looked_at(4)
    before = monitor.report(3)
    for pane in range(4, 12):
        monitor.add(pane, shifted_pane(PROFILE, np.random.default_rng(pane), 400, 2.0, 0))
    later = monitor.look(11)
    by_report, by_look = (
        list(changes(seen, later, profile="p", seconds=120.0)) for seen in (before.states, found.states)
    )
    assert by_report == by_look
    assert by_report[0].feature is None
    assert {change.before for change in by_report} <= {Verdict.STABLE, Verdict.LEARNING}
    assert not list(changes(later.states, later, profile="p", seconds=120.0))


def test_the_leading_feature_drifts_if_any_does() -> None:
    _, calm = looked_at(4)
    assert calm.leading == int(calm.strongest.lower.argmax())
    _, moved = looked_at(12, shift=1.5)
    assert moved.features[moved.leading].verdict is Verdict.DRIFTING


# --- transitions ---------------------------------------------------------------------------------------


def test_a_transition_survives_json() -> None:
    change = Transition(
        row=None, pane=7, time=pane_end(80.0), profile="p", feature="x", verdict=Verdict.DRIFTING,
        severity=Severity.CRITICAL, before=Verdict.STABLE, statistic=0.3, lower=0.2, window=4, window_rows=90,
        cause="ks",
    )  # fmt: skip
    document = json.loads(json.dumps(change.to_dict()))
    assert Transition.from_dict(document) == change
    assert document["time"] == "1970-01-01T00:01:20Z"
    del document["row"]  # as version 0.1 wrote it
    assert Transition.from_dict(document) == change


@pytest.mark.slow
@in_loop
async def test_a_replay_and_an_aggregator_say_the_same_of_the_same_rows(tmp_path: Path) -> None:
    profile, random = small_profile(), np.random.default_rng(5)
    panes = [random.normal((0.0, 1.2 * (20 <= k < 40)), size=(300, 2)) for k in range(70)]
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"default_policy": {"design_effect": 1}}))
    async with running(tmp_path / "data", Clock(), config=config) as rig:
        await rig.put_profile(profile)
        pod = Pod("a", profile)
        for k, rows in enumerate(panes):
            await rig.send(pod, START + k, rows)
            await rig.evaluate(START + k)
        history = (await rig.get("/v1/history", limit=1000))["transitions"][::-1]
    at = np.repeat((START + np.arange(70)) * 10.0, 300)
    rows = {name: np.concatenate(panes)[:, i] for i, name in enumerate(profile.names)}
    past = replay(profile, {**rows, "at": at}, independent(), time="at", pane="10s")
    key = ("pane", "feature")
    ours = [change.to_dict() | {"row": None} for change in past]
    assert sorted(history, key=lambda t: [str(t[k]) for k in key]) == sorted(
        ours, key=lambda t: [str(t[k]) for k in key]
    )
    verdicts = [t["verdict"] for t in history if t["feature"] == "x1"]
    assert {"Drifting", "Stable"} <= set(verdicts)
