"""``tidegauge report``: the verdict as table, JSON and exit code."""

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from support.command_line import assert_one_line_error, tidegauge
from support.reports import in_pods
from support.stub_server import stub_server

import tidegauge as library
from tidegauge.cli import main
from tidegauge.local.state import StackState, locked
from tidegauge.protocol.names import Extent
from tidegauge.report.model import Coverage, Report

COVERAGE = Coverage(pods_heard=3, pods_expected=3, rows_counted=12_000, rows_lost=7)


def report_after(shift: float, panes: int = 20, policy: object = None) -> Report:
    """What a real monitor says after traffic with `sqft` moved by `shift` standard deviations."""
    rng = np.random.default_rng(5)
    profile = library.Profile.fit(pd.DataFrame(rng.normal(size=(5000, 2)), columns=["sqft", "age"]))
    monitor = library.Monitor(profile, policy or library.Policy(design_effect=1))
    for pane in range(panes):
        monitor.add(
            pane,
            profile.count(pd.DataFrame({"sqft": rng.normal(shift, 1, 600), "age": rng.normal(size=600)})),
        )
    return monitor.report(panes - 1 if panes else 0).with_coverage(COVERAGE, "house-prices")


@pytest.fixture(scope="module")
def stable() -> Report:
    return report_after(0)


@pytest.fixture(scope="module")
def drifting() -> Report:
    return report_after(1)


def answering(*reports: Report):
    """A server that gives each report once, the last one for ever."""
    left, lock = list(reports), threading.Lock()

    def answer(_path: str, _body: bytes) -> tuple[int, bytes]:
        with lock:
            report = left.pop(0) if len(left) > 1 else left[0]
        return 200, json.dumps(report.to_dict()).encode()

    return stub_server(answer)


def test_a_drifting_model_exits_with_3_and_names_its_features(drifting):
    with answering(drifting) as url:
        result = tidegauge("report", "--aggregator-url", url)
    assert result.exit_code == 3, result.output
    assert "house-prices: Drifting (critical)" in result.stdout
    assert "drifting: sqft" in result.stdout
    assert "pods heard: 3/3" in result.stdout
    assert "rows counted: 12,000, lost: 7" in result.stdout


@pytest.mark.slow
@pytest.mark.parametrize("panes", [0, 20, 720])
def test_while_the_design_effect_is_learned_it_is_said_how_far(panes: int) -> None:
    passed = {0: "0 s", 20: "3 min", 720: "2 h"}[panes]
    with answering(report_after(0, panes, library.Policy(learning="72h"))) as url:
        shown = tidegauge("report", "--aggregator-url", url).stdout
    assert f"design effect: still learned from live rows, {passed} of 3 days" in shown.splitlines()


def test_where_the_design_effect_is_known_nothing_is_said_of_it(stable):
    with answering(stable) as url:
        assert "design effect" not in tidegauge("report", "--aggregator-url", url).stdout


@pytest.mark.parametrize(
    ("extent", "pods", "said"),
    [
        (Extent.CONFINED, ["b"], "sqft: in pod b only (D 0.600 of 600 rows)"),
        (None, ["b", "a"], "sqft: at least in pods a, b (b D 0.600 of 600 rows, a D 0.590 of 600 rows)"),
        (Extent.EVERYWHERE, ["b", "a"], "sqft: in every pod"),
    ],
)
def test_the_pods_of_a_drift_are_named(drifting, extent, pods, said):
    located = in_pods(drifting, "sqft", extent, *pods)
    with answering(located) as url:
        result = tidegauge("report", "--aggregator-url", url)
        document = json.loads(tidegauge("report", "--aggregator-url", url, "--json").stdout)
    assert said in result.stdout.splitlines()
    pod, *_ = next(item["pods"] for item in document["features"] if item["name"] == "sqft")
    assert (pod["pod"], pod["statistic"], pod["rows"]) == ("b", 0.6, 600)


def test_a_stable_model_exits_with_0(stable):
    with answering(stable) as url:
        result = tidegauge("report", "--aggregator-url", url)
    assert (result.exit_code, "Stable" in result.stdout) == (0, True)


def test_silence_is_unknown_and_exits_with_4():
    with answering(report_after(0, panes=0)) as url:
        assert tidegauge("report", "--aggregator-url", url).exit_code == 4


def test_silence_is_told_even_while_the_verdict_stays_drifting(drifting):
    coverage = replace(COVERAGE, newest_pane_age_seconds=2, newest_rows_age_seconds=17 * 60 + 20)
    silent = replace(drifting, stale=True, coverage=coverage)
    with answering(silent) as url:
        told = tidegauge("report", "--aggregator-url", url).stdout
    with answering(replace(silent, stale=False)) as url:
        fresh = tidegauge("report", "--aggregator-url", url).stdout
    with answering(replace(silent, coverage=COVERAGE)) as url:
        never = tidegauge("report", "--aggregator-url", url).stdout
    assert "Drifting (critical)" in told
    assert "no rows for 17 min\n" in told
    assert "no rows" not in fresh
    assert "no rows yet\n" in never


def test_the_table_is_whole_on_80_columns(drifting):
    old, new = int(time.time() // 10) - 30_000, int(time.time() // 10)
    moved = replace(
        drifting.features["sqft"], name="distance_to_the_station", since=old, window_rows=1_234_567
    )
    named = replace(drifting.features["sqft"], name="sqft[m2]", since=new)
    report = replace(drifting, features={moved.name: moved, named.name: named})
    with answering(report) as url:
        result = CliRunner(env={"COLUMNS": "80"}).invoke(main, ["report", "--aggregator-url", url])
    table = result.stdout[result.stdout.index("feature ") :]
    assert "…" not in table
    assert max(len(line) for line in table.splitlines()) <= 80
    for word in ("Drifting", "critical", "1,234,567", report.time(old)[:10], "sqft[m2]"):
        assert word in table
    assert re.search(r"\b\d\d:\d\d:\d\d\b", table) or report.time(new)[:10] in table  # around midnight


def test_a_stacks_folder_names_the_model_too(stable, tmp_path):
    asked = []

    def answer(path: str, _body: bytes) -> tuple[int, bytes]:
        asked.append(path)
        return 200, json.dumps(stable.to_dict()).encode()

    with stub_server(answer) as url:
        StackState("house-prices", "profile.json", 1, "", [url], "", 10, ready=True, processes=[]).save(
            tmp_path
        )
        with locked(tmp_path):
            tidegauge("report", "--dir", tmp_path)
    assert [path.partition("?")[2] for path in asked] == ["model=house-prices"]


def test_json_is_the_reports_own_document(drifting):
    with answering(drifting) as url:
        result = tidegauge("report", "--aggregator-url", url, "--json")
    assert Report.from_dict(json.loads(result.stdout)).to_dict() == drifting.to_dict()


def test_wait_ends_with_0_when_the_verdict_comes(stable, drifting):
    with answering(stable, stable, drifting) as url:
        result = tidegauge("report", "--aggregator-url", url, "--wait", "Drifting", "--timeout", 20)
    assert result.exit_code == 0
    assert "Drifting" in result.stdout


def test_wait_ends_with_1_when_it_does_not_come(stable):
    started = time.monotonic()
    with answering(stable) as url:
        result = tidegauge("report", "--aggregator-url", url, "--wait", "Drifting", "--timeout", 1)
    assert result.exit_code == 1
    assert time.monotonic() - started < 10


def test_the_shards_of_a_model_are_joined():
    rng = np.random.default_rng(6)
    profile = library.Profile.fit(rng.normal(size=(4000, 2)), feature_names=["sqft", "age"])
    shards = []
    for index in range(2):
        share = profile.shard(index, 2)
        monitor = library.Monitor(
            share, library.Policy(design_effect=1), pairs=library.Monitor.count_pairs(profile)
        )
        monitor.add(0, profile.count(rng.normal([2, 0], 1, size=(900, 2))).select(share))
        shards.append(monitor.report(0).with_coverage(COVERAGE, "house-prices"))
    with answering(shards[0]) as one, answering(shards[1]) as other:
        result = tidegauge("report", "--aggregator-url", one, "--aggregator-url", other, "--json")
    document = json.loads(result.stdout)
    assert result.exit_code == 3
    assert document["drifting"] == ["sqft"]
    assert {feature["name"] for feature in document["features"]} == {"sqft", "age"}


@contextmanager
def of_two_shards(report: Report, index: int) -> Iterator[str]:
    """An aggregator that holds one share of two, and says so."""
    document = report.to_dict() | {"shard": {"index": index, "of": 2}}
    with stub_server(lambda _path, _body: (200, json.dumps(document).encode())) as url:
        yield url


def test_one_shard_of_two_is_not_shown_as_stable(stable):
    words = "1 of 2 shards asked: give all their addresses"
    with of_two_shards(stable, 0) as url:
        told = tidegauge("report", "--aggregator-url", url)
        document = tidegauge("report", "--aggregator-url", url, "--json")
    assert (told.exit_code, document.exit_code) == (4, 4)
    assert "house-prices: Unknown" in told.stdout
    assert words in told.stdout
    assert words in document.stderr
    told_json = json.loads(document.stdout)
    assert (told_json["verdict"], told_json["shards"]) == ("Unknown", {"asked": 1, "of": 2})


def test_one_shard_of_two_that_drifts_is_drift_with_a_caution(drifting):
    with of_two_shards(drifting, 1) as url:
        told = tidegauge("report", "--aggregator-url", url)
    assert told.exit_code == 3
    assert "1 of 2 shards asked" in told.stdout


def test_all_shards_asked_are_stable_without_a_caution(stable):
    left, right = (replace(stable, features={name: stable.features[name]}) for name in ("sqft", "age"))
    with of_two_shards(left, 0) as one, of_two_shards(right, 1) as other:
        told = tidegauge("report", "--aggregator-url", one, "--aggregator-url", other)
    assert (told.exit_code, "shards asked" in told.stdout) == (0, False)


def test_no_aggregator_is_one_line():
    assert_one_line_error(tidegauge("report", "--aggregator-url", "http://127.0.0.1:9"), "http://127.0.0.1:9")


@pytest.mark.parametrize(
    "refusal",
    [
        {"error": "no model xyz here", "reason": "model_unknown"},
        {"error": {"reason": "model_unknown", "message": "no model xyz here"}},  # of version 0.1
    ],
)
def test_an_aggregators_own_words_are_passed_on(refusal):
    with stub_server(lambda _path, _body: (404, json.dumps(refusal).encode())) as url:
        assert_one_line_error(
            tidegauge("report", "--aggregator-url", url, "--model", "xyz"), "no model xyz here"
        )


def test_an_answer_that_is_no_report_is_one_line():
    with stub_server(lambda _path, _body: (200, b"{}")) as url:
        assert_one_line_error(tidegauge("report", "--aggregator-url", url), "a report's schema is nothing")


def test_a_folder_without_a_stack_is_one_line(tmp_path):
    assert_one_line_error(tidegauge("report", "--dir", tmp_path), "no stack runs there")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--dir", ".", "--aggregator-url", "http://127.0.0.1:1"], "--aggregator-url http://127.0.0.1:1"),
        (["--dir", ".", "--model", "other"], "--dir . and --model other"),
        (["--timeout", "3"], "--timeout without --wait"),
    ],
)
def test_options_that_contradict_each_other_are_refused(arguments, words):
    assert_one_line_error(tidegauge("report", *arguments), words)


def test_a_verdict_is_awaited_however_it_is_written(stable):
    with answering(stable) as url:
        assert tidegauge("report", "--aggregator-url", url, "--wait", "stable").exit_code == 0
