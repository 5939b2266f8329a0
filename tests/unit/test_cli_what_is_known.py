"""`profile show` and `report` say what is known of the reference, and what is not."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from support.stub_server import stub_server

from tidegauge import Monitor, Policy, Profile
from tidegauge.cli import main

HOURS = pd.date_range("2026-01-01", periods=96, freq="h")


def printed(*arguments: object) -> str:
    result = CliRunner(env={"COLUMNS": "200"}).invoke(main, [str(each) for each in arguments])
    assert result.exit_code in (0, 3, 5), result.output
    return result.stdout


def hourly(columns: int = 1, shift: float = 0.0) -> pd.DataFrame:
    rng = np.random.default_rng(columns)
    rows = len(HOURS) * 20
    frame = pd.DataFrame({f"sensor {i:03} [mm]": rng.normal(shift, 1, rows) for i in range(columns)})
    return frame.assign(time=np.repeat(HOURS, 20))


def report_of(profile: Profile, rows: pd.DataFrame) -> str:
    monitor = Monitor(profile, Policy(design_effect=1))
    monitor.add(0, profile.count(rows))
    document = json.dumps(monitor.report(0).to_dict()).encode()
    with stub_server(lambda _path, _body: (200, document)) as url:
        return printed("report", "--aggregator-url", url)


@pytest.mark.parametrize(
    ("hour_of_day", "said"),
    [
        (True, "hours of the day: a reference for each\n"),
        (False, "hours of the day: one reference for all, so a daily cycle may look like drift\n"),
    ],
)
def test_a_report_says_whether_each_hour_has_its_reference(hour_of_day: bool, said: str) -> None:
    frame = hourly()
    assert said in report_of(Profile.fit(frame, time="time", hour_of_day=hour_of_day), frame)


@pytest.mark.slow
def test_a_report_of_two_hundred_features_names_each_that_drifts_with_its_distance() -> None:
    profile = Profile.fit(hourly(200), time="time")
    output = report_of(profile, hourly(200, shift=5.0))
    for name in profile.names:
        line = next(line for line in output.splitlines() if line.startswith(name) and "critical" in line)
        assert float(line.removeprefix(name).split()[2]) > 0.9
    assert "\u2026" not in output


def test_a_profile_of_a_csv_file_names_the_columns_whose_type_it_does_not_know(tmp_path: Path) -> None:
    pd.DataFrame({"x": [1.5, 2.5], "city": ["a", "b"], "n": [1, 2]}).to_csv(
        tmp_path / "rows.csv", index=False
    )
    Profile.fit(tmp_path / "rows.csv").save(tmp_path / "profile.json")
    shown = printed("profile", "show", tmp_path / "profile.json")
    assert "types: not known for x, n; texts there that are no numbers are missing\n" in shown


def test_a_profile_of_a_frame_knows_every_type_and_says_nothing_of_it(tmp_path: Path) -> None:
    Profile.fit(pd.DataFrame({"x": [1.5, 2.5], "n": [1, 2]})).save(tmp_path / "profile.json")
    assert "types:" not in printed("profile", "show", tmp_path / "profile.json")
