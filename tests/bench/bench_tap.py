"""The tap on against off: two servers of the same model, loaded in turns."""

import statistics
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
from bench.rows import Row
from bench.serving_load import Load, measure, measure_in_turns
from bench.serving_setup import LOAD_CPU, SERVER_CPU, bodies, packed
from support.serving_process import serving

CONNECTIONS = 8
FEWER_REQUESTS = 0.03
HIGHER_P99 = 0.05
PAIRS_AT_ONCE = 10


@dataclass(frozen=True)
class Pairs:
    """Runs with the tap on and off, and the servers' processor seconds over all of them."""

    loads: list[tuple[Load, Load]]
    processor_seconds: tuple[float, float]

    def microseconds(self, server: int) -> float:
        """Processor time per request, which neighbours on the machine hardly change."""
        return 1e6 * self.processor_seconds[server] / sum(pair[server].requests for pair in self.loads)


def run(quick: bool) -> list[Row]:
    pairs, seconds = (20, 0.5) if quick else (60, 1.0)
    rows = []
    for name in ("forest", "linear"):
        with tempfile.TemporaryDirectory() as folder:
            rows += _rows(name, _pairs(Path(folder), name, pairs, seconds))
    return rows


def _pairs(folder: Path, name: str, pairs: int, seconds: float) -> Pairs:
    """Pairs of runs (on, off); who goes first alternates."""
    _, bundle = packed(folder, name)
    log = Path(tempfile.mkdtemp(prefix="bench-log-", dir="/dev/shm" if Path("/dev/shm").is_dir() else folder))
    requests = bodies()
    found: list[tuple[Load, Load]] = []
    try:
        with (
            serving(bundle, "--log-dir", str(log), scratch=folder, cpu=SERVER_CPU) as on,
            serving(bundle, scratch=folder, cpu=SERVER_CPU) as off,
        ):
            ports = (on.wait_ready().port, off.wait_ready().port)
            for port in ports:
                measure(port, "/predict", requests, CONNECTIONS, 2.0, LOAD_CPU)
            before = [_processor_seconds(server.process.pid) for server in (on, off)]
            for _ in range(pairs // PAIRS_AT_ONCE):
                turns = measure_in_turns(
                    list(ports), "/predict", requests, CONNECTIONS, seconds, PAIRS_AT_ONCE, LOAD_CPU
                )
                found += [(with_tap, without) for with_tap, without in turns]
                _consume(log)
            after = [_processor_seconds(server.process.pid) for server in (on, off)]
            assert not any(load.errors for pair in found for load in pair)
    finally:
        for path in log.iterdir():
            path.unlink()
        log.rmdir()
    return Pairs(found, (after[0] - before[0], after[1] - before[1]))


def _processor_seconds(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


def _consume(log: Path) -> None:
    """Remove read segments, as the sidecar does; never the open one."""
    for path in sorted(log.glob("*.rows"))[:-1]:
        with suppress(FileNotFoundError):
            path.unlink()


def _rows(name: str, pairs: Pairs) -> list[Row]:
    loads = pairs.loads
    fewer = [1 - on.per_second / off.per_second for on, off in loads]
    higher = [on.p99_seconds / off.p99_seconds - 1 for on, off in loads]
    on, off = pairs.microseconds(0), pairs.microseconds(1)
    return [
        Row(
            f"{name}: requests/s lost to the tap, median of {len(loads)} pairs",
            f"{statistics.median(fewer):.1%}",
            f"<= {FEWER_REQUESTS:.0%}",
            statistics.median(fewer) <= FEWER_REQUESTS,
            {"pairs": len(loads), "fewer": fewer, "higher": higher},
        ),
        Row(
            f"{name}: p99 added by the tap, median of {len(loads)} pairs",
            f"{statistics.median(higher):.1%}",
            f"<= {HIGHER_P99:.0%}",
            statistics.median(higher) <= HIGHER_P99,
        ),
        Row(
            f"{name}: the server's processor time per request with the tap, and without",
            f"{on:.1f} and {off:.1f} us, {on / off - 1:.1%} more",
        ),
    ]
