"""A pane's hours: what the windows of a daily cycle are compared with."""

import numpy as np
import pytest

from tidegauge import Monitor, Policy, Profile
from tidegauge.protocol.names import Verdict
from tidegauge.stats.seasonality import hour_weights

PANE_SECONDS = 600
PANE_ROWS = 2_000
HOUR_LEVELS = np.random.default_rng(3).normal(0, 0.5, 24)


def smooth(seconds):
    """0.2 sd within the steepest half hour."""
    return 1.5 * np.sin(2 * np.pi * np.asarray(seconds) / 86_400)


def stepped(seconds):
    """Another level from each full hour on."""
    return HOUR_LEVELS[(np.asarray(seconds) // 3600 % 24).astype(int)]


@pytest.mark.parametrize(("pane", "hour"), [(0, 0), (359, 0), (360, 1), (8639, 23), (8640, 0)])
def test_the_first_mixture_is_the_hour_that_the_pane_lies_in(pane, hour):
    assert np.flatnonzero(hour_weights(pane, 1, 10)[0]).tolist() == [hour]


@pytest.mark.slow
def test_the_second_mixture_lies_on_the_line_between_the_middles_of_hours():
    hours_and_half = 24 + np.arange(24) + 0.5  # a line: the hours' own middles
    for pane in range(180, 8460):
        weights = hour_weights(pane, 1, 10)[1]
        assert weights @ (hours_and_half - 24) / 3600 == pytest.approx((pane + 0.5) / 360, abs=1e-3)


@pytest.mark.parametrize(("pane", "panes"), [(0, 256), (8448, 256), (256, 1), (1024, 1024)])
def test_a_block_of_panes_weighs_as_its_panes_do(pane, panes):
    together = hour_weights(pane, panes, 10)
    apart = np.mean([hour_weights(one, 1, 10) for one in range(pane, pane + panes)], axis=0)
    assert np.abs(together - apart).max() <= 1
    assert np.abs(together.sum(axis=1) - 3600).max() <= 3


def test_a_pane_of_an_hour_is_compared_with_that_hour_alone():
    weights = hour_weights(5, 1, 3600)
    assert weights[:, 5].tolist() == [3600, 3600]


@pytest.mark.slow
@pytest.mark.parametrize("level", [smooth, stepped])
def test_a_cycle_is_no_drift_whether_it_moves_within_the_hour_or_turns_on_it(level):
    random = np.random.default_rng(7)
    seconds = random.uniform(0, 30 * 86_400, 200_000)
    values = level(seconds) + random.normal(size=seconds.size)
    profile = Profile.fit({"x": values, "t": seconds}, 255, time="t", hour_of_day=True)
    policy = Policy(min_effect={"warning": 0.03, "critical": 0.2}, design_effect=1)
    monitor = Monitor(profile, policy, pane_seconds=PANE_SECONDS)

    def verdict(pane, shift):
        rows = pane * PANE_SECONDS + random.uniform(0, PANE_SECONDS, PANE_ROWS)
        monitor.add(pane, profile.count({"x": level(rows) + shift + random.normal(size=PANE_ROWS)}))
        return monitor.report(pane).verdict

    assert {verdict(pane, 0.0) for pane in range(3, 291)} <= {Verdict.STABLE, Verdict.LEARNING}
    assert Verdict.DRIFTING in [verdict(pane, 0.3) for pane in range(291, 297)]
