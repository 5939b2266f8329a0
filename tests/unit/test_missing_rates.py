"""Missing values come and go: a rate is drift in both directions, and a column that fills is seen."""

import warnings
from typing import Any

import numpy as np
import pytest

from tidegauge import Monitor, Policy, Profile, replay
from tidegauge.protocol.names import Severity, Verdict
from tidegauge.protocol.transition import Transition
from tidegauge.report.model import FeatureReport

INDEPENDENT = Policy(design_effect=1)
ANY_EFFECT = Policy(design_effect=1, min_effect={"warning": 0, "critical": 0.15})
RANDOM = np.random.default_rng(11)


def with_gaps(values: Any, rate: float) -> Any:
    """The values, each missing with that probability."""
    held = np.array(values, dtype=object)
    held[RANDOM.random(held.size) < rate] = None
    return held.tolist()


def incomes(n: int) -> Any:
    return RANDOM.lognormal(10, 0.5, n)


def stars(n: int) -> Any:
    return RANDOM.integers(1, 6, n).astype(float)


def colours(n: int) -> Any:
    return RANDOM.choice(["red", "green", "blue"], n, p=[0.5, 0.3, 0.2])


def judged(profile: Profile, column: Any, policy: Policy = INDEPENDENT) -> FeatureReport:
    """What one window of these values gives."""
    monitor = Monitor(profile, policy)
    monitor.add(0, profile.count({"x": column}))
    return monitor.report(0).features["x"]


def of_feature(history: list[Transition]) -> list[tuple[Verdict, Severity | None, str | None]]:
    return [(one.verdict, one.severity, one.cause) for one in history if one.feature]


@pytest.mark.parametrize("kind", [incomes, stars, colours])
@pytest.mark.parametrize(("before", "after"), [(0.4, 0.0), (0.5, 0.1), (0.9, 0.6), (0.0, 0.4), (0.6, 0.9)])
def test_a_rate_that_falls_is_drift_as_one_that_rises_is(kind: Any, before: float, after: float) -> None:
    profile = Profile.fit({"x": with_gaps(kind(20_000), before)})
    found = judged(profile, with_gaps(kind(4000), after))
    assert (found.verdict, found.severity, found.cause) == (Verdict.DRIFTING, Severity.CRITICAL, "missing")
    assert found.lower is not None
    assert abs(after - before) - 0.12 < found.lower < abs(after - before)


def test_a_prediction_that_is_always_there_now_is_drift() -> None:
    profile = Profile.fit({"x": np.ones(10_000)}, prediction=with_gaps(incomes(10_000), 0.3))
    monitor = Monitor(profile, INDEPENDENT)
    monitor.add(0, profile.count({"x": np.ones(3000), "prediction": incomes(3000)}))
    assert monitor.report(0).features["prediction"].cause == "missing"


@pytest.mark.slow
@pytest.mark.parametrize("rate", [0.002, 0.05, 0.4, 0.95, 1.0])
def test_a_rate_that_stays_does_not_alarm(rate: float) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*has no values")
        profile = Profile.fit({"x": with_gaps(incomes(5000), rate)})
    history = replay(profile, {"x": with_gaps(incomes(60_000), rate)}, ANY_EFFECT, rows_per_pane=200)
    assert {Verdict.DRIFTING, Verdict.UNKNOWN}.isdisjoint(one.verdict for one in history)


def test_a_fall_smaller_than_the_floor_is_detected_and_no_alarm() -> None:
    profile = Profile.fit({"x": with_gaps(incomes(100_000), 0.04)})
    found = judged(profile, incomes(50_000))
    assert (found.verdict, found.detected, found.cause) == (Verdict.STABLE, True, "missing")


@pytest.mark.slow
def test_an_alarm_clears_when_the_values_are_missing_again() -> None:
    profile = Profile.fit({"x": with_gaps(incomes(20_000), 0.4)})
    live = [*with_gaps(incomes(8000), 0.4), *incomes(2000), *with_gaps(incomes(30_000), 0.4)]
    seen = of_feature(replay(profile, {"x": live}, INDEPENDENT, rows_per_pane=200))
    assert (Verdict.DRIFTING, Severity.CRITICAL, "missing") in seen
    assert seen[-1][0] is Verdict.STABLE


class TestAColumnWithoutValues:
    def _profile(self) -> Profile:
        with pytest.warns(UserWarning, match="only its missing rate can drift"):
            return Profile.fit({"x": [None] * 5000})

    def test_an_empty_column_that_fills_drifts(self) -> None:
        found = judged(self._profile(), incomes(500))
        assert (found.verdict, found.severity, found.cause) == (
            Verdict.DRIFTING,
            Severity.CRITICAL,
            "missing",
        )

    def test_an_empty_column_that_fills_in_part_drifts(self) -> None:
        found = judged(self._profile(), with_gaps(incomes(2000), 0.7))
        assert (found.verdict, found.cause, found.missing_rate) == (
            Verdict.DRIFTING,
            "missing",
            pytest.approx(0.7, abs=0.05),
        )

    def test_a_column_that_stays_empty_is_stable_once_there_are_enough_rows(self) -> None:
        profile = self._profile()
        assert judged(profile, [None] * 20).verdict is Verdict.LEARNING
        assert judged(profile, [None] * 3000).verdict is Verdict.STABLE

    def test_a_column_of_which_no_row_came_is_unknown(self) -> None:
        assert Monitor(self._profile(), INDEPENDENT).report(0).features["x"].verdict is Verdict.UNKNOWN

    def test_an_empty_column_is_judged_while_the_design_effect_is_learned(self) -> None:
        assert judged(self._profile(), incomes(500), Policy()).verdict is Verdict.DRIFTING


@pytest.mark.parametrize("shares", [[0.5, 0.3, 0.2], [0.45, 0.45, 0.1], [0.8, 0.1, 0.1]])
def test_a_category_that_vanishes_is_found_by_its_share(shares: list[float]) -> None:
    profile = Profile.fit({"x": RANDOM.choice(list("abc"), 20_000, p=shares)})
    left = np.array(shares[:2]) / sum(shares[:2])
    policy = Policy(design_effect=1, min_effect={"warning": 0.02})
    found = judged(profile, RANDOM.choice(list("ab"), 20_000, p=left), policy)
    assert (found.verdict, found.cause) == (Verdict.DRIFTING, "g")
    assert found.statistic == pytest.approx(shares[2], abs=0.02)


@pytest.mark.parametrize("policy", [Policy(), INDEPENDENT])
@pytest.mark.parametrize("gone", "abcd")
def test_one_of_four_categories_that_stops_coming_raises_an_alarm(policy: Policy, gone: str) -> None:
    letters = np.array(list("abcd"))
    profile = Profile.fit({"x": RANDOM.choice(letters, 20_000)})
    live = [*RANDOM.choice(letters, 4000), *RANDOM.choice(letters[letters != gone], 4000)]
    seen = [one for one in replay(profile, {"x": live}, policy, rows_per_pane=200) if one.feature]
    alarms = [one for one in seen if one.verdict is Verdict.DRIFTING]
    assert {one.cause for one in alarms} == {"g"}
    assert 4000 < alarms[0].row <= 5200
    assert alarms[-1].severity is Severity.CRITICAL
    assert alarms[-1].statistic == pytest.approx(0.25, abs=0.03)


def test_a_value_out_of_few_numbers_that_vanishes_is_found_too() -> None:
    profile = Profile.fit({"x": stars(20_000)})
    live = stars(20_000)
    assert judged(profile, live[live != 3]).cause == "g"


def test_a_false_that_never_comes_again_is_found() -> None:
    profile = Profile.fit({"x": RANDOM.random(20_000) < 0.8})
    assert judged(profile, np.ones(3000, dtype=bool)).verdict is Verdict.DRIFTING
