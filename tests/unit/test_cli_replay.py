"""``tidegauge replay``: the library's replay, as lines."""

import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from support.command_line import assert_one_line_error, tidegauge

import tidegauge as library
from tidegauge.cli import main
from tidegauge.monitor.replay import replay

FIELDS = {
    *("row", "pane", "time", "profile", "feature", "verdict", "severity", "before"),
    *("statistic", "lower", "window", "window_rows", "cause"),
}


@pytest.fixture(autouse=True)
def profile(tmp_path):
    rng = np.random.default_rng(1)
    made = library.Profile.fit(pd.DataFrame(rng.normal(size=(5000, 2)), columns=["temp", "wind"]))
    made.save(tmp_path / "profile.json")
    return made


@pytest.fixture
def past(tmp_path):
    rng = np.random.default_rng(2)
    hours = pd.date_range("2026-01-01", periods=400, freq="h").repeat(20)
    temp = rng.normal(size=hours.size) + np.where(hours < "2026-01-11", 0, 1.5)
    frame = pd.DataFrame({"time": hours, "temp": temp, "wind": rng.normal(size=hours.size)})
    frame.to_parquet(tmp_path / "past.parquet")
    return tmp_path / "past.parquet"


@pytest.mark.slow
def test_json_lines_are_what_the_library_finds(profile, past, tmp_path):
    result = tidegauge(
        "replay", past, "--profile", tmp_path / "profile.json", "--time", "time", "--pane", "1h", "--json"
    )
    assert result.exit_code == 0, result.output
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    expected = replay(profile, past, library.Policy(), time="time", pane="1h")
    assert lines == [transition.to_dict() for transition in expected]
    assert set(lines[0]) == FIELDS
    assert "temp" in {line["feature"] for line in lines if line["verdict"] == "Drifting"}


@pytest.mark.slow
def test_the_table_names_feature_and_time(past, tmp_path):
    result = tidegauge("replay", past, "--profile", tmp_path, "--rows-per-pane", 100)
    assert "temp" in result.stdout
    assert "Drifting" in result.stdout


@pytest.mark.slow
def test_rows_without_the_models_predictions_are_told_and_their_column_can_be_named(past, tmp_path):
    rows = pd.read_parquet(past)
    library.Profile.fit(rows[["temp", "wind"]], prediction=rows.temp * 2).save(tmp_path / "profile.json")
    rows.assign(answer=rows.temp * 9).to_parquet(past)
    arguments = ("replay", past, "--profile", tmp_path, "--rows-per-pane", 100, "--json")
    without, named = tidegauge(*arguments), tidegauge(*arguments, "--prediction", "answer")
    assert without.stderr.count("\n") == 2, "the warning and the answer"
    assert "--prediction" in without.stderr
    assert named.stderr.count("\n") == 1
    drifting = {line["feature"] for line in map(json.loads, named.stdout.splitlines())}
    assert "prediction" in drifting


@pytest.mark.slow
def test_a_higher_floor_alarms_less(past, tmp_path):
    arguments = ("replay", past, "--profile", tmp_path, "--rows-per-pane", 100, "--json")
    default = tidegauge(*arguments).stdout
    deaf = tidegauge(*arguments, "--warning", 0.9, "--critical", 0.95).stdout
    assert "Drifting" in default
    assert "Drifting" not in deaf


@pytest.mark.slow
def test_the_policy_can_be_the_resources(past, tmp_path):
    document = tmp_path / "dmm.yaml"
    document.write_text(
        "apiVersion: tidegauge.io/v1alpha1\nkind: DriftMonitoredModel\nmetadata: {name: a}\n"
        "spec: {model: {storageUri: b}, drift: {features: {exclude: [temp]}}}"
    )
    result = tidegauge(
        "replay", past, "--profile", tmp_path, "--rows-per-pane", 100, "--json", "-f", document
    )
    assert result.exit_code == 0, result.output
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert "temp" not in {line["feature"] for line in lines if line["verdict"] == "Drifting"}
    both = tidegauge(
        "replay", past, "--profile", tmp_path, "--rows-per-pane", 100, "-f", document, "--period", "1h"
    )
    assert_one_line_error(both, "--period 1h cannot")


@pytest.mark.slow
def test_the_table_is_whole_on_80_columns(past, tmp_path):
    arguments = ["replay", past, "--profile", tmp_path, "--time", "time", "--pane", "1h"]
    runner = CliRunner(env={"COLUMNS": "80"})
    result = runner.invoke(main, [str(argument) for argument in arguments])
    assert "…" not in result.stdout
    assert max(len(line) for line in result.stdout.splitlines()) <= 80
    assert {"Drifting", "critical"} <= set(result.stdout.split())


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ([], "--time COLUMN --pane 1h, or --rows-per-pane 1000"),
        (["--pane", "1h"], "--pane 1h needs the rows' times: add --time COLUMN"),
        (["--time", "when", "--pane", "1h"], "when"),
        (["--rows-per-pane", "10", "--false-alarms", "0"], "--false-alarms 0: it must be"),
    ],
)
def test_what_cannot_be_replayed_is_one_line(past, tmp_path, arguments, word):
    assert_one_line_error(tidegauge("replay", past, "--profile", tmp_path, *arguments), word)


def last_line(*arguments: object) -> str:
    result = tidegauge("replay", *arguments)
    assert result.exit_code == 0, result.output
    return result.stdout.splitlines()[-1]


@pytest.mark.slow
def test_the_last_line_answers_what_would_have_alarmed(past, tmp_path):
    line = last_line(past, "--profile", tmp_path, "--time", "time", "--pane", "1h")
    assert line == "1 alarm in 17 days: temp; still drifting: temp"


@pytest.mark.slow
def test_the_last_line_says_that_nothing_would_have_alarmed_and_what_is_not_known(past, tmp_path):
    quiet = ("--profile", tmp_path, "--rows-per-pane", 100, "--warning", 0.9, "--critical", 0.95)
    assert last_line(past, *quiet) == "0 alarms in 8,000 rows"
    rows = pd.read_parquet(past).head(30)
    rows.to_csv(tmp_path / "few.csv", index=False)
    few = last_line(tmp_path / "few.csv", "--profile", tmp_path, "--rows-per-pane", 10)
    assert few == "0 alarms in 30 rows; still learning: temp, wind"


@pytest.mark.slow
def test_a_feature_that_drifts_twice_is_two_alarms(tmp_path):
    rng = np.random.default_rng(3)
    calm, moved = (rng.normal(shift, 1, 3000) for shift in (0, 3))
    temp = np.concatenate([moved, *[calm] * 8, moved])
    pd.DataFrame({"temp": temp, "wind": rng.normal(size=temp.size)}).to_csv(
        tmp_path / "past.csv", index=False
    )
    line = last_line(tmp_path / "past.csv", "--profile", tmp_path, "--rows-per-pane", 100)
    assert line.startswith("2 alarms in 30,000 rows: temp")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--pane", "1h", "--rows-per-pane", "5"], "--pane 1h and --rows-per-pane 5"),
        (["--pane", "30m"], "--pane 30m needs the rows' times: add --time COLUMN"),
    ],
)
def test_ways_to_cut_panes_that_contradict_each_other_are_refused(past, tmp_path, arguments, words):
    assert_one_line_error(tidegauge("replay", past, "--profile", tmp_path, *arguments), words)


@pytest.mark.slow
def test_with_json_the_answer_is_on_standard_error(past, tmp_path):
    arguments = ("replay", past, "--profile", tmp_path, "--time", "time", "--pane", "1h", "--json")
    result = tidegauge(*arguments)
    assert all(json.loads(line) for line in result.stdout.splitlines())
    assert result.stderr.startswith("1 alarm in 17 days: temp; still drifting: temp")


@pytest.mark.slow
@pytest.mark.parametrize("as_json", [(), ("--json",)])
def test_a_pipeline_can_fail_on_drift(past, tmp_path, as_json):
    rows = ("--profile", tmp_path, "--rows-per-pane", 100, *as_json)
    assert tidegauge("replay", past, *rows).exit_code == 0
    drifted = tidegauge("replay", past, *rows, "--fail-on-drift")
    assert drifted.exit_code == 3
    assert "temp" in drifted.stdout
    quiet = pd.read_parquet(past).head(2000)
    quiet.to_parquet(tmp_path / "quiet.parquet")
    assert tidegauge("replay", tmp_path / "quiet.parquet", *rows, "--fail-on-drift").exit_code == 0


def test_what_is_no_number_is_refused_with_its_row(past, tmp_path):
    rows = pd.read_parquet(past).astype({"temp": object})
    rows.loc[7, "temp"] = "calm"
    rows.to_csv(tmp_path / "past.csv", index=False)
    arguments = ("replay", tmp_path / "past.csv", "--profile", tmp_path, "--rows-per-pane", 100)
    assert_one_line_error(tidegauge(*arguments), "feature 'temp' of row 7 is the text 'calm'")
