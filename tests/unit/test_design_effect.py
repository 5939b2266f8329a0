"""The design effect is near 1 for independent rows and what theory says for dependent ones."""

from itertools import pairwise

import numpy as np
import pytest

from tidegauge import Profile, SchemaError
from tidegauge.profile.profile import DesignEffect
from tidegauge.stats.design_effect import from_reference, profile_table

DAY = 86_400


def _profile(values: np.ndarray, seconds: np.ndarray, **fit: object) -> Profile:
    return Profile.fit({"x": values, "t": seconds}, 255, time="t", **fit)  # type: ignore[arg-type]


def _table(profile: Profile) -> DesignEffect:
    table = profile.feature("x").design_effect
    assert table is not None
    return table


def test_independent_rows_have_no_design_effect() -> None:
    random = np.random.default_rng(1)
    seconds = random.uniform(0, 2 * DAY, 40_000)
    table = _table(_profile(random.normal(size=seconds.size), seconds))
    assert table.window_seconds[:3] == (10, 20, 40)
    assert table.window_seconds[-1] * 12 <= 2 * DAY + 12 * 10 * 2**10
    assert max(table.values[:8]) < 1.2


def test_rows_that_come_in_equal_groups_of_ten_have_one_of_ten() -> None:
    random = np.random.default_rng(2)
    moments = np.sort(random.uniform(0, 2 * DAY, 4000))
    values = np.repeat(random.normal(size=moments.size), 10)
    table = _table(_profile(values, np.repeat(moments, 10)))
    assert table.values[3] == pytest.approx(10, rel=0.15)


def test_a_design_effect_never_falls_with_the_window() -> None:
    random = np.random.default_rng(3)
    seconds = np.sort(random.uniform(0, 3 * DAY, 30_000))
    values = np.sin(seconds / 5000) + random.normal(size=seconds.size)
    table = _table(_profile(values, seconds))
    assert list(table.values) == sorted(table.values)
    assert table.values[-1] > 3


@pytest.mark.slow
def test_what_the_hour_of_day_explains_is_no_dependence() -> None:
    random = np.random.default_rng(4)
    seconds = random.uniform(0, 10 * DAY, 60_000)
    hour_level = np.random.default_rng(5).normal(size=24)[(seconds // 3600 % 24).astype(int)]
    values = hour_level + random.normal(size=seconds.size)
    plain, hourly = (_table(_profile(values, seconds, hour_of_day=known)) for known in (False, True))
    at_an_hour = plain.window_seconds.index(2560)
    assert plain.values[at_an_hour] > 20
    assert hourly.values[at_an_hour] < 2


def test_categories_and_missing_values_count_too() -> None:
    random = np.random.default_rng(6)
    moments = np.sort(random.uniform(0, DAY, 2000))
    kinds = np.repeat(random.choice(list("abc"), moments.size), 8)
    frame = {"kind": kinds.astype(object), "t": np.repeat(moments, 8)}
    frame["kind"][:100] = None
    table = Profile.fit(frame, time="t").feature("kind").design_effect
    assert table is not None
    assert table.values[3] == pytest.approx(8, rel=0.2)


def test_too_few_windows_say_nothing() -> None:
    random = np.random.default_rng(7)
    profile = _profile(random.normal(size=500), np.repeat([0.0, 100.0, 200.0, 300.0, 400.0], 100))
    assert profile.feature("x").design_effect is None


def test_parts_out_of_order_are_not_guessed_at() -> None:
    random = np.random.default_rng(8)
    profile = Profile.fit(random.normal(size=(1000, 1)), 63, ["x"])
    late, early = np.arange(500) * 60.0 + DAY, np.arange(500) * 60.0
    parts = [([random.normal(size=500)], late), ([random.normal(size=500)], early)]
    with pytest.raises(SchemaError, match="times go back"):
        from_reference(profile, parts)


def test_parts_may_be_cut_anywhere() -> None:
    random = np.random.default_rng(9)
    seconds = np.sort(random.uniform(0, DAY, 5000))
    values = np.sin(seconds / 3000) + random.normal(size=5000)
    profile = Profile.fit(values[:, None], 63, ["x"])
    whole = from_reference(profile, [([values], seconds)])
    cuts = [0, 1, 777, 2500, 2501, 5000]
    parts = [([values[a:b]], seconds[a:b]) for a, b in pairwise(cuts)]
    found = from_reference(profile, parts)
    assert found[0] is not None
    assert whole[0] is not None
    assert found[0].values == pytest.approx(whole[0].values)


def test_a_window_takes_the_shortest_length_that_is_not_shorter() -> None:
    random = np.random.default_rng(10)
    seconds = np.sort(random.uniform(0, DAY, 20_000))
    profile = _profile(np.sin(seconds / 4000) + random.normal(size=seconds.size), seconds)
    table = _table(profile)
    found, known = profile_table(profile.monitored, np.array([5.0, 10.0, 11.0, 1e9]))
    assert known.tolist() == [True]
    assert found[:, 0].tolist() == [table.values[0], table.values[0], table.values[1], table.values[-1]]
