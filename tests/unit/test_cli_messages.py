"""What newcomers are told: the value, the rule, the next step, in no library's words and no Python."""

import json

import numpy as np
import pandas as pd
import pytest
from support.command_line import assert_one_line_error, assert_plain_words, tidegauge
from support.stub_server import stub_server

import tidegauge as library
from tidegauge import resource
from tidegauge.local.network import unhealthy

RESOURCE = "apiVersion: tidegauge.io/v1alpha1\nkind: DriftMonitoredModel\nmetadata: {name: a}\n"
SPEC = RESOURCE + "spec: {model: {storageUri: bundle}, "


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Files as a newcomer has them."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(2)
    frame = pd.DataFrame({"sqft": rng.normal(size=50), "city": ["Oslo", "Lodz"] * 25})
    frame = frame.assign(time=pd.date_range("2026-01-01", periods=50, freq="h"))
    frame.to_parquet("train.parquet")
    frame.drop(columns="sqft").to_csv("other.csv", index=False)
    frame.to_csv("live.csv", index=False)
    profile = library.Profile.fit(frame[["sqft", "city"]])
    profile.save("p.json")
    (tmp_path / "half.json").write_bytes(profile.to_bytes()[:200])
    (tmp_path / "latin.csv").write_bytes("a;b\nBj\u00f8rn;1\n".encode("latin-1"))
    documents = {
        "empty.yaml": "",
        "words.yaml": SPEC + "replicas: three}",
        "share.yaml": SPEC + "drift: {minEffect: {warning: 5}}}",
        "list.yaml": SPEC + "drift: [1]}",
        "truth.yaml": RESOURCE + "spec: {model: {storageUri: bundle, requestLog: maybe}}",
        "broken.yaml": "a: b: c\n",
        "two.yaml": "a: 1\n---\na: 2\n",
        "keep.yaml": SPEC + "aggregator: {storage: {whenDeleted: Keep}}}",
        "typo.yaml": SPEC + "replica: 3}",
    }
    for name, text in documents.items():
        (tmp_path / name).write_text(text)
    return tmp_path


REPLAY = "replay live.csv --profile p.json"
TOLD = {
    "report": ("http://127.0.0.1:8090: no aggregator answers there", "tidegauge up BUNDLE", "--dir"),
    "report --aggregator-url localhost:8090": ("localhost:8090", "looks like http://127.0.0.1:8090"),
    "report --aggregator-url http://[::1": ("http://[::1", "looks like http://127.0.0.1:8090"),
    "report --wait drifted": ("drifted", "drifting"),
    "report --dir .": (".", "no stack runs there"),
    "simulate --profile p.json --rows 3 --model-url http://127.0.0.1:9": (
        "127.0.0.1:9",
        "tidegauge up BUNDLE",
    ),
    "simulate --rows 3": ("--profile PATH", "--dir FOLDER"),
    REPLAY: ("--time COLUMN --pane 1h", "--rows-per-pane 1000"),
    f"{REPLAY} --time time --pane 1h --rows-per-pane 9": ("--pane 1h", "--rows-per-pane 9", "give one"),
    f"{REPLAY} --time time --pane 1ms": ("--pane 1ms", "d, h, m and s", "1h30m"),
    f"{REPLAY} --rows-per-pane 9 --period 1month": ("--period 1month", "30d"),
    f"{REPLAY} --pane 1h --time tiem": ("--time tiem", "did you mean time?"),
    f"{REPLAY} --rows-per-pane 9 --prediction pirce": (
        "--prediction pirce",
        "p.json holds no predictions",
        "leave it out",
    ),
    f"{REPLAY} --rows-per-pane 9 -f share.yaml": ("share.yaml", "minEffect.warning", "a number <= 1, not 5"),
    "replay live.csv --rows-per-pane 9 --profile train.parquet": ("Parquet data", "tidegauge profile build"),
    "replay other.csv --rows-per-pane 9 --profile p.json": ("no column sqft", "there are city, time"),
    "profile show live.csv": ("live.csv", "JSON", "tidegauge profile build"),
    "profile show half.json": ("half.json", "breaks off", "make it again"),
    "profile show latin.csv": ("latin.csv", "JSON", "tidegauge profile build"),
    "profile show train.parquet": ("train.parquet", "Parquet data", "tidegauge profile build"),
    "profile build live.csv --exclude time -o nodir/x.json": (
        "--output nodir/x.json",
        "nodir",
        "make it first",
    ),
    "profile build live.csv --exclude tmie": ("--exclude tmie", "did you mean time?"),
    "profile build live.csv --exclude nope": ("--exclude nope", "there are sqft, city, time"),
    "profile build live.csv --feature sqf": ("--feature sqf", "did you mean sqft?"),
    "profile build live.csv --categorical City": ("--categorical City", "did you mean city?"),
    "profile build live.csv --float32 sqtf": ("--float32 sqtf", "did you mean sqft?"),
    "profile biuld live.csv": ("biuld", "did you mean build?"),
    "repor": ("repor", "did you mean report?"),
    "up": ("bundle", "tidegauge pack", "-f YAML"),
    "up .": ("manifest.json",),
    "up -f empty.yaml": ("empty.yaml", "nothing in it", "apiVersion: tidegauge.io/v1alpha1"),
    "up -f words.yaml": ("words.yaml", "spec.replicas", 'expected a whole number, not "three"'),
    "up -f share.yaml": ("spec.drift.minEffect.warning", "expected a number <= 1, not 5"),
    "up -f list.yaml": ("spec.drift", "expected a map of fields"),
    "up -f truth.yaml": ("spec.model.requestLog", 'expected true or false, not "maybe"'),
    "up -f broken.yaml": ("broken.yaml", "line 1, column 5", "colons, quotes and indentation"),
    "up -f two.yaml": ("two.yaml", "several documents", "a file of its own"),
    "up -f keep.yaml": ("spec.aggregator.storage.whenDeleted", "Retain", 'not "Keep"'),
    "up -f typo.yaml": ("spec.replica", "did you mean replicas?"),
    "up -f typo.yaml --dir stack --port 70000": ("70000", "65535"),
}


@pytest.mark.parametrize("command", TOLD)
def test_a_mistake_is_told_with_its_value_and_the_next_step(command):
    result = tidegauge(*command.split())
    assert result.exit_code == 2, result.output
    last = result.stderr.splitlines()[-1]
    assert [word for word in TOLD[command] if word not in last] == [], last
    assert_plain_words(last)


def report_of(status: int, body: bytes, *arguments: str) -> str:
    with stub_server(lambda _path, _body: (status, body)) as url:
        result = tidegauge("report", "--aggregator-url", url, *arguments)
    assert_one_line_error(result, url)
    return result.stderr


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (404, b'{"error": "no /v1/report here", "reason": "not_found"}', "no aggregator but a model server"),
        (200, b"<!DOCTYPE HTML><html>", "what answers there is no aggregator; `tidegauge up BUNDLE`"),
        (404, b"[1, 2]", "what answers there is no aggregator"),
        (503, b'{"error": {"reason": "loading", "message": "the store is being loaded"}}', "store is being"),
    ],
)
def test_another_program_at_an_aggregators_address_is_named(status, body, words):
    told = report_of(status, body)
    assert words in told
    assert "{" not in told
    assert "<" not in told


def test_a_foreign_page_is_not_printed_as_the_reason_why_a_program_is_not_ready():
    with stub_server(lambda _path, _body: (404, b"<!DOCTYPE HTML>")) as url:
        told = unhealthy(int(url.rpartition(":")[2]), "/readyz")
    assert "<" not in told
    assert "see which program listens on that port" in told


def test_swapped_arguments_of_replay_are_told_without_the_data():
    rows = {"sqft": np.arange(100_000.0)}
    with pytest.raises(library.ProfileError) as caught:
        library.replay(rows, rows)
    assert str(caught.value).startswith("profile is of type dict: it must be a Profile")
    assert len(str(caught.value)) < 200


def test_a_policys_floors_are_told_with_their_names():
    with pytest.raises(library.PolicyError, match="warning and critical to shares of rows from 0 to 1"):
        library.Policy(min_effect=0.1)
    with pytest.raises(library.PolicyError, match="min_effect=: 'warn' is no severity; did you mean warning"):
        library.Policy(min_effect={"warn": 0.1})


def test_a_document_is_quoted_as_it_is_written():
    document = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {}}
    with pytest.raises(library.ResourceError) as caught:
        resource.load(json.dumps(document))
    assert 'not "v1"' in str(caught.value)
