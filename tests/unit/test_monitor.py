"""A monitor remembers nothing but counts and a small state: order, splits and restarts change nothing."""

import json
import re
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.drift import independent, normal_profile, run_monitor, shifted_pane

from tidegauge import Counts, Monitor, Policy, PolicyError, Profile, ProfileMismatch, Report, WireError
from tidegauge.protocol.names import Verdict

PROFILE = normal_profile(2, rows=5000, cut_points=63)
POLICY = independent(scales=8)


@dataclass
class Deployment:
    """A monitor that may die at any time, and the store that outlives it."""

    policy: Policy = POLICY
    monitor: Monitor = field(init=False)
    store: dict[int, Counts] = field(default_factory=dict)
    saved: tuple[bytes, bytes] | None = None

    def __post_init__(self) -> None:
        self.monitor = Monitor(PROFILE, self.policy)

    def take(self, pane: int, counts: Counts) -> None:
        self.store[pane] = self.store[pane] + counts if pane in self.store else counts
        self.monitor.add(pane, counts)

    def report(self, pane: int) -> dict[str, object]:
        report = self.monitor.report(pane).to_dict()
        self.saved = self.monitor.state(), self.monitor.baseline()
        return report

    def restart(self) -> None:
        self.monitor = Monitor(PROFILE, self.policy)
        if self.saved is not None:
            self.monitor.load_state(*self.saved)
        for pane in sorted(self.store, reverse=True):
            self.monitor.add(pane, self.store[pane])


def _pane(random: np.random.Generator, shift: float) -> Counts:
    return shifted_pane(PROFILE, random, int(random.integers(1, 300)), shift, 0)


@pytest.mark.slow
@settings(deadline=None, max_examples=12)
@given(
    seed=st.integers(0, 2**32 - 1),
    shifts=st.lists(st.sampled_from([None, 0.0, 0.0, 0.0, 1.0, 2.0]), min_size=5, max_size=60),
    restarts=st.sets(st.integers(0, 59)),
    learning=st.sampled_from([None, "100s"]),
)
def test_a_restart_changes_nothing(
    seed: int, shifts: list[float | None], restarts: set[int], learning: str | None
) -> None:
    policy = POLICY if learning is None else Policy(scales=8, learning=learning)
    whole, broken = Deployment(policy), Deployment(policy)
    random = np.random.default_rng(seed)
    for pane, shift in enumerate(shifts, 1000):
        if shift is not None:
            counts = _pane(random, shift)
            whole.take(pane, counts)
            broken.take(pane, counts)
        if pane - 1000 in restarts:  # between two reports, with a pane counted and not yet looked at
            broken.restart()
        assert broken.report(pane) == whole.report(pane)


@pytest.mark.slow
@settings(deadline=None, max_examples=12)
@given(seed=st.integers(0, 2**32 - 1), data=st.data())
def test_panes_may_come_in_any_order_and_in_any_pieces(seed: int, data: st.DataObject) -> None:
    random = np.random.default_rng(seed)
    pieces = [(pane, _pane(random, 1.0 if pane > 15 else 0.0)) for pane in range(20) for _ in range(2)]
    shuffled = data.draw(st.permutations(pieces))
    one, other = Monitor(PROFILE, POLICY), Monitor(PROFILE, POLICY)
    for pane, counts in pieces:
        one.add(pane, counts)
    for pane, counts in shuffled:
        other.add(pane, counts)
    assert one.report(19).to_dict() == other.report(19).to_dict()


@pytest.mark.slow
def test_one_late_report_does_as_many_looks_as_many_reports() -> None:
    random = np.random.default_rng(3)
    panes = [_pane(random, 1.0 if 10 <= pane < 16 else 0.0) for pane in range(40)]
    often, once = Monitor(PROFILE, POLICY), Monitor(PROFILE, POLICY)
    for pane, counts in enumerate(panes):
        often.add(pane, counts)
        once.add(pane, counts)
        often.report(pane)
    assert once.report(39).to_dict() == often.report(39).to_dict()
    assert once.state() == often.state()


def test_a_pane_counted_late_is_in_later_windows() -> None:
    random = np.random.default_rng(4)
    monitor = Monitor(PROFILE, POLICY)
    for pane in range(8):
        monitor.add(pane, _pane(random, 0.0))
        monitor.report(pane)
    rows = monitor.report(7).rows
    late = _pane(random, 0.0)
    monitor.add(5, late)
    monitor.add(8, _pane(random, 0.0))
    for pane in range(8, 16):
        monitor.report(pane)
    assert monitor.report(15).rows > rows + late.rows
    assert monitor.late_rows == 0


def test_rows_too_late_for_every_window_are_counted_as_such() -> None:
    random = np.random.default_rng(5)
    monitor = Monitor(PROFILE, POLICY)
    monitor.add(5000, _pane(random, 0.0))
    monitor.report(5000)
    late = _pane(random, 0.0)
    monitor.add(10, late)
    assert monitor.report(5001).late_rows == late.rows


@pytest.mark.slow
def test_a_long_silence_is_skipped_and_what_follows_is_seen() -> None:
    monitor = Monitor(PROFILE, POLICY)
    run_monitor(monitor, np.zeros(10), 400)
    assert run_monitor(monitor, [0.0, 2.0], 400, first_pane=50_000_000)[-1] == ("Drifting", "critical")


def test_shards_with_the_pairs_of_the_whole_find_what_the_whole_finds() -> None:
    profile = normal_profile(4, rows=5000, cut_points=63)
    random = np.random.default_rng(6)
    pairs = Monitor.count_pairs(profile)
    whole = Monitor(profile, POLICY)
    shards = [profile.shard(i, 2) for i in range(2)]
    parts = [Monitor(shard, POLICY, pairs=pairs) for shard in shards]
    for pane in range(12):
        counts = shifted_pane(profile, random, 300, 0, 0, 1, 0)
        whole.add(pane, counts)
        for part, shard in zip(parts, shards, strict=True):
            part.add(pane, counts.select(shard))
    mine, joined = whole.report(11), Report.join([part.report(11) for part in parts])
    assert (joined.verdict, joined.severity, joined.since) == (mine.verdict, mine.severity, mine.since)
    assert dict(joined.features) == dict(mine.features)


def test_rows_without_predictions_leave_the_prediction_unknown_and_the_model_judged_by_the_rest() -> None:
    random = np.random.default_rng(8)
    frame = {"x": random.normal(size=5000), "price": random.normal(size=5000)}
    profile = Profile.fit(frame, 63, prediction="price")
    monitor = Monitor(profile, POLICY)
    for pane in range(20):
        monitor.add(pane, profile.count({"x": random.normal(size=500)}))
    report = monitor.report(19)
    assert {name: found.verdict for name, found in report.features.items()} == {
        "x": Verdict.STABLE,
        "prediction": Verdict.UNKNOWN,
    }
    assert report.verdict is Verdict.STABLE


@pytest.mark.slow
def test_with_hours_of_day_the_daily_cycle_is_no_drift() -> None:
    random = np.random.default_rng(7)
    seconds = random.uniform(0, 20 * 86_400, 60_000)
    level = lambda t: 1.5 * np.sin(2 * np.pi * np.asarray(t) / 86_400)  # noqa: E731
    values = level(seconds) + random.normal(size=seconds.size)
    cyclic, plain = (
        Profile.fit({"x": values, "t": seconds}, 63, time="t", hour_of_day=hours) for hours in (True, False)
    )
    alarms = {}
    for name, profile in (("cyclic", cyclic), ("plain", plain)):
        monitor = Monitor(profile, independent(scales=6), pane_seconds=1800)
        found = []
        for pane in range(96):
            monitor.add(pane, profile.count({"x": level(pane * 1800 + 900) + random.normal(size=500)}))
            found.append(monitor.report(pane).verdict is Verdict.DRIFTING)
        alarms[name] = np.mean(found)
        monitor.add(96, profile.count({"x": level(96 * 1800 + 900) + 1.2 + random.normal(size=500)}))
        assert monitor.report(96).verdict is Verdict.DRIFTING
    assert alarms["cyclic"] == 0
    assert alarms["plain"] > 0.5


class TestStateThatIsNone:
    def test_bytes_that_are_no_state_are_refused(self) -> None:
        good = json.loads(Monitor(PROFILE, POLICY).state())
        bad_alarms = {**good, "alarms": {**good["alarms"], "owner": [[1]]}}
        for data in (
            b"",
            b"[]",
            b"{}",
            json.dumps({**good, "version": 99}).encode(),
            json.dumps(bad_alarms).encode(),
        ):
            with pytest.raises(WireError):
                Monitor(PROFILE, POLICY).load_state(data)

    def test_the_state_of_another_profile_is_refused(self) -> None:
        other = Monitor(normal_profile(2, rows=5000, cut_points=63, seed=99), POLICY)
        with pytest.raises(ProfileMismatch):
            Monitor(PROFILE, POLICY).load_state(other.state())

    def test_the_state_is_small(self) -> None:
        monitor = Monitor(PROFILE, POLICY)
        run_monitor(monitor, np.ones(30), 300)
        assert len(monitor.state()) < 1000


@pytest.mark.parametrize(("pane", "written"), [("x", "'x'"), (1.5, "1.5"), (None, "nothing")])
def test_a_pane_that_is_no_whole_number_is_refused(pane: object, written: str) -> None:
    monitor = Monitor(PROFILE, POLICY)
    with pytest.raises(PolicyError, match=re.escape(f"pane_id={written}: it must be a whole number")):
        monitor.add(pane, Counts.zero(PROFILE))  # type: ignore[arg-type]
    with pytest.raises(PolicyError, match=re.escape(f"pane_id={written}: it must be a whole number")):
        monitor.report(pane)  # type: ignore[arg-type]


def test_numpys_whole_numbers_are_panes() -> None:
    monitor = Monitor(PROFILE, POLICY)
    monitor.add(np.int64(3), Counts.zero(PROFILE))  # type: ignore[arg-type]
    json.dumps(monitor.report(np.int64(3)).to_dict())  # type: ignore[arg-type]
    monitor.state()


@pytest.mark.parametrize("values", [[1.0] * 100, [np.inf, -np.inf, 1.0, 2.0] * 25])
def test_equal_data_have_the_distance_0_and_not_minus_0(values: list[float]) -> None:
    profile = Profile.fit({"x": values})
    monitor = Monitor(profile)
    monitor.add(1, profile.count({"x": values}))
    statistic = monitor.report(1).features["x"].statistic
    assert str(statistic) == "0.0"


@pytest.mark.parametrize(("pane", "panes"), [(0, 3), (0, 0), (0, -2), (0, "2"), (1, 2), (4, 8)])
def test_a_block_that_no_ring_holds_is_refused(pane: int, panes: object) -> None:
    with pytest.raises(
        PolicyError,
        match=re.escape(f"panes={panes!r}: it must be a power of two that divides the pane's number, {pane}"),
    ):
        Monitor(PROFILE, POLICY).add(pane, Counts.zero(PROFILE), panes)  # type: ignore[arg-type]


def test_what_are_no_counts_is_refused() -> None:
    with pytest.raises(TypeError, match="counts=nothing: they must be Counts"):
        Monitor(PROFILE, POLICY).add(1, None)  # type: ignore[arg-type]
