"""The locustfile that docs/local-stack.md offers, run by locust against the real server."""

import csv
import os
import subprocess
import sys
from pathlib import Path

from support.serving_bundles import house_bundle
from support.serving_process import serving

from tidegauge.protocol.names import Env

LOCUSTFILE = Path(__file__).parents[1] / "load/locustfile.py"


def test_locust_loads_the_server_without_a_failure(tmp_path: Path) -> None:
    bundle = house_bundle(tmp_path / "bundle")
    with serving(bundle, scratch=tmp_path) as server:
        server.wait_ready()
        options = ["--headless", "--users", "2", "--spawn-rate", "2", "--run-time", "4s", "--csv", "told"]
        host = f"http://127.0.0.1:{server.port}"
        subprocess.run(
            [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--host", host, *options],
            cwd=tmp_path, env={**os.environ, Env.BUNDLE: str(bundle)}, timeout=60, check=True,
            capture_output=True,
        )  # fmt: skip
    with (tmp_path / "told_stats.csv").open() as table:
        total = next(row for row in csv.DictReader(table) if row["Name"] == "Aggregated")
    assert int(total["Request Count"]) > 0
    assert total["Failure Count"] == "0"
