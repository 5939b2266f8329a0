"""What alarms, when it clears, and what is said meanwhile: the policy as users see it, through `Monitor`."""

from itertools import pairwise

import numpy as np
import pytest
from support.drift import independent, normal_profile, run_monitor, shifted_pane

from tidegauge import Counts, Monitor, Policy, PolicyError, Profile, ProfileMismatch
from tidegauge.protocol.names import Severity, Verdict

pytestmark = pytest.mark.slow


def _verdicts(found: list[tuple[str, str | None]]) -> list[str]:
    return [verdict for verdict, _ in found]


def _raised(monitor: Monitor, pane: int) -> list[str]:
    """Verdicts of the features that alarm."""
    states = monitor.look(pane).features
    return [states[i].verdict.value for i in np.flatnonzero(monitor.alarms.alarmed)]


class TestRaising:
    def test_baseline_traffic_is_stable(self) -> None:
        found = run_monitor(Monitor(normal_profile(3), independent()), np.zeros(120), 400)
        assert set(_verdicts(found)) <= {"Learning", "Stable"}
        assert _verdicts(found)[-1] == "Stable"

    def test_a_large_shift_is_critical_at_its_first_pane(self) -> None:
        found = run_monitor(Monitor(normal_profile(), independent()), [0, 0, 1.5], 500)
        assert found[-1] == ("Drifting", "critical")

    def test_only_the_feature_that_moved_is_named(self) -> None:
        profile = normal_profile(4)
        monitor, random = Monitor(profile, independent()), np.random.default_rng(1)
        for pane in range(8):
            monitor.add(pane, shifted_pane(profile, random, 500, 0, 0, 1, 0))
        report = monitor.report(7)
        assert [feature.name for feature in report.drifting] == ["x2"]
        assert report.features["x2"].since == 0

    def test_a_move_below_the_floor_is_detected_but_no_alarm(self) -> None:
        monitor = Monitor(normal_profile(rows=200_000), independent())
        run_monitor(monitor, np.full(64, 0.06), 2000)  # D = 0.024
        report = monitor.report(63)
        assert report.features["x0"].detected
        assert report.verdict is Verdict.STABLE

    def test_with_a_floor_of_zero_whatever_is_detected_alarms(self) -> None:
        monitor = Monitor(
            normal_profile(rows=200_000), independent(min_effect={"warning": 0, "critical": 0.15})
        )
        assert run_monitor(monitor, np.full(64, 0.06), 2000)[-1] == ("Drifting", "warning")

    def test_a_feature_may_have_a_floor_of_its_own(self) -> None:
        policy = independent(per_feature={"x1": {"warning": 0.6, "critical": 0.7}})
        monitor = Monitor(normal_profile(2), policy)
        run_monitor(monitor, np.ones(16), 500)
        report = monitor.report(15)
        assert report.features["x0"].severity is Severity.CRITICAL
        assert report.features["x1"].verdict is Verdict.STABLE

    def test_per_feature_names_must_be_the_profiles(self) -> None:
        with pytest.raises(PolicyError, match="sqft"):
            Monitor(normal_profile(), Policy(per_feature={"sqft": {"warning": 0.1}}))

    def test_a_few_rows_alarm_never(self) -> None:
        found = run_monitor(Monitor(normal_profile(), independent()), np.full(3, 9.0), 2)
        assert set(_verdicts(found)) == {"Learning"}

    def test_severity_rises_at_once(self) -> None:
        found = run_monitor(Monitor(normal_profile(), independent()), [0.35] * 8 + [2.0], 1000)
        assert found[7] == ("Drifting", "warning")
        assert found[8] == ("Drifting", "critical")


class TestClearing:
    @pytest.mark.parametrize("drift_panes", [1, 6, 40, 200])
    def test_an_alarm_clears_within_about_a_window_of_its_owner(self, drift_panes: int) -> None:
        monitor = Monitor(normal_profile(), independent())
        before = run_monitor(monitor, np.concatenate([np.zeros(10), np.full(drift_panes, 1.0)]), 500)
        assert before[-1][0] == "Drifting"
        after = run_monitor(monitor, np.zeros(40), 500, first_pane=10 + drift_panes, seed=8)
        assert "Stable" in _verdicts(after)[:6]

    def test_a_long_window_that_holds_the_old_drift_does_not_raise_it_again(self) -> None:
        monitor = Monitor(normal_profile(), independent())
        run_monitor(monitor, [0.0] * 100 + [1.0] * 60, 500)
        after = _verdicts(run_monitor(monitor, np.zeros(400), 300, first_pane=160, seed=9))
        assert set(after[6:]) == {"Stable"}

    def test_a_drift_that_comes_back_is_a_new_alarm(self) -> None:
        monitor = Monitor(normal_profile(), independent())
        found = _verdicts(run_monitor(monitor, [0.0] * 5 + [1.0] * 5 + [0.0] * 20 + [1.0] * 5, 500))
        assert found[9] == found[-1] == "Drifting"
        assert "Stable" in found[10:30]
        assert monitor.report(34).since == 30

    def test_a_weak_drift_under_a_strong_one_is_found_again(self) -> None:
        monitor = Monitor(normal_profile(rows=100_000), independent())
        found = _verdicts(run_monitor(monitor, [0.3] * 40 + [2.0] * 10 + [0.3] * 80, 500))
        assert found[49] == found[-1] == "Drifting"

    def test_severity_falls_when_the_drift_weakens(self) -> None:
        found = run_monitor(
            Monitor(normal_profile(rows=100_000), independent()), [2.0] * 6 + [0.35] * 60, 1000
        )
        assert found[5] == ("Drifting", "critical")
        assert found[-1] == ("Drifting", "warning")

    def test_silence_clears_nothing(self) -> None:
        monitor = Monitor(normal_profile(), independent())
        run_monitor(monitor, np.ones(6), 500)
        assert monitor.report(5000).verdict is Verdict.DRIFTING

    def test_a_borderline_drift_does_not_flap(self) -> None:
        monitor = Monitor(normal_profile(rows=100_000), independent())
        found = _verdicts(run_monitor(monitor, np.full(500, 0.15), 500))  # D = 0.06, the floor is 0.05
        changes = sum(a != b for a, b in pairwise(found))
        assert changes <= 3


class TestADriftThatStays:
    """By chance a short window looks calm sooner or later: that must not clear what long windows show."""

    @pytest.mark.parametrize("rows", [20, 100])
    def test_a_constant_drift_is_raised_once_and_never_cleared(self, rows: int) -> None:
        shifts = (0.3, 0.5, 0.8)
        profile, random = normal_profile(len(shifts), rows=10_000, cut_points=63), np.random.default_rng(1)
        monitor, states = Monitor(profile, independent()), []
        for pane in range(3000):
            monitor.add(pane, shifted_pane(profile, random, rows, *shifts))
            monitor.advance(pane)
            strongest = monitor.latest.strongest(monitor.alarms)
            assert not (
                strongest.detected & (strongest.lower > monitor.floors[1]) & ~monitor.alarms.critical
            ).any()
            assert set(_raised(monitor, pane)) <= {"Drifting"}
            states.append(monitor.alarms.alarmed.astype(int) + monitor.alarms.critical)
        found = np.array(states)
        assert (np.diff(found, axis=0) >= 0).all()  # neither cleared nor lowered
        assert found[-1].tolist() == [1, 2, 2]

    @pytest.mark.parametrize(("shift", "rows", "panes"), [(0.8, 100, 8), (0.5, 100, 16), (0.5, 20, 64)])
    def test_when_it_ends_at_last_the_alarm_clears(self, shift: float, rows: int, panes: int) -> None:
        monitor = Monitor(normal_profile(), independent())
        assert run_monitor(monitor, np.full(600, shift), rows)[-1][0] == "Drifting"
        after = _verdicts(run_monitor(monitor, np.zeros(panes), rows, first_pane=600, seed=9))
        assert after[-1] != "Drifting"


class TestLearning:
    def test_too_few_rows_to_show_a_critical_drift_are_learning(self) -> None:
        found = _verdicts(run_monitor(Monitor(normal_profile(), independent()), np.zeros(40), 30))
        assert found[0] == "Learning"
        assert found[-1] == "Stable"

    def test_while_the_design_effect_is_learned_the_floor_is_a_tenth(self) -> None:
        monitor = Monitor(normal_profile(rows=100_000))
        found = run_monitor(monitor, np.full(64, 0.25), 1000)  # D = 0.1
        report = monitor.report(63)
        assert report.baseline.state == "learning"
        assert report.features["x0"].floor == 0.1
        assert "Drifting" not in _verdicts(found)
        assert report.verdict is Verdict.LEARNING

    def test_a_clear_drift_alarms_while_learning(self) -> None:
        assert run_monitor(Monitor(normal_profile()), [0] * 20 + [1.0] * 2, 500)[-1] == (
            "Drifting",
            "critical",
        )

    def test_after_learning_the_floor_is_the_policys(self) -> None:
        monitor = Monitor(normal_profile(), Policy(learning="10m"))
        run_monitor(monitor, np.zeros(60), 300)
        report = monitor.report(59)
        assert report.baseline.state == "ready"
        assert report.features["x0"].floor == 0.05

    def test_rows_in_bursts_get_a_design_effect_and_do_not_alarm(self) -> None:
        profile = normal_profile()
        policy = Policy(learning="1h", min_effect={"warning": 0, "critical": 0.15})
        monitor, random = Monitor(profile, policy), np.random.default_rng(2)
        alarms = 0
        for pane in range(700):
            shared = np.repeat(random.normal(size=(20, 1)), 20, axis=0)  # 20 rows that are one
            monitor.add(pane, profile.count(shared))
            monitor.advance(pane)
            alarms += bool(pane > 400 and monitor.alarms.alarmed.any())
        assert 10 < monitor.design_effect[0, 0] < 40
        assert alarms == 0

    def test_independent_rows_have_a_design_effect_near_one(self) -> None:
        monitor = Monitor(normal_profile(), Policy(learning="1h"))
        run_monitor(monitor, np.zeros(380), 100)
        assert monitor.design_effect[0, 0] == pytest.approx(1, abs=0.15)


class TestUnknown:
    def test_no_rows_are_unknown(self) -> None:
        report = Monitor(normal_profile()).report(1000)
        assert report.verdict is Verdict.UNKNOWN
        assert report.features["x0"].verdict is Verdict.UNKNOWN

    def test_rows_that_stopped_coming_are_unknown_not_stable(self) -> None:
        monitor = Monitor(normal_profile(), independent(stale="5m"))
        run_monitor(monitor, np.zeros(20), 500)
        assert monitor.report(19 + 30).verdict is Verdict.STABLE
        assert monitor.report(19 + 31).verdict is Verdict.UNKNOWN

    def test_a_feature_without_reference_values_is_unknown_and_does_not_hide_the_others(self) -> None:
        with pytest.warns(UserWarning, match="no values"):
            profile = Profile.fit({"x": np.random.default_rng(1).normal(size=5000), "gone": [None] * 5000})
        monitor = Monitor(profile, independent())
        monitor.add(0, profile.count({"x": np.random.default_rng(2).normal(size=900), "gone": [None] * 900}))
        assert monitor.report(0).verdict is Verdict.STABLE


class TestCauses:
    """Each statistic finds what only it can find."""

    def _cause(self, profile: Profile, panes: list[Counts], name: str = "x") -> tuple[Verdict, str | None]:
        monitor = Monitor(profile, independent())
        for pane, counts in enumerate(panes):
            monitor.add(pane, counts)
        feature = monitor.report(len(panes) - 1).features[name]
        return feature.verdict, feature.cause

    def test_missing_values(self) -> None:
        random = np.random.default_rng(1)
        profile = Profile.fit({"x": random.normal(size=10_000)})
        values = random.normal(size=2000)
        values[::5] = np.nan
        assert self._cause(profile, [profile.count({"x": values})]) == (Verdict.DRIFTING, "missing")

    def test_a_spread_that_grew_is_found_by_the_bins(self) -> None:
        random = np.random.default_rng(2)
        profile = Profile.fit({"x": random.normal(size=100_000)})
        panes = [profile.count({"x": random.normal(0, 1.4, 2000)}) for _ in range(16)]
        assert self._cause(profile, panes) == (Verdict.DRIFTING, "g")

    def test_rare_extremes(self) -> None:
        random = np.random.default_rng(3)
        profile = Profile.fit({"x": random.normal(size=100_000)})
        values = random.normal(size=4000)
        values[:480] *= 50  # mostly beyond 3 sd, on both sides: neither D nor the mean rank moves much
        verdict, cause = self._cause(profile, [profile.count({"x": values})])
        assert (verdict, cause) == (Verdict.DRIFTING, "exceedance")

    def test_categories_never_seen(self) -> None:
        random = np.random.default_rng(4)
        profile = Profile.fit({"x": random.choice(list("abc"), 10_000)})
        values = random.choice(list("abc"), 1000).tolist()
        values[:200] = ["new"] * 200
        assert self._cause(profile, [profile.count({"x": values})]) == (Verdict.DRIFTING, "unseen")

    def test_shares_of_categories(self) -> None:
        random = np.random.default_rng(5)
        profile = Profile.fit({"x": random.choice(list("abc"), 10_000, p=[0.6, 0.3, 0.1])})
        live = profile.count({"x": random.choice(list("abc"), 1500, p=[0.3, 0.6, 0.1])})
        assert self._cause(profile, [live]) == (Verdict.DRIFTING, "g")

    def test_few_distinct_numbers_are_decided_by_g(self) -> None:
        random = np.random.default_rng(6)
        profile = Profile.fit({"x": random.integers(1, 6, 10_000)})
        live = profile.count({"x": random.integers(2, 6, 2000)})
        assert self._cause(profile, [live]) == (Verdict.DRIFTING, "g")

    def test_a_constant_that_changed(self) -> None:
        profile = Profile.fit({"x": np.ones(10_000)})
        assert self._cause(profile, [profile.count({"x": np.full(500, 2.0)})]) == (Verdict.DRIFTING, "unseen")
        assert self._cause(profile, [profile.count({"x": np.ones(500)})])[0] is Verdict.STABLE


def test_counts_of_another_profile_are_refused() -> None:
    monitor = Monitor(normal_profile(seed=1))
    with pytest.raises(ProfileMismatch):
        monitor.add(0, Counts.zero(normal_profile(seed=2)))


def test_many_rare_categories_do_not_alarm_by_chance() -> None:
    random = np.random.default_rng(7)
    share = 1 / np.arange(1, 401) ** 1.3
    draw = lambda n: random.choice(400, n, p=share / share.sum()).astype(str)  # noqa: E731
    profile = Profile.fit({"x": draw(50_000)})
    monitor = Monitor(profile, independent(min_effect={"warning": 0, "critical": 0.15}))
    for pane in range(200):
        monitor.add(pane, profile.count({"x": draw(150)}))
        monitor.advance(pane)
        assert not monitor.alarms.alarmed.any()
