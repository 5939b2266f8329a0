"""What the sidecar shows of itself."""

import json
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from prometheus_client import generate_latest
from scipy.stats import ks_2samp
from support.pod import PANE_SECONDS, Pod, some_rows
from tidegauge_sidecar.recent_counts import SPAN_SECONDS, RecentCounts

from tidegauge.kit.health_server import serve_health
from tidegauge.kit.listening import listen
from tidegauge.profile.profile import Profile
from tidegauge.protocol.names import Metric


@pytest.fixture
def pod(tmp_path: Path) -> Pod:
    return Pod(tmp_path)


def value(pod: Pod, name: str, **labels: str) -> float | None:
    return pod.registry.get_sample_value(name, {"model": "house-prices", **labels})


def test_every_sidecar_metric_is_there(pod: Pod) -> None:
    pod.writer().answer(some_rows(5, 1), pod.now_ns)
    pod.close_pane()
    shown = {sample.name for family in pod.registry.collect() for sample in family.samples}
    wanted = {metric.value for metric in Metric if metric.name.startswith("SIDECAR_")}
    histogram = Metric.SIDECAR_SEND_SECONDS.value
    assert wanted - {histogram} <= shown
    assert f"{histogram}_bucket" in shown


def test_rows_and_panes_are_counted(pod: Pod) -> None:
    writer = pod.writer()
    writer.answer(some_rows(5, 1), pod.now_ns)
    writer.drop(2)
    pod.close_pane()
    pod.ledgers[0].script = ["409"]
    pod.send_all()
    pod.close_pane()
    assert value(pod, Metric.SIDECAR_ROWS) == 5
    assert value(pod, Metric.SIDECAR_ROWS_LOST, reason="full") == 2
    assert value(pod, Metric.SIDECAR_ROWS_LOST, reason="refused") == 5
    assert value(pod, Metric.SIDECAR_ROWS_LOST, reason="corrupt") == 0
    assert value(pod, Metric.SIDECAR_PANES, result="closed") == 2
    assert value(pod, Metric.SIDECAR_PANES, result="refused") == 1
    assert value(pod, Metric.SIDECAR_PANES, result="acknowledged") == 0
    assert value(pod, Metric.SIDECAR_SPOOL_PANES) == 1
    spooled = (pod.path / "sidecar" / pod.waiting[0]).stat().st_size
    assert value(pod, Metric.SIDECAR_SPOOL_BYTES) == spooled


def test_lag_is_the_age_of_the_oldest_row_on_its_way(pod: Pod) -> None:
    assert value(pod, Metric.SIDECAR_LAG_SECONDS) == 0
    pod.wait(3)
    pod.writer().answer(some_rows(1, 1), pod.now_ns)
    pod.wait(2)
    pod.turn()
    assert value(pod, Metric.SIDECAR_LAG_SECONDS) == 2
    pod.close_pane()
    pod.wait(100)
    assert value(pod, Metric.SIDECAR_LAG_SECONDS) == 3 + 2 + PANE_SECONDS + 1 + 100, "from the pane's start"
    pod.send_all()
    assert value(pod, Metric.SIDECAR_LAG_SECONDS) == 0


def test_the_pods_own_statistic_is_scipys(pod: Pod) -> None:
    rng = np.random.default_rng(2)
    reference = rng.normal(size=(500, 2))
    pod.profile = Profile.fit(reference, feature_names=["sqft", "age"])
    live = rng.normal(0.3, 1, size=(400, 2))
    pod.kill()
    writer = pod.writer()
    for part in np.array_split(live, 4):
        writer.answer(part, pod.now_ns)
        pod.close_pane()
    assert value(pod, Metric.SIDECAR_POD_ROWS) == 400
    for column, name in enumerate(["sqft", "age"]):
        expected = ks_2samp(live[:, column], reference[:, column]).statistic
        assert value(pod, Metric.SIDECAR_POD_STATISTIC, feature=name) == pytest.approx(expected, abs=1e-12)


def test_the_window_holds_between_one_and_two_spans() -> None:
    rng = np.random.default_rng(1)
    profile = Profile.fit(rng.normal(size=(50, 1)), feature_names=["a"])
    recent_counts = RecentCounts(profile)
    one = profile.count_matrix(np.zeros((1, 1)))
    for start in range(0, 5 * SPAN_SECONDS, 10):
        recent_counts.add(start, one)
        seen = recent_counts.counts().rows * 10
        assert min(start + 10, SPAN_SECONDS) <= seen <= 2 * SPAN_SECONDS
    recent_counts.add(50 * SPAN_SECONDS, one)
    assert recent_counts.counts().rows == 1, "after a long silence nothing old is left"


def get(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_the_endpoint_answers_and_turns_red_when_the_loop_is_stuck(pod: Pod) -> None:
    listening = listen("127.0.0.1", 0)
    port = listening.getsockname()[1]
    checks = {"/healthz": pod.sidecar.check_health}
    server = serve_health(listening, lambda: generate_latest(pod.registry), checks)
    try:
        assert get(port, "/healthz") == (200, '{"status": "ok"}')
        assert str(Metric.SIDECAR_ROWS) in get(port, "/metrics")[1]
        status, body = get(port, "/elsewhere")
        assert (status, json.loads(body)["reason"]) == (404, "not_found")
        pod.seconds += 31
        assert get(port, "/healthz")[0] == 503
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.slow
def test_scipy_is_never_imported() -> None:
    program = (
        "import sys, tidegauge_sidecar.__main__, tidegauge.profile.document, tidegauge.counting.codec;"
        "print([m for m in sys.modules if m.split('.')[0] in ('scipy', 'pandas', 'pyarrow', 'fastapi')])"
    )
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"
