"""From a model file to a verdict by nothing but what the commands print."""

import shlex
import signal
import subprocess
import sys
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression
from support.waiting import wait_for

from tidegauge.local.state import STATE_FILE, load_state

ANY_PORTS = ["--port", "0", "--aggregator-port", "0", "--pane-seconds", "1"]  # others may have the usual ones


def printed_commands(told: str) -> list[list[str]]:
    """The commands that a text shows, as a shell would read them."""
    lines = [line.strip() for line in told.splitlines() if line.startswith("  tidegauge ")]
    return [[sys.executable, "-m", *shlex.split(line)] for line in lines]


@pytest.mark.parametrize(
    ("model", "bundle", "arguments"),
    [
        (LinearRegression(), "a bundle", []),
        (HistGradientBoostingRegressor(max_iter=5), "trees", ["--format", "skops"]),
    ],
    ids=["onnx", "skops with types of its own"],
)
def test_the_commands_that_pack_prints_lead_to_a_verdict(tmp_path, model, bundle, arguments):
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(rng.normal(size=(3000, 2)), columns=["a", "b"]).assign(y=lambda f: 3 * f.a - f.b)
    frame.to_parquet(tmp_path / "train.parquet")
    joblib.dump(model.fit(frame[["a", "b"]], frame["y"]), tmp_path / "model.joblib")
    pack = ["pack", "--model", "model.joblib", "--data", "train.parquet", "--target", "y", "-o", bundle]
    told = output_of([sys.executable, "-m", "tidegauge", *pack, *arguments], tmp_path)
    up, simulate, report = printed_commands(told)
    with subprocess.Popen([*up, *ANY_PORTS], cwd=tmp_path, stdout=subprocess.PIPE, text=True) as stack:
        try:
            state = tmp_path / "stack"
            wait_for(lambda: (state / STATE_FILE).exists() and load_state(state).ready, "ready", 90)
            assert "failed 0" in output_of(simulate, tmp_path)
            assert ": Drifting" in output_of(report, tmp_path)
        finally:
            stack.send_signal(signal.SIGINT)
            shown, _ = stack.communicate(timeout=60)
    assert printed_commands(shown)[0][3:] == ["simulate", "--dir", str(state), "--scenario", "high"]


def output_of(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
