"""Times of rows: in whatever order and form they come, the profile is the same, or they are asked about."""

from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from click.testing import CliRunner

from tidegauge import Profile, SchemaError, replay
from tidegauge.cli import main
from tidegauge.data import csv_table, sources
from tidegauge.data.columns import Column
from tidegauge.data.times import TimeOrder, epoch_seconds
from tidegauge.fit import fitting

RANDOM = np.random.default_rng(11)
HOURS = np.repeat(np.arange(300), 20)
LEVEL = np.convolve(RANDOM.normal(size=300), np.ones(24) / 5, "same")
FRAME = pd.DataFrame(
    {
        "x": LEVEL[HOURS] + RANDOM.normal(size=6000),
        "c": np.where(LEVEL[HOURS] > 0, "high", "low"),
        "t": pd.Timestamp("2026-01-01") + pd.to_timedelta(HOURS, unit="h"),
    }
)
ORDERS = {
    "halves changed": np.roll(np.arange(6000), 3000),
    "shuffled": RANDOM.permutation(6000),
}


@pytest.mark.slow
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize("at_once", [20_000_000, 2000], ids=["one slice", "slices of time"])
def test_rows_out_of_order_give_the_profile_of_those_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, order: str, suffix: str, at_once: int
) -> None:
    monkeypatch.setattr(sources, "CHUNK_ROWS", 500)
    monkeypatch.setattr(csv_table, "BLOCK_BYTES", 20_000)
    rows = FRAME.iloc[ORDERS[order]]
    path = tmp_path / f"x.{suffix}"
    rows.to_csv(path, index=False) if suffix == "csv" else rows.to_parquet(path, row_group_size=500)
    expected = Profile.fit(FRAME, time="t", hour_of_day=True)
    effect = expected.feature("x").design_effect
    assert effect is not None
    assert max(effect.values) > 3
    monkeypatch.setattr(fitting, "SLICE_VALUES", at_once)
    found = Profile.fit(path, time="t", hour_of_day=True)
    for name in ("x", "c"):
        for one in (found, Profile.fit(rows, time="t", hour_of_day=True)):
            assert one.feature(name).design_effect == expected.feature(name).design_effect
            np.testing.assert_array_equal(one.feature(name).hourly, expected.feature(name).hourly)


def test_a_slice_of_time_holds_about_as_many_rows_as_asked() -> None:
    order, seconds = TimeOrder(), RANDOM.uniform(0, 1e6, 100_000)
    for part in np.split(seconds, 10):
        order.add(part)
    slices = order.slices(10_000)
    assert slices is not None
    sizes = [int(((seconds >= low) & (seconds < high)).sum()) for low, high in slices]
    assert sum(sizes) == 100_000
    assert max(sizes) < 15_000


def test_rows_in_order_need_no_slices() -> None:
    order = TimeOrder()
    for part in np.split(np.arange(100.0), 4):
        order.add(RANDOM.permutation(part))
    assert order.slices(10) is None


def test_too_short_a_time_for_a_design_effect_is_said() -> None:
    frame = FRAME.assign(t=pd.Timestamp("2026-01-01"))
    with pytest.warns(UserWarning, match=r"no design effect is known for 'x', 'c': .*fewer than 12 windows"):
        Profile.fit(frame, time="t")


MOMENT = datetime(2024, 3, 30, 20, tzinfo=UTC)
FORMS: list[Any] = [
    MOMENT,
    MOMENT.replace(tzinfo=None),
    MOMENT.astimezone(timezone(timedelta(hours=5, minutes=30))),
    pd.Timestamp(MOMENT),
    np.datetime64("2024-03-30T20:00"),
    MOMENT.timestamp(),
    int(MOMENT.timestamp()),
    str(int(MOMENT.timestamp())),
    "2024-03-30 20:00:00 UTC",
    "2024-03-30T20:00:00Z",
    "2024-03-30 20:00:00+00:00",
    "2024-03-30 21:00:00 +01:00",
    "2024-03-30 21:00:00 +0100",
    "2024-03-30 20:00",
    " 2024-03-30T20:00:00.000000 ",
    "2024-03-30 20:00:00 gmt",
]


@pytest.mark.parametrize("form", FORMS, ids=repr)
def test_a_moment_is_read_alike_in_many_forms(form: Any) -> None:
    values = np.empty(1, dtype=object)
    values[0] = form
    assert epoch_seconds(Column(values)).tolist() == [MOMENT.timestamp()]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_times_of_every_unit_and_zone_are_right(unit: str) -> None:
    series = (
        pd.Series([MOMENT]).dt.tz_convert("America/New_York").astype(f"datetime64[{unit}, America/New_York]")
    )
    array = pa.array([MOMENT], type=pa.timestamp(unit, "Asia/Kathmandu"))
    forms = [series, series.dt.tz_convert(None), array, pd.Series(array, dtype=pd.ArrowDtype(array.type))]
    forms += [pl.Series([MOMENT]).dt.cast_time_unit(unit)] if unit != "s" else []
    for form in forms:
        profile = Profile.fit({"x": [1.0], "t": form}, time="t", hour_of_day=True)
        hourly = profile.feature("x").hourly
        assert hourly is not None
        assert hourly.sum(axis=1).argmax() == 20


@pytest.mark.parametrize(
    "last", [date(9999, 12, 31), "9999-12-31", np.datetime64("9999-12-31", "us")], ids=repr
)
def test_the_last_day_that_people_write_is_far_away_and_no_overflow(last: Any) -> None:
    values = np.empty(1, dtype=object)
    values[0] = last
    assert epoch_seconds(Column(values)).tolist() == [253402214400.0]
    typed = pd.Series(pd.to_datetime(["9999-12-31"]).as_unit("us")).to_numpy()
    assert epoch_seconds(Column(typed)).tolist() == [253402214400.0]


@pytest.mark.parametrize(
    ("numbers", "what"),
    [
        ([20240101, 20240215], "dates such as 20240131"),
        ([19991231, 20000101], "dates such as 20240131"),
        ([2001, 2002], "years"),
        ([1985, 2024], "years"),
        ([45292.5, 45300.25], "days as Excel counts them"),
        ([36526, 45292], "days as Excel counts them"),
        ([202312, 202401], "dates such as 202401"),
        ([2023365, 2024001], "dates such as 2024031"),
        ([2460310.5, 2460311.25], "Julian days"),
        ([202401010000, 202401010015], "dates such as 202401311259"),
    ],
)
def test_numbers_that_look_like_no_seconds_are_asked_about_in_every_form(
    tmp_path: Path, numbers: list[float], what: str
) -> None:
    frame = pd.DataFrame({"x": [1.0, 2.0], "t": numbers})
    frame.to_csv(tmp_path / "x.csv", index=False)
    frame.to_parquet(tmp_path / "x.parquet")
    texts = frame.assign(t=[str(number) for number in numbers])
    profile = Profile.fit(frame, exclude=["t"])
    for rows in (frame, texts, tmp_path / "x.csv", tmp_path / "x.parquet", pl.from_pandas(frame)):
        with pytest.raises(SchemaError, match=f"time='t': numbers from .* look like {what}.*to_datetime"):
            Profile.fit(rows, time="t")
        with pytest.raises(SchemaError, match=f"look like {what}"):
            replay(profile, rows, time="t", pane="1h")


@pytest.mark.parametrize(
    ("form", "what"), [("%Y%m%d%H", "dates such as 2024013112"), ("%y%m%d%H%M", "dates such as 2401311259")]
)
def test_hours_as_ten_digits_are_asked_about_although_seconds_have_ten(form: str, what: str) -> None:
    times = [int(time.strftime(form)) for time in pd.date_range("2024-01-01", periods=2000, freq="h")]
    with pytest.raises(SchemaError, match=f"look like {what}.*format='{form}'"):
        Profile.fit({"x": np.arange(2000.0), "t": times}, time="t")


def test_digits_of_dates_with_seconds_are_told_how_to_be_read() -> None:
    with pytest.raises(SchemaError, match=r"after the year 9999.*pandas.to_datetime\(column.astype\(str\)\)"):
        Profile.fit({"x": [1.0, 2.0], "t": [20240101120000, 20240101120001]}, time="t")


@pytest.mark.parametrize(
    "numbers",
    [
        *(np.arange(3000.0), np.arange(100) * 3600.0, [1711828800, 1711832400], [0, 20240101]),
        *(
            np.arange(200000, 210000),
            np.arange(1.7e9, 1.7e9 + 9e5, 900),
            [202401, 202413],
            [2024001, 2024400],
        ),
    ],
)
def test_seconds_are_not_asked_about(numbers: Any) -> None:
    Profile.fit({"x": np.arange(float(len(numbers))), "t": numbers}, time="t")


@pytest.mark.parametrize(
    ("times", "message"),
    [
        (["Oslo", "2024-01-01"], "time='t': row 0 has the time 'Oslo'"),
        (["2024-01-01", "12:30"], "time='t': row 1 has the time '12:30'"),
        (["2024-01-01", None], "time='t': row 1 has no time"),
        (["03/30/2024 20:00", "03/30/2024 21:00"], "row 0 has the time '03/30/2024 20:00'.*ISO texts"),
        ([1711828800000, 1711828800001], "row 0 has the time '1711828800000'.*divide milliseconds by 1,000"),
    ],
)
def test_a_time_that_cannot_be_read_names_column_row_and_form(times: list[Any], message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        Profile.fit({"x": [1.0, 2.0], "t": times}, time="t")


def test_show_says_what_a_profile_knows_of_times(tmp_path: Path) -> None:
    runner = CliRunner()
    Profile.fit(FRAME, time="t", hour_of_day=True).save(tmp_path / "with.json")
    shown = runner.invoke(main, ["profile", "show", str(tmp_path / "with.json")]).output
    assert "design effect: up to " in shown
    assert "known for all features" in shown
    assert "hours of the day: a reference for each" in shown
    Profile.fit(FRAME, exclude=["t"]).save(tmp_path / "without.json")
    shown = runner.invoke(main, ["profile", "show", str(tmp_path / "without.json")]).output
    assert "design effect: not known" in shown
    assert "--time names the rows' times" in shown
    assert "--hour-of-day" in shown


def test_numbers_that_are_dates_are_quoted_with_all_their_digits() -> None:
    rows = {"t": [20240101, 20240215], "x": [1.0, 2.0]}
    with pytest.raises(SchemaError, match="numbers from 20240101 to 20240215 look like dates"):
        Profile.fit(rows, time="t")
