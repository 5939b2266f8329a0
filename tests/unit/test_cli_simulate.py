"""``tidegauge simulate``: which rows it sends, and what it says became of them."""

import json
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import Result
from support.command_line import assert_one_line_error, tidegauge
from support.stub_server import stub_server

from tidegauge.local.load import drive
from tidegauge.local.state import StackState, locked
from tidegauge.profile.profile import Profile

FRAME = pd.DataFrame(
    {
        "sqft": np.random.default_rng(1).normal(2000, 500, 2000),
        "age": np.random.default_rng(2).normal(30, 10, 2000),
        "kind": np.random.default_rng(3).choice(["a", "b"], 2000),
    }
)


@pytest.fixture
def profile(tmp_path):
    Profile.fit(FRAME).save(tmp_path / "profile.json")
    return tmp_path / "profile.json"


class Model:
    """Answers every row and remembers it."""

    def __init__(self) -> None:
        self.rows: list[dict[str, object]] = []

    def __call__(self, path: str, body: bytes) -> tuple[int, bytes]:
        assert path == "/predict"
        self.rows.append(json.loads(body)["features"])
        return 200, b"{}"


def send(profile: Path, url: str, *arguments: object) -> Result:
    return tidegauge("simulate", "--profile", profile, "--model-url", url, *arguments)


def means(model: Model) -> dict[str, float]:
    return pd.DataFrame(model.rows)[["sqft", "age"]].mean().to_dict()


@pytest.mark.slow
def test_baseline_sends_rows_like_the_reference_and_counts_them(profile):
    with stub_server(model := Model()) as url:
        result = tidegauge("simulate", "--profile", profile, "--model-url", url, "--rows", 500)
    assert result.exit_code == 0, result.output
    assert "sent 500  answered 500  failed 0" in result.stdout
    assert len(model.rows) == 500
    assert means(model) == pytest.approx({"sqft": 2000, "age": 30}, rel=0.08)


@pytest.mark.slow
def test_a_feature_named_is_the_only_one_that_moves(profile):
    with stub_server(model := Model()) as url:
        tidegauge("simulate", "--profile", profile, "--model-url", url, "--rows", 500, "--move", "sqft")
    assert means(model) == pytest.approx({"sqft": 3000, "age": 30}, rel=0.08)


@pytest.mark.slow
def test_a_shift_is_in_standard_deviations(profile):
    arguments = ("--rows", 500, "--move", "age", "--shift", -1)
    with stub_server(model := Model()) as url:
        tidegauge("simulate", "--profile", profile, "--model-url", url, *arguments)
    assert means(model) == pytest.approx({"sqft": 2000, "age": 20}, rel=0.08)


def test_the_same_seed_sends_the_same_rows(profile):
    sent = []
    for _ in range(2):
        with stub_server(model := Model()) as url:
            tidegauge("simulate", "--profile", profile, "--model-url", url, "--rows", 50, "--connections", 1)
        sent.append(model.rows)
    assert sent[0] == sent[1]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_rows_of_a_file_are_sent_in_order_with_missing_values_as_null(profile, tmp_path, suffix):
    path = tmp_path / f"rows.{suffix}"
    rows = FRAME.head(20).assign(price=1.0)
    rows.loc[3, "sqft"] = np.nan
    rows.to_csv(path, index=False) if suffix == "csv" else rows.to_parquet(path)
    with stub_server(model := Model()) as url:
        result = tidegauge(
            "simulate", "--profile", profile, "--model-url", url, "--data", path, "--connections", 1
        )
    assert result.exit_code == 0, result.output
    assert [row["kind"] for row in model.rows] == rows["kind"].tolist()
    assert model.rows[3]["sqft"] is None
    assert set(model.rows[0]) == {"sqft", "age", "kind"}


def test_the_rate_is_kept(profile):
    with stub_server(Model()) as url:
        started = time.monotonic()
        tidegauge("simulate", "--profile", profile, "--model-url", url, "--rows", 100, "--rate", 200)
    assert time.monotonic() - started >= 0.49


def test_an_end_in_seconds_is_kept(profile):
    with stub_server(model := Model()) as url:
        result = tidegauge("simulate", "--profile", profile, "--model-url", url, "--for", 0.5, "--rate", 100)
    assert 10 < len(model.rows) <= 80
    assert f"answered {len(model.rows)}" in result.stdout


def test_rows_that_are_refused_are_told_with_the_first_reason(profile):
    answers = iter([(200, b"{}"), (422, b'{"error": "no feature agee", "reason": "unknown_feature"}')])
    lock = threading.Lock()

    def answer(_path: str, _body: bytes) -> tuple[int, bytes]:
        with lock:
            return next(answers)

    with stub_server(answer) as url:
        result = tidegauge(
            "simulate", "--profile", profile, "--model-url", url, "--rows", 2, "--connections", 1
        )
    assert result.exit_code == 1
    assert "answered 1  failed 1" in result.stdout
    assert "1 x status 422" in result.stdout
    assert "no feature agee" in result.stdout


def test_nobody_listening_is_one_line_before_any_bar(profile):
    result = tidegauge("simulate", "--profile", profile, "--model-url", "http://127.0.0.1:9", "--rows", 5)
    assert_one_line_error(result, "http://127.0.0.1:9: no server answers there", "tidegauge up BUNDLE")


def test_a_stacks_folder_is_enough(profile, tmp_path):
    with stub_server(model := Model()) as url:
        StackState("m", str(profile), 1, url, [], "", 10, ready=True, processes=[]).save(tmp_path)
        with locked(tmp_path):
            result = tidegauge("simulate", "--dir", tmp_path, "--rows", 20)
    assert result.exit_code == 0, result.output
    assert set(model.rows[0]) == {"sqft", "age", "kind"}


def test_without_a_profile_and_a_stack_both_ways_are_named():
    result = tidegauge("simulate", "--rows", 5)
    assert result.exit_code == 2
    assert "--profile PATH, or --dir FOLDER" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--move", "sqfft"], "sqfft"),
        (["--move", "Sqft"], "did you mean sqft?"),
        (["--move", "colour"], "there are sqft, age, kind"),
        (["--move", "kind", "--shift", "1"], "kind is categorical"),
        (["--model-url", "127.0.0.1:8080"], "127.0.0.1:8080"),
        (["--model-url", "http://127.0.0.1:port"], "looks like http://127.0.0.1:8080"),
    ],
)
def test_what_cannot_be_sent_is_one_line_before_any_bar(profile, arguments, word):
    with stub_server(Model()) as url:
        result = tidegauge("simulate", "--profile", profile, "--model-url", url, *arguments)
    assert_one_line_error(result, word)


def test_a_file_without_the_models_features_is_one_line(profile, tmp_path):
    FRAME.drop(columns="age").head(3).to_csv(tmp_path / "rows.csv", index=False)
    with stub_server(Model()) as url:
        result = send(profile, url, "--data", tmp_path / "rows.csv")
    assert_one_line_error(result, "no column age, which the model needs; there are sqft, kind")


def test_a_profile_that_is_none_is_one_line(tmp_path):
    (tmp_path / "profile.json").write_text("{}")
    assert_one_line_error(tidegauge("simulate", "--profile", tmp_path / "profile.json"))


def test_every_body_is_sent_once_over_many_connections():
    with stub_server(model := Model()) as url:
        bodies = (json.dumps({"features": {"n": n}}).encode() for n in range(300))
        tally = drive(url, bodies, connections=16)
    assert (tally.sent, tally.answered) == (300, 300)
    assert sorted(row["n"] for row in model.rows) == list(range(300))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--rows", "5", "--for", "3s"], "--rows 5 and --for 3s: both say when to stop"),
        (["--shift", "1", "--scenario", "high"], "--shift 1 and --scenario high: both say how far"),
        (["--data", "rows.csv", "--move", "age"], "--data rows.csv and --move age: a file's rows"),
        (["--data", "rows.csv", "--scenario", "baseline"], "--scenario baseline"),
        (["--data", "rows.csv", "--seed", "0"], "--seed 0"),
        (["--dir", ".", "--model-url", "http://127.0.0.1:1"], "--dir . and --model-url http://127.0.0.1:1"),
    ],
)
def test_options_that_say_different_things_are_refused(profile, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    FRAME.head(3).to_csv("rows.csv", index=False)
    assert_one_line_error(tidegauge("simulate", "--profile", profile, *arguments), words, "give one of them")
