"""Ctrl-C ends a command with 130 and with what is known so far, and leaves no half-written file."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import psutil
import pytest
from sklearn.linear_model import LinearRegression
from support.stub_server import stub_server
from support.waiting import wait_for

import tidegauge as library
from tidegauge.cli.replay import Span, answer, collect
from tidegauge.monitor.past_rows import Cut
from tidegauge.monitor.replay import replayed
from tidegauge.protocol.transition import Transition

BUSY_SECONDS = 4  # of its own processor time, by which a command has been imported and is at work


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("interrupts")
    rng = np.random.default_rng(1)
    times = pd.date_range("2026-01-01", periods=40_000, freq="60s")
    frame = pd.DataFrame({"temp": rng.normal(size=times.size), "wind": rng.normal(size=times.size)})
    library.Profile.fit(frame).save(folder / "profile.json")
    frame.assign(time=times).to_parquet(folder / "past.parquet")
    return folder


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    words = [sys.executable, "-m", "tidegauge", *arguments]
    return subprocess.Popen(words, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def busy(process: subprocess.Popen[str]) -> bool:
    assert process.poll() is None, process.communicate()
    return psutil.Process(process.pid).cpu_times().user > BUSY_SECONDS


def interrupted(process: subprocess.Popen[str]) -> tuple[str, str]:
    process.send_signal(signal.SIGINT)
    told, errors = process.communicate(timeout=60)
    assert process.returncode in (130, -signal.SIGINT), errors  # a shell says 130 of both
    assert "Traceback" not in errors
    return told, errors


@pytest.mark.slow
def test_simulate_says_what_it_has_sent(folder):
    answered: list[bytes] = []

    def answer_row(_path: str, body: bytes) -> tuple[int, bytes]:
        answered.append(body)
        return 200, b"{}"

    with stub_server(answer_row) as url:
        arguments = ("--profile", "profile.json", "--model-url", url, "--for", "10m")
        with start(folder, "simulate", *arguments, "--rate", "200") as process:
            wait_for(lambda: len(answered) > 30, "rows", 60)
            told, _ = interrupted(process)
    assert f"sent {len(answered):,}  answered {len(answered):,}  failed 0" in told


@pytest.mark.slow
def test_simulate_waits_for_the_answers_that_are_under_way(folder):
    asked, answered = [], []

    def answer_late(_path: str, body: bytes) -> tuple[int, bytes]:
        asked.append(body)
        time.sleep(1.0)  # a slow model
        answered.append(body)
        return 200, b"{}"

    with stub_server(answer_late) as url:
        arguments = ("--profile", "profile.json", "--model-url", url, "--for", "10m", "--connections", "1")
        with start(folder, "simulate", *arguments) as process:
            wait_for(lambda: answered and len(asked) > len(answered), "a row under way", 60)
            told, _ = interrupted(process)
    assert f"sent {len(asked)}  answered {len(asked)}  failed 0" in told


@pytest.mark.slow
def test_report_that_waits_ends(folder):
    asked: list[str] = []

    def refuse(path: str, _body: bytes) -> tuple[int, bytes]:
        asked.append(path)
        return 503, b"{}"

    with (
        stub_server(refuse) as url,
        start(folder, "report", "--wait", "Stable", "--aggregator-url", url) as process,
    ):
        wait_for(lambda: len(asked) > 1, "questions", 60)
        interrupted(process)


@pytest.mark.slow
def test_a_replay_at_work_ends_with_what_it_has_found(folder):
    arguments = ("past.parquet", "--profile", "profile.json", "--time", "time", "--pane", "1s")
    with start(folder, "replay", *arguments) as process:
        wait_for(lambda: busy(process), "work", 120)
        told, errors = interrupted(process)
    assert re.search(r"0 alarms in .*; still learning: temp, wind\n$", told)
    assert re.search(r"tidegauge: interrupted after \d+ rows", errors)


@pytest.mark.slow
def test_a_profile_is_written_whole_or_not_at_all(folder, tmp_path):
    """As on a full disk: what was there stays, and nothing else does."""
    (tmp_path / "profile.json").write_text("the old one")
    code = (
        "import resource, signal, sys; from tidegauge.__main__ import main;"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000));"
        "main()"
    )
    arguments = ["profile", "build", str(folder / "past.parquet"), "--exclude", "time"]
    run = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=tmp_path, capture_output=True, text=True
    )
    assert (run.returncode, run.stderr) == (2, "tidegauge: profile.json: File too large\n")
    assert [path.name for path in tmp_path.iterdir()] == ["profile.json"]
    assert (tmp_path / "profile.json").read_text() == "the old one"


def test_a_replay_answers_for_the_rows_it_has_seen(folder):
    span, found = Span(), list[Transition]()
    profile = library.Profile.load(folder / "profile.json")
    history = replayed(profile, folder / "past.parquet", None, Cut(time="time", pane="1d"), span.reach)

    def until_interrupted() -> Iterator[Transition]:
        yield next(history)
        raise KeyboardInterrupt

    assert collect(until_interrupted(), found) is True
    assert len(found) == 1
    assert answer(found, span).startswith("0 alarms in ")
    assert 0 < span.rows < 40_000


def read_bytes(process: subprocess.Popen[str], path: Path) -> int:
    """Where a process is in a file that it has open; 0 where it has not."""
    descriptors = Path(f"/proc/{process.pid}/fd")
    for each in descriptors.iterdir():
        with contextlib.suppress(OSError):
            if each.readlink() == path.resolve():
                position = Path(f"/proc/{process.pid}/fdinfo/{each.name}").read_text().split()[1]
                return int(position)
    return 0


@pytest.mark.slow
def test_a_profile_that_is_interrupted_leaves_what_was_there(tmp_path):
    """Ctrl-C while the data are read: the file is long, so that it is not done before."""
    (tmp_path / "profile.json").write_text("the old one")
    rows = tmp_path / "rows.csv"
    rows.write_text("x,y\n" + "1.25,2.5\n" * 6_000_000)
    with start(tmp_path, "profile", "build", "rows.csv", "-o", "profile.json") as process:
        wait_for(lambda: process.poll() is not None or read_bytes(process, rows) > 1 << 20, "reading", 120)
        told, errors = interrupted(process)
    assert (told, errors) == ("", "tidegauge: interrupted\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["profile.json", "rows.csv"]
    assert (tmp_path / "profile.json").read_text() == "the old one"


class Slow(LinearRegression):
    """A model that says when it is asked, and is slow to answer."""

    def predict(self, X: Any) -> Any:
        Path("asked").touch()
        time.sleep(60)
        return super().predict(X)


@pytest.mark.slow
def test_a_model_whose_packing_is_interrupted_leaves_no_bundle(tmp_path):
    frame = pd.DataFrame({"x": np.arange(100.0), "y": np.arange(100.0)})
    frame.to_parquet(tmp_path / "train.parquet")
    joblib.dump(Slow().fit(frame[["x"]], frame["y"]), tmp_path / "slow.joblib")
    arguments = ("--model", "slow.joblib", "--data", "train.parquet", "--target", "y", "-o", "bundle")
    words = [sys.executable, "-m", "tidegauge", "pack", *arguments]
    here = os.pathsep.join(map(str, (Path(__file__).parent, Path(__file__).parents[1])))
    env = {**os.environ, "PYTHONPATH": here}
    with subprocess.Popen(
        words, cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        wait_for(lambda: process.poll() is not None or (tmp_path / "asked").exists(), "a question", 120)
        children = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
        told, errors = interrupted(process)
    assert (told, errors) == ("", "tidegauge: interrupted\n")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["asked", "slow.joblib", "train.parquet"]
    wait_for(lambda: not any(child.is_running() for child in children), "the end of what it started", 30)
