"""The real server process: starting, refusing, draining, dying."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from support.serving_app import read_log
from support.serving_bundles import HOUSE_ROW, edit_manifest, house_bundle
from support.serving_process import ServingProcess, serving
from support.waiting import wait_for

from tidegauge.protocol.capture_log import SEQUENCE
from tidegauge.protocol.names import Exit


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return house_bundle(tmp_path_factory.mktemp("house") / "bundle")


@pytest.fixture(scope="module")
def server(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServingProcess]:
    scratch = tmp_path_factory.mktemp("server")
    with serving(bundle, "--log-dir", str(scratch / "log"), "--request-log", scratch=scratch) as running:
        yield running.wait_ready()


def predict(server: ServingProcess) -> tuple[int, dict]:
    return server.post("/predict", {"features": HOUSE_ROW})


def test_a_model_server_answers_and_logs(server: ServingProcess) -> None:
    status, answer = predict(server)
    assert status == 200
    assert answer["features_received"] == 5
    status, metrics = server.get("/metrics")
    assert status == 200
    assert b'tidegauge_capture_rows_total{model="house-prices",outcome="appended"} 1.0' in metrics
    line = json.loads(next(text for text in server.log.read_text().splitlines() if text.startswith("{")))
    assert (line["protocol"], line["code"], line["rows"]) == ("predict", 200, 1)


@pytest.mark.parametrize("chunked", [False, True], ids=["declared", "chunked"])
def test_a_body_of_100_megabytes_is_refused_and_the_client_hears_it(
    server: ServingProcess, chunked: bool
) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    megabyte = bytes(1_000_000)
    headers = {} if chunked else {"content-length": "100000000"}
    connection.request("POST", "/predict", (megabyte for _ in range(100)), headers, encode_chunked=chunked)
    response = connection.getresponse()
    assert response.status == 413
    assert json.loads(response.read())["reason"] == "body_too_large"
    connection.close()
    resident = int(Path(f"/proc/{server.process.pid}/statm").read_text().split()[1]) * os.sysconf(
        "SC_PAGE_SIZE"
    )
    assert resident < 400_000_000
    assert predict(server)[0] == 200


def test_bytes_that_are_no_http_harm_nobody(server: ServingProcess) -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        with socket.create_connection(("127.0.0.1", server.port), 5) as connection:
            connection.sendall(rng.bytes(int(rng.integers(1, 500))))
    with socket.create_connection(("127.0.0.1", server.port), 5) as connection:
        connection.sendall(
            b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 500\r\n\r\n{"
        )  # and goes away
    assert predict(server)[0] == 200


def test_no_scipy_on_the_request_path(bundle: Path, tmp_path: Path) -> None:
    code = f"""
import asyncio, sys, threading
from pathlib import Path
from support.serving_app import App
app = App(Path({str(bundle)!r}), Path({str(tmp_path / "log")!r}))
assert app.post("/predict", app.loaded.manifest.example)[0] == 200
rows = [app.loaded.manifest.example["features"]] * 5
assert app.post("/v1/models/house-prices:predict", {{"instances": rows}})[0] == 200
import tidegauge_serving.http.server, tidegauge_serving.__main__
heavy = {{"scipy", "sklearn", "pandas", "pyarrow", "skops", "xgboost", "lightgbm", "fsspec"}}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    run = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr


def test_a_model_is_loaded_without_what_only_documentation_and_scrapes_need(bundle: Path) -> None:
    code = f"""
import sys
from pathlib import Path
import tidegauge_serving.__main__
from tidegauge_serving.settings import Settings
from tidegauge_serving.predict.startup import load
load(Settings(bundle=Path({str(bundle)!r})))
late = {{"fastapi", "pydantic", "starlette", "prometheus_client", "http.server", "email.message"}}
assert not late & set(sys.modules), late & set(sys.modules)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


def test_a_server_that_cannot_load_stays_up_and_says_why(tmp_path: Path) -> None:
    bundle = house_bundle(tmp_path / "bundle")
    edit_manifest(bundle, model__format="joblib")
    with serving(bundle, scratch=tmp_path) as server:
        reason = server.wait_refusal()
        assert "--allow-pickle" in reason
        assert server.get("/healthz")[0] == 200
        status, answer = predict(server)
        assert (status, answer["reason"]) == (503, "not_ready")
        assert reason in answer["error"]
        assert b'tidegauge_serving_ready{model=""} 0.0' in server.get("/metrics")[1]
        assert server.log.read_text().count("--allow-pickle") == 1


def test_a_server_that_cannot_load_ends_with_the_reason_if_it_is_told_to(tmp_path: Path) -> None:
    bundle = house_bundle(tmp_path / "bundle")
    edit_manifest(bundle, model__format="joblib")
    with serving(bundle, "--exit-on-error", scratch=tmp_path) as server:
        assert server.process.wait(30) == Exit.BUNDLE
        assert "--allow-pickle" in server.log.read_text().splitlines()[-1]


def test_replicas_share_an_inherited_socket_beside_their_own(bundle: Path, tmp_path: Path) -> None:
    with socket.socket() as front:
        front.bind(("127.0.0.1", 0))
        front.listen(64)
        port, fd = front.getsockname()[1], front.fileno()
        arguments = ("--fd", str(fd), "--log-dir", str(tmp_path / "log"), "--drain-seconds", "0")
        with (
            serving(bundle, *arguments, scratch=tmp_path, pass_fds=[fd]) as one,
            serving(bundle, *arguments, scratch=tmp_path, pass_fds=[fd]) as other,
        ):
            shared = ServingProcess(one.process, port, one.log)
            one.wait_ready()
            other.wait_ready()
            assert predict(shared)[0] == 200
            one.process.send_signal(signal.SIGTERM)
            assert one.process.wait(20) == 0
            for _ in range(5):
                assert predict(shared)[0] == 200
            assert predict(other)[0] == 200


class Traffic:
    """One-row requests over kept connections in threads; every failure is kept."""

    def __init__(self, port: int, threads: int = 4) -> None:
        self.answered = 0
        self.failures: list[str] = []
        self.reconnect = True
        self._port = port
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run) for _ in range(threads)]

    def __enter__(self) -> "Traffic":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)

    def _run(self) -> None:
        body = json.dumps({"features": HOUSE_ROW})
        while self.reconnect and not self._stop.is_set():
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=20)
            try:
                connection.connect()
            except OSError:
                return  # the server listens no more
            try:
                while not self._stop.is_set():
                    connection.request("POST", "/predict", body)
                    response = connection.getresponse()
                    response.read()
                    with self._lock:
                        self.answered += response.status == 200
                    if response.status != 200:
                        self.failures.append(str(response.status))
                    if response.will_close:
                        break
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
                return
            finally:
                connection.close()


def test_sigterm_drains_without_failing_a_request(bundle: Path, tmp_path: Path) -> None:
    arguments = ("--log-dir", str(tmp_path / "log"), "--drain-seconds", "1")
    with serving(bundle, *arguments, scratch=tmp_path) as server:
        server.wait_ready()
        with Traffic(server.port) as traffic:
            wait_for(lambda: traffic.answered > 50, "traffic flows")
            server.process.send_signal(signal.SIGTERM)
            wait_for(lambda: server.get("/readyz")[0] == 503, "not ready at once", 0.9)
            before = traffic.answered
            wait_for(lambda: traffic.answered > before + 10, "it answers while it drains", 0.9)
            traffic.reconnect = False  # its endpoint is gone: no client finds it any more
            assert server.process.wait(20) == 0
        assert not traffic.failures
    writer = next((tmp_path / "log").glob("*.seq")).stem
    _, frames, damaged = read_log(tmp_path / "log", writer)
    assert sum(frame.rows for frame in frames) == traffic.answered
    assert damaged == 0


def test_after_kill_9_every_answered_row_is_in_the_log(bundle: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    for attempt in range(3):
        log = tmp_path / f"log-{attempt}"
        with serving(bundle, "--log-dir", str(log), scratch=tmp_path) as server:
            server.wait_ready()
            with Traffic(server.port) as traffic:
                wait_for(lambda traffic=traffic: traffic.answered > 100, "traffic flows")
                time.sleep(float(rng.uniform(0, 0.05)))  # the moment of the kill, any will do
                server.process.kill()
                server.process.wait()
        writer = next(log.glob("*.seq")).stem
        _, frames, damaged = read_log(log, writer)
        logged = sum(frame.rows for frame in frames)
        assert traffic.answered <= logged <= traffic.answered + 4, "an answered row is not in the log"
        (counter,) = SEQUENCE.unpack((log / f"{writer}.seq").read_bytes())
        assert logged - frames[-1].rows <= counter <= logged, "the counter is written after its frame"
        assert damaged == 0


def test_help_names_every_flag() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "tidegauge_serving", "--help"], capture_output=True, text=True, check=True
    )
    for flag in ("--bundle", "--log-dir", "--fd", "--allow-pickle", "--drain-seconds"):
        assert flag in run.stdout
