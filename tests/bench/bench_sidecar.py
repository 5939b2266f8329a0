"""What the drift sidecar costs: memory, share of a core, and how many rows a second it can count at most."""

import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
from bench.rows import Row
from support.capture_log_writer import LogWriter
from support.ledger import Ledger
from support.ledger_server import serving
from support.pod import Pod
from support.sidecar_process import SidecarProcess, running

from tidegauge.profile.profile import Profile
from tidegauge.protocol.capture_log import SEGMENT_BYTES

MEBIBYTE = 1 << 20


def run(quick: bool) -> list[Row]:
    """Measure against a real process and a small HTTP server that takes its panes."""
    seconds = 6 if quick else 30
    return [
        memory(seconds),
        share_of_a_core(seconds),
        *(rows_per_second(per_request, quick=quick) for per_request in (1, 32, 1024)),
    ]


def memory(seconds: float) -> Row:
    """Peak resident memory, 50 features, float64, q = 1024, with rows, panes, scrapes and a profile sent."""
    peak, _, rows = observe(features=50, rows_per_second=2_000, per_request=20, seconds=seconds)
    figure = peak / MEBIBYTE
    return Row(
        "sidecar resident memory, 50 features", f"{figure:.1f} MiB", "<= 90 MB", peak <= 90e6, {"rows": rows}
    )


def share_of_a_core(seconds: float) -> Row:
    """CPU time over wall time at 1,000 single-row requests per second, 5 features."""
    _, share, rows = observe(features=5, rows_per_second=1_000, per_request=1, seconds=seconds)
    return Row("sidecar at 1,000 rows/s, 5 features", f"{share:.2%} of a core", detail={"rows": rows})


def observe(
    *, features: int, rows_per_second: int, per_request: int, seconds: float
) -> tuple[int, float, int]:
    """Peak resident bytes, share of a core, and rows taken, of a sidecar process under steady traffic."""
    profile = some_profile(features)
    with tempfile.TemporaryDirectory() as place, serving(Ledger(profile, knows_profile=False)) as server:
        path = Path(place)
        profile.save(path / "profile.json")
        (path / "log").mkdir()
        # segments with room, as a server makes them: what has no rows yet must cost nothing either
        writer = LogWriter(path / "log", "w0", profile.hash, features, room_bytes=SEGMENT_BYTES)
        with running(SidecarProcess(path / "log", path / "profile.json", [server.url])) as sidecar:
            assert sidecar.process is not None
            process = psutil.Process(sidecar.process.pid)
            before, started = sum(process.cpu_times()[:2]), time.monotonic()
            write_steadily(writer, features, rows_per_second, per_request, seconds)
            share = (sum(process.cpu_times()[:2]) - before) / (time.monotonic() - started)
            sidecar.get("/metrics")
            peak = peak_resident_bytes(process.pid)
            writer.die()
            sidecar.terminate()
            sidecar.wait()
        assert server.ledger.rows == writer.answered
        return peak, share, server.ledger.rows


def write_steadily(
    writer: LogWriter, features: int, rows_per_second: int, per_request: int, seconds: float
) -> None:
    rows = np.random.default_rng(1).normal(size=(per_request, features))
    started, sent = time.monotonic(), 0
    while (passed := time.monotonic() - started) < seconds:
        while sent < passed * rows_per_second:
            writer.answer(rows, time.time_ns())
            sent += per_request
        time.sleep(0.01)


def rows_per_second(per_request: int, *, quick: bool) -> Row:
    """Rows of a standing log counted per second: reading, checksums, cutting and counting, 20 features."""
    features, rows = 20, (1 << 16 if quick else 1 << 18) if per_request > 1 else 1 << 15
    profile = some_profile(features)
    with tempfile.TemporaryDirectory() as place:
        pod = Pod(Path(place), profile=profile)
        writer = LogWriter(Path(place), "w0", profile.hash, features)
        batch = np.random.default_rng(1).normal(size=(per_request, features))
        for _ in range(rows // per_request):
            writer.answer(batch, pod.now_ns)
        started = time.perf_counter()
        pod.wait(11)
        pod.turn()
        figure = writer.answered / (time.perf_counter() - started)
        assert pod.sidecar.snapshot().rows == writer.answered
        writer.die()
    what = f"sidecar counts at most, 20 features, requests of {per_request} rows"
    return Row(what, f"{figure:,.0f} rows/s ({figure * features / 1e6:.1f} M values/s)")


def some_profile(features: int) -> Profile:
    """Normal features with 1,024 cut points each."""
    sample = np.random.default_rng(0).normal(size=(4_000, features))
    return Profile.fit(sample, feature_names=[f"feature_{i}" for i in range(features)])


def peak_resident_bytes(pid: int) -> int:
    """Highest resident memory of a process so far."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise LookupError(f"no VmHWM for process {pid}")
