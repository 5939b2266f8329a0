"""The aggregator as a process: it says where it listens, ends in order, and a kill loses nothing."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
import pytest
from support.aggregator_rig import Pod, small_profile
from support.waiting import wait_for

from tidegauge.protocol.names import Env, profile_path

LOCAL = ("--host", "127.0.0.1", "--port", "0")
PROFILE = small_profile(features=3, cut_points=32)


@contextmanager
def aggregator(
    folder: Path, *flags: str, environment: dict[str, str] | None = None
) -> Iterator[httpx.Client]:
    """A running aggregator, terminated on leaving unless the test has ended it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tidegauge_aggregator", "--data-dir", str(folder), *LOCAL, *flags],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | (environment or {}),
    )
    try:
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        assert said["event"] == "listening"
        with httpx.Client(base_url=f"http://127.0.0.1:{said['port']}", timeout=10) as client:
            client.headers["x-pid"] = str(process.pid)
            wait_for(lambda: client.get("/readyz").status_code == 200, "the aggregator is ready", 60)
            yield client
    finally:
        if process.poll() is None:
            process.terminate()
        status = process.wait(20)
        assert process.stdout is not None
        process.stdout.close()
    assert status in (0, -signal.SIGKILL)


def kill(client: httpx.Client) -> None:
    os.kill(int(client.headers["x-pid"]), signal.SIGKILL)


@dataclass
class Sender:
    """A sidecar: sends each pane until it is acknowledged, byte for byte the same, whoever listens."""

    pod: Pod
    first: int
    panes: int
    url: str = ""
    done: int = 0
    answers: list[int] = field(default_factory=list)
    client: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=5))

    def run(self) -> None:
        rng = np.random.default_rng(self.first)
        for pane in range(self.first, self.first + self.panes):
            message = self.pod.message(pane, PROFILE.count(rng.normal(size=(17, 3))), pane_seconds=1)
            while not self._is_taken(pane, message):
                time.sleep(0.02)
            self.done += 1

    def _is_taken(self, pane: int, message: bytes) -> bool:
        try:
            answer = self.client.put(self.url + self.pod.path(pane), content=message)
            if answer.status_code == 404:
                self.client.put(self.url + profile_path("m", PROFILE.hash), content=PROFILE.to_bytes())
        except httpx.HTTPError:
            return False
        self.answers.append(answer.status_code)
        return answer.status_code in (200, 201)


def test_kills_at_random_moments_lose_nothing_and_count_nothing_twice(tmp_path: Path) -> None:
    first = int(time.time()) - 600
    senders = [Sender(Pod(f"i{i}", PROFILE), first, 60) for i in range(3)]
    threads = [threading.Thread(target=sender.run, daemon=True) for sender in senders]
    moments = random.Random(7)
    for life in range(5):
        with aggregator(tmp_path) as client:
            for sender in senders:
                sender.url = str(client.base_url)
            if life == 0:
                for thread in threads:
                    thread.start()
            if life < 4:
                time.sleep(moments.uniform(0.02, 0.5))  # the moment of the kill, not a wait for something
                kill(client)
                continue
            wait_for(lambda: all(s.done == s.panes for s in senders), "all panes are acknowledged", 120)
            coverage = client.get("/v1/report").json()["coverage"]
            assert (coverage["rows_counted"], coverage["rows_lost"]) == (3 * 60 * 17, 0)
    assert {status for sender in senders for status in sender.answers} <= {200, 201, 404, 503}


def test_an_aggregator_ends_in_order_on_sigterm(tmp_path: Path) -> None:
    with aggregator(tmp_path) as client:
        client.put(profile_path("m", PROFILE.hash), content=PROFILE.to_bytes())
    with aggregator(tmp_path) as client:
        assert [model["name"] for model in client.get("/v1/models").json()["models"]] == ["m"]
        assert {"/v1/report", "/v1/history"} <= set(client.get("/openapi.json").json()["paths"])


@pytest.mark.parametrize(
    ("flags", "environment", "why"),
    [
        (["--shard", "2/2"], {}, "INDEX below OF"),
        (["--config", "{folder}/config.json"], {}, "'polcy': it is no field of it"),
        (["--token-file", "{folder}/none"], {}, "No such file"),
        (["--retention-seconds", "10"], {}, "a whole number of at least 3600"),
        ([], {Env.PORT.value: "70000"}, "0 to 65535"),
    ],
)
def test_an_aggregator_does_not_start_on_impossible_settings(
    tmp_path: Path, flags: list[str], environment: dict[str, str], why: str
) -> None:
    (tmp_path / "config.json").write_text('{"models": {"m": {"polcy": {}}}}')
    given = [flag.format(folder=tmp_path) for flag in flags]
    result = subprocess.run(
        [sys.executable, "-m", "tidegauge_aggregator", "--data-dir", str(tmp_path / "data"), *given],
        capture_output=True,
        text=True,
        timeout=30,
        env=os.environ | environment,
        check=False,
    )
    assert result.returncode in (1, 2)
    assert why in result.stderr.splitlines()[-1]
