"""What a policy allows, and what it refuses."""

import math

import numpy as np
import pytest

from tidegauge import Policy, PolicyError
from tidegauge.monitor.policy import duration_seconds
from tidegauge.protocol.names import Severity


def test_the_looks_of_all_scales_and_pairs_share_the_budget() -> None:
    budget = Policy(false_alarms=2, period="720h").budget(pairs=150, pane_seconds=10)
    looks = 30 * 8640 / np.maximum(1, 2.0 ** np.arange(13) / 4)
    assert (budget.alpha * looks).sum() * 150 == pytest.approx(2)


def test_thresholds_are_those_of_the_specification() -> None:
    one, fifty = (Policy().budget(pairs, 10).deviation for pairs in (1, 50))
    assert (round(one[0], 2), round(one[12], 2)) == (2.80, 2.10)
    assert (round(fifty[0], 2), round(fifty[12], 2)) == (3.13, 2.52)


def test_a_scale_looked_at_less_than_once_a_period_gets_no_more_than_one_look() -> None:
    budget = Policy(period="1h").budget(pairs=1, pane_seconds=3600)
    assert budget.alpha.max() <= 1 / 13 + 1e-12


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("720h", 2_592_000), ("30d", 2_592_000), ("10s", 10), (90, 90), (0.5, 0.5), ("1d12h", 129_600)],
)
def test_durations_are_texts_or_seconds(text: str | float, seconds: float) -> None:
    assert duration_seconds(text) == seconds


@pytest.mark.parametrize(
    "value",
    ["", "h", "10", "1.5h", "1h1d", "-5s", "0s", "5 m", 0, -1, math.inf, math.nan, True, None, "1y", [1]],
)
def test_what_is_no_duration_is_refused_by_name(value: object) -> None:
    with pytest.raises(PolicyError, match="period="):
        Policy(period=value)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"false_alarms": 0}, "false_alarms=0"),
        ({"false_alarms": -1}, "false_alarms=-1"),
        ({"false_alarms": math.nan}, "false_alarms=nan"),
        ({"false_alarms": "1"}, "false_alarms='1'"),
        ({"min_effect": {"warning": 1.5}}, "min_effect"),
        (
            {"min_effect": {"warning": 0.3, "critical": 0.2}},
            "min_effect['warning']=0.3: it may not be above min_effect['critical']=0.2",
        ),
        ({"min_effect": {"warn": 0.3}}, "'warn'"),
        ({"min_effect": 0.1}, "min_effect=0.1"),
        ({"per_feature": {"sqft": {"warning": -0.1}}}, "sqft"),
        ({"per_feature": {"sqft": 0.1}}, "sqft"),
        ({"per_feature": [("sqft", 0.1)]}, "per_feature"),
        ({"scales": 0}, "scales=0"),
        ({"scales": 13.0}, "scales=13.0"),
        ({"scales": 99}, "scales=99"),
        ({"design_effect": 0.5}, "design_effect=0.5"),
        ({"learning": "soon"}, "learning='soon'"),
        ({"stale": -3}, "stale=-3"),
    ],
)
def test_numbers_that_cannot_be_kept_are_refused_by_name(settings: dict[str, object], named: str) -> None:
    with pytest.raises(PolicyError) as refused:
        Policy(**settings)  # type: ignore[arg-type]
    assert named in str(refused.value)


def test_a_severity_left_out_keeps_its_default_and_a_feature_may_have_its_own() -> None:
    policy = Policy(min_effect={"warning": 0.02}, per_feature={"sqft": {"warning": 0.1}})
    assert policy.floor("age", Severity.WARNING) == 0.02
    assert policy.floor("age", Severity.CRITICAL) == 0.15
    assert policy.floor("sqft", Severity.WARNING) == 0.1
    assert policy.floor("sqft", Severity.CRITICAL) == 0.15
