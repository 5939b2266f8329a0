"""Monitored serving against the plain FastAPI and scikit-learn route a user would write, one worker each."""

import statistics
import tempfile
from pathlib import Path

from bench.rows import Row
from bench.serving_load import Load, measure
from bench.serving_setup import CONNECTIONS, LOAD_CPU, SERVER_CPU, bodies, packed, plain_server
from support.serving_process import serving

TARGETS = {"forest": 60.0, "linear": 3.0}


def run(quick: bool) -> list[Row]:
    rounds, seconds = (1, 2.0) if quick else (3, 5.0)
    rows = []
    for name, target in TARGETS.items():
        with tempfile.TemporaryDirectory() as folder:
            measured = _measure(Path(folder), name, rounds, seconds)
        rows += _rows(name, target, measured)
    return rows


def _measure(folder: Path, name: str, rounds: int, seconds: float) -> dict[tuple[str, int], list[Load]]:
    """Runs of both servers, taking turns, per number of connections."""
    model, bundle = packed(folder, name)
    log = Path(tempfile.mkdtemp(prefix="bench-log-", dir="/dev/shm" if Path("/dev/shm").is_dir() else folder))
    found: dict[tuple[str, int], list[Load]] = {}
    requests = bodies()
    arguments = ("--log-dir", str(log), "--log-bytes", str(1 << 30))
    try:
        with (
            plain_server(model) as plain,
            serving(bundle, *arguments, scratch=folder, cpu=SERVER_CPU) as monitored,
        ):
            ports = {"plain": plain, "monitored": monitored.wait_ready().port}
            for port in ports.values():
                measure(port, "/predict", requests, 8, 1.0, LOAD_CPU)
            for connections in CONNECTIONS:
                for _ in range(rounds):
                    for who, port in ports.items():
                        load = measure(port, "/predict", requests, connections, seconds, LOAD_CPU)
                        assert not load.errors, f"{who}: {load.errors} requests failed"
                        found.setdefault((who, connections), []).append(load)
    finally:
        for path in log.iterdir():
            path.unlink()
        log.rmdir()
    return found


def _rows(name: str, target: float, found: dict[tuple[str, int], list[Load]]) -> list[Row]:
    rows = []
    for connections in CONNECTIONS:
        plain, ours = found["plain", connections], found["monitored", connections]
        rates = [statistics.median(load.per_second for load in loads) for loads in (plain, ours)]
        tails = [statistics.median(load.p99_seconds for load in loads) for loads in (plain, ours)]
        ratio = rates[1] / rates[0]
        wanted = connections == 8
        rows.append(
            Row(
                f"{name}, {connections} connections: requests/s against plain FastAPI",
                f"{ratio:.1f} x ({rates[1]:,.0f} against {rates[0]:,.0f})",
                f">= {target:g} x" if wanted else "",
                ratio >= target if wanted else None,
                {"plain_per_second": rates[0], "monitored_per_second": rates[1]},
            )
        )
        rows.append(
            Row(
                f"{name}, {connections} connections: p99 latency",
                f"{tails[1] * 1e3:.2f} ms (plain {tails[0] * 1e3:.2f} ms)",
                "lower",
                tails[1] < tails[0],
                {"plain_seconds": tails[0], "monitored_seconds": tails[1]},
            )
        )
    return rows
