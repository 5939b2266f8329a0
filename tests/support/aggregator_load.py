"""Load on an aggregator: its server with a simulated clock as a process of its own, and a feeder of panes."""

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
