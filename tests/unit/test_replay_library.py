"""Replay tells what would have alarmed, for frames and files, in order of time or not."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from support.drift import independent

from tidegauge import Policy, PolicyError, Profile, ProfileError, SchemaError, replay
from tidegauge.protocol.transition import Transition

ROWS = 12_000
HOUR = 3600


@pytest.fixture(scope="module")
def month() -> pl.DataFrame:
    """100 rows an hour; x moves by 1.5 sd between hours 40 and 80."""
    random = np.random.default_rng(1)
    hour = np.repeat(np.arange(ROWS // 100), 100)
    shift = np.where((hour >= 40) & (hour < 80), 1.5, 0.0)
    seconds = 1_700_000_000 // HOUR * HOUR + hour * HOUR + np.tile(np.arange(100) * 36, ROWS // 100)
    return pl.DataFrame(
        {
            "at": pl.Series(seconds * 1000).cast(pl.Datetime("ms")),
            "x": random.normal(size=ROWS) + shift,
            "y": random.normal(size=ROWS),
        }
    )


@pytest.fixture(scope="module")
def profile() -> Profile:
    values = np.random.default_rng(2).normal(size=(20_000, 2))
    return Profile.fit(values, 255, ["x", "y"])


def _of(history: list[Transition], feature: str | None) -> list[tuple[str, int]]:
    return [(t.verdict.value, t.row) for t in history if t.feature == feature]


@pytest.mark.slow
def test_a_replay_says_which_feature_drifted_since_when_and_when_it_returned(
    profile: Profile, month: pl.DataFrame
) -> None:
    history = replay(profile, month, independent(), time="at", pane="1h")
    x = _of(history, "x")
    alarm = next(row for verdict, row in x if verdict == "Drifting")
    assert 4000 < alarm <= 4500
    assert next(row for verdict, row in x if verdict == "Stable" and row > alarm) in range(8000, 9500)
    assert {verdict for verdict, _ in _of(history, "y")} <= {"Learning", "Stable"}
    raised = next(t for t in history if t.feature is None and t.verdict.value == "Drifting")
    assert (raised.row, raised.cause, raised.window_rows > 0) == (alarm, raised.cause, True)
    assert raised.lower > 0.05
    assert raised.time.endswith(":00:00Z")


@pytest.mark.slow
def test_rows_out_of_order_are_put_in_order(profile: Profile, month: pl.DataFrame, tmp_path: Path) -> None:
    wanted = replay(profile, month, independent(), time="at", pane="1h")
    shuffled = month.sample(fraction=1, shuffle=True, seed=3)
    assert replay(profile, shuffled, independent(), time="at", pane="1h") == wanted
    shuffled.write_parquet(tmp_path / "month.parquet")
    assert replay(profile, tmp_path / "month.parquet", independent(), time="at", pane="1h") == wanted


@pytest.mark.slow
def test_a_file_gives_what_the_frame_gives(profile: Profile, month: pl.DataFrame, tmp_path: Path) -> None:
    month.write_parquet(tmp_path / "month.parquet")
    month.write_csv(tmp_path / "month.csv")
    wanted = replay(profile, month, independent(), time="at", pane="2h")
    for name in ("month.parquet", "month.csv"):
        assert replay(profile, tmp_path / name, independent(), time="at", pane="2h") == wanted


@pytest.mark.slow
def test_panes_of_so_many_rows_need_no_time(profile: Profile, month: pl.DataFrame, tmp_path: Path) -> None:
    rows = month.drop("at")
    history = replay(profile, rows, independent(), rows_per_pane=100)
    alarm = next(row for verdict, row in _of(history, "x") if verdict == "Drifting")
    assert 4000 < alarm <= 4500
    assert {t.time for t in history} == {None}
    rows.write_parquet(tmp_path / "rows.parquet")
    assert replay(profile, tmp_path / "rows.parquet", independent(), rows_per_pane=100) == history
    assert replay(profile, rows.to_numpy(), independent(), rows_per_pane=100) == history


def test_a_file_out_of_order_cannot_be_cut_by_rows(
    profile: Profile, month: pl.DataFrame, tmp_path: Path
) -> None:
    month.reverse().write_parquet(tmp_path / "month.parquet")
    with pytest.raises(SchemaError, match="order"):
        replay(profile, tmp_path / "month.parquet", independent(), time="at", rows_per_pane=100)


def test_no_rows_are_no_transitions(profile: Profile, month: pl.DataFrame) -> None:
    assert replay(profile, month.head(0), independent(), time="at", pane="1h") == []


def test_the_last_day_that_can_be_written_can_be_replayed(profile: Profile) -> None:
    rows = pl.DataFrame({"time": ["9999-12-31T20:00:00Z"] * 2, "x": [0.0, 0.1], "y": [0.0, 0.1]})
    found = replay(profile, rows, time="time", pane="24h")
    assert {transition.time for transition in found} == {"9999-12-31T23:59:59Z"}


def test_progress_is_told_in_rows(profile: Profile, month: pl.DataFrame) -> None:
    told: list[int] = []
    replay(profile, month.head(1000), independent(), time="at", pane="1h", progress=told.append)
    assert told == sorted(told)
    assert told[-1] == 1000


def test_transitions_of_a_replay_are_plain_values(profile: Profile, month: pl.DataFrame) -> None:
    first = replay(profile, month.head(500), independent(), time="at", pane="1h")[0].to_dict()
    assert list(first) == [
        "row", "pane", "time", "profile", "feature", "verdict", "severity", "before",
        "statistic", "lower", "window", "window_rows", "cause",
    ]  # fmt: skip
    assert type(first["verdict"]) is str


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({}, "rows_per_pane"),
        ({"pane": "1h", "time": "at", "rows_per_pane": 10}, "not both"),
        ({"pane": "1h"}, "time="),
        ({"rows_per_pane": 0}, "rows_per_pane=0"),
        ({"rows_per_pane": 1.5}, "rows_per_pane=1.5"),
        ({"pane": "soon", "time": "at"}, "pane='soon'"),
    ],
)
def test_arguments_that_do_not_fit_are_refused_by_name(
    profile: Profile, month: pl.DataFrame, arguments: dict[str, object], named: str
) -> None:
    with pytest.raises(PolicyError) as refused:
        replay(profile, month, Policy(), **arguments)  # type: ignore[arg-type]
    assert named in str(refused.value)


def test_a_column_that_is_not_there_is_named(profile: Profile, month: pl.DataFrame) -> None:
    with pytest.raises(SchemaError, match="when"):
        replay(profile, month, Policy(), time="when", pane="1h")


def test_arguments_of_another_kind_are_refused(profile: Profile, month: pl.DataFrame) -> None:
    with pytest.raises(ProfileError, match=r"profile is of type str: .*Profile.load"):
        replay("p.json", month, rows_per_pane=100)  # type: ignore[arg-type]
    with pytest.raises(PolicyError, match=r"policy is of type dict: "):
        replay(profile, month, {"false_alarms": 1}, rows_per_pane=100)  # type: ignore[arg-type]
    with pytest.raises(SchemaError, match=r"time.* is 5"):
        replay(profile, month, time=5, pane="1h")  # type: ignore[arg-type]


@pytest.mark.slow
def test_times_that_are_fewer_than_the_rows_are_refused(profile: Profile, month: pl.DataFrame) -> None:
    times = month["at"].to_numpy()
    with pytest.raises(SchemaError, match=r"time has 5 values for 12000 rows"):
        replay(profile, month, time=times[:5], pane="1h")
    whole = replay(profile, month, independent(scales=8), time=times, pane="1h")
    assert whole == replay(profile, month, independent(scales=8), time="at", pane="1h")


def test_rows_per_pane_may_be_numpys_number(profile: Profile, month: pl.DataFrame) -> None:
    policy = independent(scales=8)
    many = replay(profile, month, policy, rows_per_pane=np.int64(500))  # type: ignore[arg-type]
    assert many == replay(profile, month, policy, rows_per_pane=500)
