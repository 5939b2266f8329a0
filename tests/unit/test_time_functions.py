"""Features that are functions of the time are named when a profile with times is made."""

import warnings

import numpy as np
import pandas as pd
import pytest

from tidegauge import Profile, TidegaugeWarning

DAY = 86_400.0
START = 1.79e9


def times(rows=8000, days=70.0, seed=0):
    return np.sort(START + np.random.default_rng(seed).random(rows) * days * DAY)


def warned(time, values, *, hour_of_day=False, data=None):
    """The warnings about functions of the time."""
    frame = pd.DataFrame({"time": time, "x": values}) if data is None else data
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", TidegaugeWarning)
        Profile.fit(frame, time="time", hour_of_day=hour_of_day)
    return [str(each.message) for each in caught if "function of the" in str(each.message)]


def at(time):
    return pd.to_datetime(time, unit="s").to_series()


FUNCTIONS = {
    "the sine of the time of day": (lambda t: np.sin(2 * np.pi * t / DAY), "time of day"),
    "minutes since midnight": (lambda t: t // 60 % 1440, "time of day"),
    "the hour in another time zone": (lambda t: (t / 3600 + 5.5) // 1 % 24, "time of day"),
    "a shift of the day": (lambda t: np.where((t % DAY) < DAY / 3, 1.0, 2.0), "time of day"),
    "the weekday": (lambda t: at(t).dt.day_of_week.to_numpy(), "hour of the week"),
    "the weekend": (lambda t: (at(t).dt.day_of_week > 4).to_numpy(float), "hour of the week"),
    "the day of the month": (lambda t: at(t).dt.day.to_numpy(), "day of the month"),
    "the age in days": (lambda t: (t - START) / DAY + 100, "time itself"),
    "the days that are left": (lambda t: 500 - (t - START) / DAY, "time itself"),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_feature_that_is_a_function_of_the_time_is_named_with_its_cycle(name):
    function, cycle = FUNCTIONS[name]
    time = times()
    (message,) = warned(time, function(time))
    assert f"feature 'x' is a function of the {cycle}:" in message
    assert "exclude=['x']" in message


def noise(rows=8000, seed=1):
    return np.random.default_rng(seed).normal(size=rows)


OTHERS = {
    "noise": lambda t: noise(len(t)),
    "a daily wave with some noise": lambda t: np.sin(2 * np.pi * t / DAY) + 0.15 * noise(len(t)),
    "a weather of days and seasons": lambda t: np.sin(t / DAY / 9) + np.sin(2 * np.pi * t / DAY),
    "a slow walk": lambda t: np.cumsum(noise(len(t))),
    "one row of another value": lambda t: (np.arange(len(t)) == 99).astype(float),
    "one value": lambda t: np.ones(len(t)),
    "gaps and infinities": lambda t: np.where(np.arange(len(t)) % 7 == 0, np.inf, noise(len(t))),
    "a price that is set each day": lambda t: noise(1000)[((t - START) // DAY).astype(int)],
}


@pytest.mark.parametrize("name", OTHERS)
def test_a_feature_that_also_depends_on_other_things_is_left_alone(name):
    time = times()
    assert warned(time, OTHERS[name](time)) == []


def test_one_day_of_rows_shows_no_daily_cycle():
    time = times(days=1.5)
    assert warned(time, np.sin(2 * np.pi * time / DAY)) == []


def test_few_rows_say_nothing_of_a_cycle():
    time = times(rows=400)
    assert warned(time, np.sin(2 * np.pi * time / DAY)) == []


def test_the_hour_is_as_good_as_any_feature_where_each_hour_has_a_reference():
    time = times()
    assert warned(time, time // 3600 % 24, hour_of_day=True) == []
    assert warned(time, time // 60 % 1440, hour_of_day=True) != []


@pytest.mark.slow
def test_rows_in_any_order_and_in_files_give_the_same_warning(tmp_path):
    time = times(rows=40_000)
    frame = pd.DataFrame({"time": time, "x": np.cos(2 * np.pi * time / DAY), "y": noise(40_000)})
    shuffled = frame.sample(frac=1.0, random_state=3)
    shuffled.to_parquet(tmp_path / "rows.parquet", row_group_size=7000)
    shuffled.to_csv(tmp_path / "rows.csv", index=False)
    expected = warned(None, None, data=frame)
    assert len(expected) == 1
    for data in (shuffled, tmp_path / "rows.parquet", tmp_path / "rows.csv"):
        assert [words.rpartition("feature")[2] for words in warned(None, None, data=data)] == [
            words.rpartition("feature")[2] for words in expected
        ]


def test_the_prediction_is_not_named_because_it_cannot_be_left_out():
    time = times()
    frame = pd.DataFrame({"time": time, "y": noise(), "x": time // 60 % 1440})
    with warnings.catch_warnings():
        warnings.simplefilter("error", TidegaugeWarning)
        Profile.fit(frame, time="time", prediction="x")
