"""What a command says names its options: a user of the command line has no arguments of Python."""

import re
import subprocess
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.linear_model import LinearRegression
from support.command_line import tidegauge

import tidegauge as library
from tidegauge.cli.option_names import in_options
from tidegauge.errors import TidegaugeError
from tidegauge.telling import Argument

ROWS = 60


class Own(LinearRegression):
    """A class that skops does not trust."""


@pytest.fixture(autouse=True)
def files(tmp_path, monkeypatch):
    """A table of every kind of column that is spoken of, its profile, and models of it."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(2, ROWS))
    times = pd.date_range("2026-01-01", periods=ROWS, freq="h")
    frame = pd.DataFrame({"x": x, "y": y})
    frame.assign(t=times).to_parquet("times.parquet")
    frame.assign(t=times[::-1]).to_csv("back.csv", index=False)
    frame.assign(prediction=2 * x).to_csv("predicted.csv", index=False)
    frame.assign(m=["seven", *range(1, ROWS)]).to_csv("mixed.csv", index=False)
    frame.to_csv("plain.csv", index=False)
    pd.concat([frame] * 40).assign(customer_id=range(40 * ROWS)).to_csv("named.csv", index=False)
    library.Profile.fit(frame, prediction=x).save("profile.json")
    joblib.dump(LinearRegression().fit(frame[["x"]], y), "model.joblib")
    joblib.dump(LinearRegression().fit(frame.assign(prediction=x)[["x", "prediction"]], y), "odd.joblib")
    skops.io.dump(Own().fit(frame[["x"]], y), "own.skops")


BUILD = {
    "times.parquet": "(--exclude t), or use it as --time t",
    "predicted.csv": "pass --prediction prediction if",
    "mixed.csv": "pass --float32 m to take texts as missing, or --categorical m if texts are meant",
    "named.csv": "exclude it, --exclude customer_id",
    "plain.csv --cut-points 0": "--cut-points 0: it must be",
    "plain.csv --hour-of-day": "--hour-of-day: it needs the rows' times; pass --time with their column",
    "plain.csv --time when": "--time when: no such column",
    "plain.csv --prediction price": "--prediction price: no such column",
    "plain.csv --categorical x --float32 x": "--float32 x: --categorical x says that it has no dtype",
}
REPLAY = {
    "": "--time COLUMN --pane 1h, or --rows-per-pane 1000",
    "--pane 1h": "--pane 1h needs the rows' times: add --time COLUMN",
    "--time t --pane never": "--pane never: it must be",
    "--rows-per-pane 9": "name their column with --prediction",
    "--rows-per-pane 9 --time t": "With --rows-per-pane a file must be: sort it, or use --pane",
    "--rows-per-pane 9 --false-alarms -1": "--false-alarms -1: it must be",
    "--rows-per-pane 9 --period soon": "--period soon: it must be",
    "--rows-per-pane 9 --warning 2": "--warning 2: it must be",
    "--rows-per-pane 9 --critical inf": "--critical inf: it must be",
    "--rows-per-pane 9 --warning 0.9": "--warning 0.9: it may not be above --critical 0.15",
}
PACK = {
    "--model odd.joblib --data predicted.csv": "(--exclude prediction), else train the model with another",
    "--model own.skops --data plain.csv": "with --trusted-type",
    "--model plain.csv --data plain.csv": "give a trained model as joblib, pickle or skops wrote it",
    "--model model.joblib --data plain.csv --hour-of-day": "pass --time with their column",
}
COMMANDS = (
    {f"profile build {rest} -o made.json": words for rest, words in BUILD.items()}
    | {f"replay back.csv --profile profile.json {rest}": words for rest, words in REPLAY.items()}
    | {f"pack --target y -o bundle {rest}": words for rest, words in PACK.items()}
)


@pytest.mark.slow
@pytest.mark.parametrize("line", COMMANDS)
def test_messages_name_options_and_not_arguments_of_python(line):
    said = tidegauge(*line.split()).stderr
    assert COMMANDS[line] in said
    assert "=" not in said


def test_the_form_to_pack_in_is_named_as_an_option():
    """Said of a model that no form takes."""
    error = TidegaugeError("no form", step=(Argument("model_format", "joblib"), " packs the object itself"))
    assert in_options(error) == "no form: --format joblib packs the object itself"


@pytest.mark.parametrize(
    "name",
    ["Unnamed: 0", "it's", 'say "x"', "rain [mm]", "a\\b", "$HOME", "t`x`", "tab\there", "größe", "-x"],
)
def test_a_name_that_a_shell_would_break_is_quoted_for_it(name):
    """What is suggested can be typed: the shell hands the command the name as it is."""
    for argument in (Argument("exclude", [name]), Argument("time", name)):
        line = in_options(TidegaugeError((argument,)))
        words = subprocess.run(
            ["sh", "-c", f"printf '%s\\0' {line}"], capture_output=True, text=True, check=True
        ).stdout.split("\0")
        assert words[1] == name, line


def test_the_index_that_to_csv_writes_is_excluded_by_the_line_that_is_suggested():
    pd.read_csv("plain.csv").to_csv("indexed.csv")
    told = tidegauge("profile", "build", "indexed.csv", "-o", "made.json").stderr
    assert "--exclude 'Unnamed: 0' says" in told


def test_contradicting_options_are_told_as_they_can_be_typed():
    line = ("replay", "plain.csv", "--profile", "profile.json", "--rows-per-pane", 9, "--pane", "1h")
    assert "--pane 1h and --rows-per-pane 9" in tidegauge(*line).stderr


def test_no_suggested_command_has_a_bare_name_in_it():
    """Values in options go through one function, which quotes."""
    bare = re.compile(r'f"[^"]*--[a-z][a-z-]* \{(?!shlex|typed|place|given\[.timeout|shift)')
    folder = Path(__file__).parents[2] / "tidegauge"
    found = [
        f"{path}: {line.strip()}"
        for path in [*folder.glob("cli/**/*.py"), *folder.glob("local/*.py"), *folder.glob("pack/*.py")]
        for line in path.read_text().splitlines()
        if bare.search(line)
    ]
    assert not found
