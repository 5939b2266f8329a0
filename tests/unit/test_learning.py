"""While the design effect is learned, a guess at it keeps bursts quiet, and nothing else."""

import numpy as np
import pytest

from tidegauge import Counts, Monitor, Policy, Profile

ROWS = 200
BURST = 20


@pytest.fixture(scope="module")
def profile() -> Profile:
    return Profile.fit(np.random.default_rng(1).normal(size=(20_000, 1)), 255, ["x"])


def independent(profile: Profile, random: np.random.Generator, mean: float = 0.0, rows: int = ROWS) -> Counts:
    return profile.count(random.normal(mean, size=(rows, 1)))


def in_bursts(profile: Profile, random: np.random.Generator) -> Counts:
    return profile.count(np.repeat(random.normal(size=(ROWS // BURST, 1)), BURST, axis=0))


def raised(monitor: Monitor, panes: range, draw) -> int:
    """Alarms raised over these panes."""
    before, count = monitor.alarms.alarmed, 0
    for pane in panes:
        monitor.add(pane, draw())
        monitor.advance(pane)
        count += int((monitor.alarms.alarmed & ~before).sum())
        before = monitor.alarms.alarmed
    return count


@pytest.mark.slow
def test_independent_rows_are_guessed_to_be_independent(profile: Profile) -> None:
    monitor, random = Monitor(profile), np.random.default_rng(2)
    raised(monitor, range(1100), lambda: independent(profile, random))
    assert not monitor.ready
    assert monitor.design_effect.max() == 1


@pytest.mark.slow
def test_rows_in_bursts_do_not_alarm_once_there_is_a_guess(profile: Profile) -> None:
    monitor, random = Monitor(profile), np.random.default_rng(3)
    at_first = raised(monitor, range(200), lambda: in_bursts(profile, random))
    later = raised(monitor, range(200, 2000), lambda: in_bursts(profile, random))
    assert not monitor.ready
    assert BURST / 2 < monitor.design_effect[0, 0] < BURST
    assert later < at_first
    assert not monitor.alarms.alarmed.any()


@pytest.mark.slow
@pytest.mark.parametrize("mean", [0.8, 1.5])
def test_a_step_while_learning_stays_alarmed(profile: Profile, mean: float) -> None:
    monitor, random = Monitor(profile), np.random.default_rng(4)
    assert raised(monitor, range(100), lambda: independent(profile, random)) == 0
    assert raised(monitor, range(100, 3000), lambda: independent(profile, random, mean)) == 1
    assert monitor.alarms.alarmed.all()
    assert monitor.design_effect.max() < 2


def test_a_step_without_an_alarm_is_no_dependence(profile: Profile) -> None:
    blind = Policy(min_effect={"warning": 0.9, "critical": 0.9})
    monitor, random = Monitor(profile, blind), np.random.default_rng(7)
    raised(monitor, range(48), lambda: independent(profile, random))
    raised(monitor, range(48, 70), lambda: independent(profile, random, 1.0))
    assert monitor.design_effect.max() < 2


@pytest.mark.slow
def test_what_alarmed_half_the_time_is_no_dependence_when_all_is_learned(profile: Profile) -> None:
    monitor, random = Monitor(profile, Policy(learning="3h")), np.random.default_rng(5)
    raised(monitor, range(500), lambda: independent(profile, random))
    raised(monitor, range(500, 1100), lambda: independent(profile, random, 1.0))
    assert monitor.ready
    assert monitor.design_effect[0, 0] < 2
    assert monitor.alarms.alarmed.all()


@pytest.mark.slow
def test_a_restart_while_learning_changes_nothing(profile: Profile) -> None:
    whole, random = Monitor(profile), np.random.default_rng(6)
    panes = [in_bursts(profile, random) for _ in range(300)]
    begun = Monitor(profile)
    for monitor, last in ((whole, 300), (begun, 150)):
        for pane in range(last):
            monitor.add(pane, panes[pane])
            monitor.advance(pane)
    resumed = Monitor(profile)
    resumed.load_state(begun.state(), begun.baseline())
    for pane in range(300):
        resumed.add(pane, panes[pane])
    resumed.advance(299)
    assert resumed.baseline() == whole.baseline()
    assert resumed.state() == whole.state()
