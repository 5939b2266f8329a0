"""One model is loaded with 6.4 hours of single panes; another model's panes are sent meanwhile.

A model is loaded after a restart and after each edit of its policy. Measured is how long the other model's
PUTs wait, and, in a run of its own, the processor time of the aggregator's process until it is loaded.
"""

import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import psutil
from bench.rows import Row
from support.aggregator_rig import Pod
from tidegauge_aggregator.domain.blocks import BLOCK_PANES, FINE_PANES, block_of
from tidegauge_aggregator.domain.rows import EvaluationRow, Fact, SeriesKey, SumRow
from tidegauge_aggregator.store.ledger import accept
from tidegauge_aggregator.store.sqlite.store import open_store

from tidegauge.counting.counts import Counts
from tidegauge.monitor.monitor import Monitor
from tidegauge.monitor.policy import Policy
from tidegauge.profile.profile import Profile
from tidegauge.protocol.names import profile_path
from tidegauge.protocol.pane import Pane

PANE_SECONDS = 10


def fill_store(folder: Path, model: str, profile: Profile, counts: Counts, newest: int) -> None:
    """Store the same counts in every pane up to `newest`: blocks, then 6.4 hours of single panes."""
    store, data = open_store(folder), counts.to_bytes()
    with store.transaction():
        store.add_profile(model, profile.hash, profile.to_bytes(), time.time())
        series = store.add_series(SeriesKey(model, profile.hash, PANE_SECONDS, 0, 1), time.time()).id
        accept(store, _fact(series, model, profile, counts, newest))
        first = block_of(newest - FINE_PANES)
        for pane in range(first - 23 * BLOCK_PANES, first, BLOCK_PANES):
            store.put_sum(series, SumRow(pane, BLOCK_PANES, counts.rows, 0, data))
        for pane in range(first, newest):
            store.put_sum(series, SumRow(pane, 1, counts.rows, 0, data))
        store.save_evaluation(series, _evaluation(profile, counts, newest))
    store.close()


def _fact(series: int, model: str, profile: Profile, counts: Counts, newest: int) -> Fact:
    pane = Pane(
        model=model,
        profile=profile.hash,
        pane=newest,
        pane_seconds=PANE_SECONDS,
        instance="stored",
        pod="pod-stored",
        rows=counts.rows,
        rows_before=0,
        counts=counts.to_bytes(),
    )
    return Fact(series, pane, b"", pane.to_bytes(), time.time())


def _evaluation(profile: Profile, counts: Counts, newest: int) -> EvaluationRow:
    monitor = Monitor(profile, Policy(), pane_seconds=PANE_SECONDS)
    monitor.add(newest, counts)
    report = json.dumps(monitor.report(newest).to_dict()).encode()
    return EvaluationRow(newest, monitor.state(), monitor.baseline(), report, ())


FEATURES = 50
MEDIAN_SECONDS, MAX_SECONDS = 0.2, 1.0
BEFORE_SECONDS = 9.0  # of the processor, when the store's thread decoded and added each pane by itself
WAIT_SECONDS = 300


def run(quick: bool) -> list[Row]:
    """Both times: after the start, and after an edit of the policy."""
    features = 8 if quick else FEATURES
    rng = np.random.default_rng(1)
    names = [f"feature_{i}" for i in range(features)]
    profile = Profile.fit(rng.normal(size=(20_000, features)), cut_points=1024, feature_names=names)
    counts = profile.count(rng.normal(size=(500, features)))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fill_store(folder, "big", profile, counts, int(time.time()) // 10 - 2)
        (folder / "config.json").write_text("{}")
        with _aggregator(folder) as other:
            rows = [_row("after a restart", other.waits_while_loading(), features)]
            _edit_policy(folder, other, 2.0)
            rows.append(_row("after an edit of its policy", other.waits_while_loading(), features))
            _edit_policy(folder, other, 3.0)
            rows.append(_processor_row(other.measure_loading(), features))
    return rows


def _edit_policy(folder: Path, other: "Other", false_alarms: float) -> None:
    policy = {"models": {"big": {"policy": {"false_alarms": false_alarms}}}}
    (folder / "config.json").write_text(json.dumps(policy))
    other.wait_until_asleep()


class Other:
    """A model that sends panes while the big one is loaded."""

    def __init__(self, client: httpx.Client, process: psutil.Process) -> None:
        self._client, self._process, self._sent = client, process, 0
        rng = np.random.default_rng(2)
        self._profile = Profile.fit(rng.normal(size=(200, 2)), cut_points=9, feature_names=["a", "b"])
        self._counts = self._profile.count(rng.normal(size=(3, 2)))
        self._waits = [self._put(profile_path("other", self._profile.hash), self._profile.to_bytes())]

    def waits_while_loading(self) -> list[float]:
        """Send panes until the big model is loaded; returns how long each waited, in seconds."""
        waits = self._waits
        self._waits = []
        end = time.monotonic() + WAIT_SECONDS
        while not waits or not self._is_loaded():
            assert time.monotonic() < end, "the model is not loaded"
            for _ in range(4):
                waits.append(self._send())
                time.sleep(0.02)
        return waits

    def measure_loading(self) -> float:
        """Wait until the big model is loaded; returns the processor seconds until then."""
        started, end = self._processor_seconds(), time.monotonic() + WAIT_SECONDS
        while not self._is_loaded():
            assert time.monotonic() < end, "the model is not loaded"
            time.sleep(0.2)
        return self._processor_seconds() - started

    def wait_until_asleep(self) -> None:
        """Wait until the edit has been seen."""
        end = time.monotonic() + WAIT_SECONDS
        while self._is_loaded():
            assert time.monotonic() < end, "the edit is not seen"
            time.sleep(0.005)

    def _send(self) -> float:
        self._sent += 1
        pod, pane = Pod(f"i{self._sent}", self._profile, model="other"), int(time.time()) // 10
        message = pod.message(pane, self._counts)
        return self._put(pod.path(pane), message)

    def _put(self, path: str, content: bytes) -> float:
        started = time.perf_counter()
        assert self._client.put(path, content=content).status_code == 201
        return time.perf_counter() - started

    def _is_loaded(self) -> bool:
        query = {"model": "big"}
        return bool(self._client.get("/v1/features/feature_0", params=query).json()["distribution"])

    def _processor_seconds(self) -> float:
        times = self._process.cpu_times()
        return float(times.user + times.system)


@contextlib.contextmanager
def _aggregator(folder: Path) -> Iterator[Other]:
    arguments = ["--data-dir", str(folder), "--host", "127.0.0.1", "--port", "0"]
    process = subprocess.Popen(
        [sys.executable, "-m", "tidegauge_aggregator", *arguments, "--config", str(folder / "config.json")],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        url = f"http://127.0.0.1:{json.loads(process.stdout.readline())['port']}"
        with httpx.Client(base_url=url, timeout=WAIT_SECONDS) as client:
            while client.get("/readyz").status_code != 200:
                time.sleep(0.01)
            yield Other(client, psutil.Process(process.pid))
    finally:
        process.terminate()
        process.wait(60)


def _row(when: str, waits: list[float], features: int) -> Row:
    median, longest = float(np.median(waits)), max(waits)
    return Row(
        f"{when}: PUTs of another model while a model of {features} features is loaded",
        f"median {median:.3f} s, longest {longest:.2f} s",
        f"<= {MEDIAN_SECONDS} s, <= {MAX_SECONDS:.0f} s",
        median <= MEDIAN_SECONDS and longest <= MAX_SECONDS,
        {"puts": len(waits)},
    )


def _processor_row(seconds: float, features: int) -> Row:
    target = BEFORE_SECONDS * features / FEATURES / 3
    return Row(
        f"processor time of loading {features} features, nothing else asked",
        f"{seconds:.2f} s",
        f"<= {target:.2f} s, a third of before",
        seconds <= target,
        {},
    )
