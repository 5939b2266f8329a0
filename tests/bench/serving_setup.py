"""What the serving benchmarks share: models, bundles, bodies, servers on a core of their own."""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import joblib
import pandas as pd
from bench.serving_load import free_port
from support.serving_bundles import HOUSE_FEATURES, house_data

from tidegauge.pack import pack_model

ROWS = 10_000
CONNECTIONS = (1, 8, 32)
SERVER_CPU, LOAD_CPU = (0, 1) if (os.cpu_count() or 1) > 1 else (None, None)


def bodies(number: int = 64) -> list[bytes]:
    """Requests for ``/predict``, the same for every server."""
    X, _ = house_data(number, seed=99)
    rows = [dict(zip(HOUSE_FEATURES, (round(v, 3) for v in row), strict=True)) for row in X.tolist()]
    return [json.dumps({"features": row}).encode() for row in rows]


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
def plain_server(model: Path) -> Iterator[int]:
    """The baseline: uvicorn with one worker, no access log."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "bench.plain_app:app", "--port", str(port)]
    command += ["--no-access-log", "--log-level", "warning"]
    environment = {**os.environ, "MODEL": str(model), "PYTHONPATH": str(Path(__file__).parents[1])}
    process = subprocess.Popen(command, env=environment)
    try:
        if SERVER_CPU is not None:
            os.sched_setaffinity(process.pid, {SERVER_CPU})
        _wait_for(f"http://127.0.0.1:{port}/docs")
        yield port
    finally:
        process.kill()
        process.wait()


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise TimeoutError(f"{url} does not answer")
