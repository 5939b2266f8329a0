"""What the serving benchmarks share: models, bundles, bodies, servers on a core of their own."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import pandas as pd
import psutil
from bench.serving_load import free_port
from support.serving_bundles import HOUSE_FEATURES, house_data
from support.serving_process import serving
from support.waiting import answers_200, wait_for

from tidegauge.pack import pack_model

ROWS = 10_000
MODEL_NAME = "house"  # in the paths of every server that has one there
SERVER_CPU, LOAD_CPU = (0, 1) if (os.cpu_count() or 1) > 1 else (None, None)
V2_PATH = f"/v2/models/{MODEL_NAME}/infer"
LOG_BYTES = 1 << 30  # more than a run writes: nothing is dropped for want of room


@dataclass(frozen=True)
class Server:
    """A running server: where it listens, and its first process."""

    port: int
    pid: int

    @property
    def processor_seconds(self) -> float:
        """Of all its processes so far."""
        first = psutil.Process(self.pid)
        times = [process.cpu_times() for process in (first, *first.children(recursive=True))]
        return sum(each.user + each.system for each in times)


def rows(number: int = 64) -> list[list[float]]:
    X, _ = house_data(number, seed=99)
    return [[round(value, 3) for value in row] for row in X.tolist()]


def plain_bodies() -> list[bytes]:
    """Requests for ``/predict``, the same for every server."""
    return [json.dumps({"features": dict(zip(HOUSE_FEATURES, row, strict=True))}).encode() for row in rows()]


def v2_bodies() -> list[bytes]:
    """Requests of one row for the Open Inference Protocol, the same for every server."""
    tensor = {"name": "input", "shape": [1, len(HOUSE_FEATURES)], "datatype": "FP64"}
    return [json.dumps({"inputs": [{**tensor, "data": row}]}).encode() for row in rows()]


def models() -> dict[str, Any]:
    """The forest is that of the house-prices example."""
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.linear_model import LinearRegression

    return {
        "forest": RandomForestRegressor(n_estimators=100, min_samples_leaf=20, random_state=0),
        "linear": LinearRegression(),
    }


def packed(folder: Path, name: str) -> tuple[Path, Path]:
    """A trained model as a user has it (joblib) and as a bundle."""
    X, y = house_data(ROWS)
    model = models()[name].fit(X, y)
    frame = pd.DataFrame(X, columns=list(HOUSE_FEATURES)).assign(price=y)
    frame.to_parquet(folder / "train.parquet")
    joblib.dump(model, folder / f"{name}.joblib")
    pack_model(folder / f"{name}.joblib", folder / "train.parquet", folder / name, target="price")
    return folder / f"{name}.joblib", folder / name


@contextmanager
def process(
    command: Sequence[str], port: int, ready_path: str, log: Path, environment: dict[str, str] | None = None
) -> Iterator[Server]:
    """Run a server on its core until it is ready, and end it whatever happens."""
    with log.open("w") as output:
        running = subprocess.Popen(
            command, env={**os.environ, **(environment or {})}, stdout=output, stderr=output
        )
    try:
        pin(running.pid)
        url = f"http://127.0.0.1:{port}{ready_path}"
        wait_for(lambda: answers_200(url) or _ended(running, log), f"{url} answers", 180, every=0.1)
        yield Server(port, running.pid)
    finally:
        for child in psutil.Process(running.pid).children(recursive=True):
            child.kill()
        running.kill()
        running.wait()


def _ended(running: "subprocess.Popen[bytes]", log: Path) -> bool:
    assert running.poll() is None, f"{running.args}: {log.read_text()[-2000:]}"
    return False


def pin(pid: int) -> None:
    """Give a process, and what it starts from now on, the servers' core."""
    if SERVER_CPU is not None:
        os.sched_setaffinity(pid, {SERVER_CPU})


@contextmanager
def plain_server(model: Path) -> Iterator[Server]:
    """The baseline: uvicorn with one worker, no access log."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "bench.plain_app:app", "--port", str(port)]
    command += ["--no-access-log", "--log-level", "warning"]
    environment = {"MODEL": str(model), "PYTHONPATH": str(Path(__file__).parents[1])}
    with process(command, port, "/docs", model.parent / "plain.log", environment) as server:
        yield server


@contextmanager
def our_server(bundle: Path, log: Path | None, tree: Path | None = None) -> Iterator[Server]:
    """Tidegauge's server, one worker; with a log folder it is monitored; of another tree if one is given."""
    arguments = ["--model", MODEL_NAME]
    if log is not None:
        arguments += ["--log-dir", str(log), "--log-bytes", str(LOG_BYTES)]
    with serving(bundle, *arguments, scratch=bundle.parent, cpu=SERVER_CPU, tree=tree) as running:
        running.wait_ready()
        yield Server(running.port, running.process.pid)
        dropped = [line for line in running.get("/metrics")[1].decode().splitlines() if 'dropped"' in line]
        assert all(line.endswith(" 0.0") for line in dropped), dropped


@contextmanager
def log_folder() -> Iterator[Path]:
    """An empty folder in memory, as a pod's log volume is."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="bench-log-", dir=memory if memory.is_dir() else None) as name:
        yield Path(name)


def consume(log: Path) -> None:
    """Remove read segments, as the sidecar does; never the open one."""
    for path in sorted(log.glob("*.rows"))[:-1]:
        path.unlink(missing_ok=True)
