"""The tap on against off: two servers of the same model, loaded in turns."""

import statistics
import tempfile
from contextlib import suppress
from pathlib import Path

from bench.rows import Row
from bench.serving_load import Load, measure, measure_in_turns
from bench.serving_setup import LOAD_CPU, SERVER_CPU, bodies, packed
from support.serving_process import serving

CONNECTIONS = 8
FEWER_REQUESTS = 0.03
HIGHER_P99 = 0.05
PAIRS_AT_ONCE = 10


def run(quick: bool) -> list[Row]:
    pairs, seconds = (20, 0.5) if quick else (40, 2.0)
    rows = []
    for name in ("forest", "linear"):
        with tempfile.TemporaryDirectory() as folder:
            rows += _rows(name, _pairs(Path(folder), name, pairs, seconds))
    return rows


def _pairs(folder: Path, name: str, pairs: int, seconds: float) -> list[list[Load]]:
    """Pairs of runs (on, off); who goes first alternates."""
    _, bundle = packed(folder, name)
    log = Path(tempfile.mkdtemp(prefix="bench-log-", dir="/dev/shm" if Path("/dev/shm").is_dir() else folder))
    requests = bodies()
    found: list[list[Load]] = []
    try:
        with (
            serving(bundle, "--log-dir", str(log), scratch=folder, cpu=SERVER_CPU) as on,
            serving(bundle, scratch=folder, cpu=SERVER_CPU) as off,
        ):
            ports = (on.wait_ready().port, off.wait_ready().port)
            for port in ports:
                measure(port, "/predict", requests, CONNECTIONS, 2.0, LOAD_CPU)
            for _ in range(pairs // PAIRS_AT_ONCE):
                found += measure_in_turns(
                    list(ports), "/predict", requests, CONNECTIONS, seconds, PAIRS_AT_ONCE, LOAD_CPU
                )
                _consume(log)
            assert not any(load.errors for pair in found for load in pair)
    finally:
        for path in log.iterdir():
            path.unlink()
        log.rmdir()
    return found


def _consume(log: Path) -> None:
    """Remove read segments, as the sidecar does; never the open one."""
    for path in sorted(log.glob("*.rows"))[:-1]:
        with suppress(FileNotFoundError):
            path.unlink()


def _rows(name: str, pairs: list[list[Load]]) -> list[Row]:
    fewer = statistics.median(1 - on.per_second / off.per_second for on, off in pairs)
    higher = statistics.median(on.p99_seconds / off.p99_seconds - 1 for on, off in pairs)
    detail = {
        "pairs": len(pairs),
        "fewer": [1 - on.per_second / off.per_second for on, off in pairs],
        "higher": [on.p99_seconds / off.p99_seconds - 1 for on, off in pairs],
    }
    return [
        Row(
            f"{name}: requests/s lost to the tap, median of {len(pairs)} pairs",
            f"{fewer:.1%}",
            f"<= {FEWER_REQUESTS:.0%}",
            fewer <= FEWER_REQUESTS,
            detail,
        ),
        Row(
            f"{name}: p99 added by the tap, median of {len(pairs)} pairs",
            f"{higher:.1%}",
            f"<= {HIGHER_P99:.0%}",
            higher <= HIGHER_P99,
        ),
    ]
