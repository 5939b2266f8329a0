"""What a command says names its options: a user of the command line has no arguments of Python."""

import joblib
import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.linear_model import LinearRegression
from support.command_line import tidegauge

import tidegauge as library
from tidegauge.cli.words import in_options

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
    "predicted.csv": "Pass --prediction prediction if",
    "mixed.csv": "pass --float32 m to take texts as missing, or --categorical m if texts are meant",
    "named.csv": "exclude it, --exclude customer_id",
    "plain.csv --cut-points 0": "--cut-points 0: it must be",
    "plain.csv --hour-of-day": "--hour-of-day needs the rows' times: pass --time with their column",
    "plain.csv --time when": "--time when: no such column",
    "plain.csv --prediction price": "--prediction price: no such column",
    "plain.csv --categorical x --float32 x": "are both in --categorical and --float32",
}
REPLAY = {
    "": "--time COLUMN --pane 1h, or --rows-per-pane 1000",
    "--pane 1h": "--pane 1h needs the rows' times: add --time COLUMN",
    "--time t --pane never": "--pane never: it must be",
    "--rows-per-pane 9": "name their column with --prediction",
    "--rows-per-pane 9 --time t": "With --rows-per-pane a file must be: sort it, or use --pane",
    "--rows-per-pane 9 --false-alarms -1": "--false-alarms -1.0: it must be",
    "--rows-per-pane 9 --period soon": "--period soon: it must be",
    "--rows-per-pane 9 --warning 2": "--warning 2.0: it must be",
    "--rows-per-pane 9 --critical inf": "--critical inf: it must be",
    "--rows-per-pane 9 --warning 0.9": "--warning 0.9 above --critical 0.15",
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


@pytest.mark.parametrize("line", COMMANDS)
def test_messages_name_options_and_not_arguments_of_python(line):
    said = tidegauge(*line.split()).stderr
    assert COMMANDS[line] in said
    assert "=" not in said


def test_the_form_to_pack_in_is_named_as_an_option():
    """Said of a model that no form takes."""
    assert (
        in_options("model_format='joblib' packs the object itself")
        == "--format joblib packs the object itself"
    )
