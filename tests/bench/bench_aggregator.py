"""The aggregator under 1,000 instances x 50 features: processor time per pane of 10 s, memory over an hour.

Panes come over HTTP from another process as fast as they are taken; the clock is simulated, so an hour of
panes takes minutes. Every pane is on the disk before it is acknowledged. Each message's counts are of 1,000
rows. Memory is watched over an hour of panes of 100 instances (more of them add their own rows by bin, up to
32 MiB, and little else), after 13 hours of one instance, which fill the windows.
"""

import asyncio
import json
import mmap
import os
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
from bench.rows import Row

from tidegauge.profile.profile import Profile
from tidegauge.protocol.names import pane_path, profile_path
from tidegauge.protocol.pane import Pane

_TIME = struct.Struct("<d")


class SharedClock:
    """A time that one process sets and another reads: eight bytes of a file."""

    def __init__(self, path: Path) -> None:
        path.touch()
        with path.open("r+b") as file:
            file.truncate(_TIME.size)
            self._map = mmap.mmap(file.fileno(), _TIME.size)

    def __call__(self) -> float:
        return float(_TIME.unpack_from(self._map)[0])

    def set(self, seconds: float) -> None:
        _TIME.pack_into(self._map, 0, seconds)


@dataclass(frozen=True)
class Target:
    """A running aggregator whose clock is ours."""

    process: subprocess.Popen[str]
    port: int
    clock: SharedClock


@contextmanager
def simulated_aggregator(start_seconds: float) -> Iterator[Target]:
    """An aggregator on a free port with an empty store, ended on leaving."""
    with tempfile.TemporaryDirectory() as folder:
        clock = SharedClock(Path(folder, "clock"))
        clock.set(start_seconds)
        process = subprocess.Popen(
            [sys.executable, __file__, folder],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OPENBLAS_NUM_THREADS": "1"},
        )
        try:
            assert process.stdout is not None
            yield Target(process, json.loads(process.stdout.readline())["port"], clock)
        finally:
            process.terminate()
            process.wait(30)


def messages(
    profile: Profile, pane: int, instances: int, pool: Sequence[tuple[int, bytes]], first_pane: int
) -> Iterator[tuple[str, bytes]]:
    """Path and body of one pane of each instance, with counts out of a pool of (rows, bytes)."""
    for i in range(instances):
        rows, counts = pool[(pane + i) % len(pool)]
        name = f"instance-{i:04d}"
        message = Pane(
            model="load",
            profile=profile.hash,
            pane=pane,
            pane_seconds=10,
            instance=name,
            pod=f"pod-{i}",
            rows=rows,
            rows_before=rows * (pane - first_pane),
            counts=counts,
        )
        yield pane_path("load", profile.hash, pane, name), message.to_bytes()


class Feeder:
    """Sends requests over some connections, each one after the other."""

    def __init__(self, port: int, connections: int = 8) -> None:
        self._port, self._connections = port, connections

    async def put_profile(self, profile: Profile) -> None:
        await self.send([(profile_path("load", profile.hash), profile.to_bytes())])

    async def send(self, requests: Iterable[tuple[str, bytes]]) -> None:
        """Send all, again where the answer is 503 as a sidecar does; fails on any other refusal."""
        waiting = iter(requests)
        await asyncio.gather(*(self._connection(waiting) for _ in range(self._connections)))

    async def _connection(self, waiting: Iterator[tuple[str, bytes]]) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        for path, body in waiting:
            while await self._put(reader, writer, path, body) == 503:
                await asyncio.sleep(0.2)
        writer.close()
        await writer.wait_closed()

    @staticmethod
    async def _put(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str, body: bytes) -> int:
        writer.write(f"PUT {path} HTTP/1.1\r\nhost: a\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
        answer, status = await reader.readexactly(length), int(head.split()[1])
        assert status in (200, 201, 503), (head, answer)
        return status


if __name__ == "__main__":
    import uvloop
    from tidegauge_aggregator.__main__ import serve
    from tidegauge_aggregator.settings import Settings

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        folder = Path(sys.argv[1])
        here = Settings(data_dir=folder / "data", host="127.0.0.1", port=0)
        runner.run(serve(here, SharedClock(folder / "clock")))


FEATURES = 50
INSTANCES = 1000
ROWS = 1000
PANE_SECONDS = 10
START = 1_800_000_000 // PANE_SECONDS
WARM_PANES = 8
HOUR_INSTANCES = 100
HOUR_PANES = 360
FILLING_PANES = 4608  # fills the windows of up to 11 hours, so that the hour shows what is not bounded


def run(quick: bool) -> list[Row]:
    """Processor time and memory of one aggregator process."""
    profile, pool = _traffic()
    with simulated_aggregator(START * PANE_SECONDS) as target:
        return asyncio.run(_measure(target, profile, pool, quick))


def _traffic() -> tuple[Profile, list[tuple[int, bytes]]]:
    rng = np.random.default_rng(3)
    names = [f"feature_{i}" for i in range(FEATURES)]
    profile = Profile.fit(rng.normal(size=(100_000, FEATURES)), feature_names=names)
    pool = [(ROWS, profile.count(rng.normal(size=(ROWS, FEATURES))).to_bytes()) for _ in range(16)]
    return profile, pool


async def _measure(target: Target, profile: Profile, pool: list[tuple[int, bytes]], quick: bool) -> list[Row]:
    feeder = Feeder(target.port)
    process = psutil.Process(target.process.pid)
    await feeder.put_profile(profile)

    async def feed(panes: range, instances: int) -> list[tuple[float, float]]:
        """Processor seconds and resident MiB after each pane."""
        measured = []
        for pane in panes:
            target.clock.set((pane + 1) * PANE_SECONDS + 0.5)
            await feeder.send(messages(profile, pane, instances, pool, START))
            times = process.cpu_times()
            measured.append((times.user + times.system, process.memory_info().rss / 2**20))
        return measured

    end = START + WARM_PANES + (6 if quick else 24)
    full = np.array(await feed(range(START, end), INSTANCES))
    rows = [_processor_row(full[WARM_PANES - 1 :, 0], pool)]
    if not quick:
        start = end + FILLING_PANES
        for pane in range(end, start, 16):
            target.clock.set((pane + 16) * PANE_SECONDS + 0.5)
            await feeder.send(m for p in range(pane, pane + 16) for m in messages(profile, p, 1, pool, START))
        end = start
        hour = np.array(await feed(range(end, end + HOUR_PANES), HOUR_INSTANCES))
        rows.append(_memory_row(hour[:, 1]))
    return rows


def _processor_row(processor: np.ndarray, pool: list[tuple[int, bytes]]) -> Row:
    share = float(processor[-1] - processor[0]) / ((len(processor) - 1) * PANE_SECONDS)
    return Row(
        f"{INSTANCES} instances x {FEATURES} features per 10 s, durable: share of one core",
        f"{share:.1%}",
        "<= 40 %",
        share <= 0.4,
        {"panes": len(processor) - 1, "counts_bytes": float(np.mean([len(counts) for _, counts in pool]))},
    )


def _memory_row(resident: np.ndarray) -> Row:
    """Flat: a straight line through it rises by less than a twentieth in the hour."""
    slope = float(np.polyfit(np.arange(resident.size) / HOUR_PANES, resident, 1)[0])
    return Row(
        f"resident memory over {HOUR_PANES} panes",
        f"{resident[0]:.0f} to {resident[-1]:.0f} MiB, {slope:+.1f} MiB an hour",
        "flat",
        bool(slope < 0.05 * resident[0]),
        {"resident_mib": [round(float(x), 1) for x in resident[::6]]},
    )
