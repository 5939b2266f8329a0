"""A load client that costs much less than the server: prepared bytes, raw sockets, one process.

Run as a program: a task as JSON on stdin, loads as JSON on stdout.
"""

import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from typing import Any

import uvloop


@dataclass(frozen=True)
class Load:
    """What one run measured."""

    requests: int
    errors: int
    seconds: float
    p50_seconds: float
    p99_seconds: float
    client_seconds: float  # processor time of the client itself

    @property
    def per_second(self) -> float:
        return self.requests / self.seconds

    @property
    def client_share(self) -> float:
        """How busy the client was: near 1 it is the client that was measured, not the server."""
        return self.client_seconds / self.seconds


class Connection(asyncio.Protocol):
    """Sends the next request once the answer to the last one is whole."""

    def __init__(self, requests: list[bytes], start: int, until: float, times: list[float]) -> None:
        self.done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._requests = requests
        self._next = start
        self._until = until
        self._times = times
        self._errors = 0
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._send()

    def _send(self) -> None:
        self._sent = time.perf_counter()
        self._transport.write(self._requests[self._next % len(self._requests)])  # type: ignore[attr-defined]
        self._next += 1

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer + data if self._buffer else data
        head = buffer.find(b"\r\n\r\n")
        if head < 0:
            self._buffer = buffer
            return
        at = buffer.find(b"content-length: ") + 16
        if len(buffer) < head + 4 + int(buffer[at : buffer.index(b"\r", at)]):
            self._buffer = buffer
            return
        self._buffer = b""
        now = time.perf_counter()
        self._times.append(now - self._sent)
        if not buffer.startswith(b"HTTP/1.1 200"):
            self._errors += 1
        if now < self._until:
            self._send()
        else:
            self._transport.close()
            self.done.set_result(self._errors)

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002
        if not self.done.done():
            self.done.set_result(self._errors + 1)


def free_port() -> int:
    """A port that nothing listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def http_post(path: str, body: bytes) -> bytes:
    """A request's bytes."""
    head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


async def drive(port: int, requests: list[bytes], connections: int, seconds: float) -> Load:
    times: list[float] = []
    started, processor = time.perf_counter(), time.process_time()
    until = started + seconds
    loop = asyncio.get_running_loop()
    opened = []
    for index in range(connections):
        _, protocol = await loop.create_connection(
            lambda index=index: Connection(requests, index * 17, until, times), "127.0.0.1", port
        )
        opened.append(protocol)
    errors = sum(await asyncio.gather(*(protocol.done for protocol in opened)))
    elapsed, busy = time.perf_counter() - started, time.process_time() - processor
    cuts = statistics.quantiles(times, n=100, method="inclusive")
    return Load(len(times), errors, elapsed, cuts[49], cuts[98], busy)


def measure(
    port: int, path: str, bodies: list[bytes], connections: int, seconds: float, cpu: int | None = None
) -> Load:
    """Drive a server from a process of its own."""
    return measure_in_turns([port], path, bodies, connections, seconds, 1, cpu)[0][0]


def measure_in_turns(
    ports: list[int],
    path: str,
    bodies: list[bytes],
    connections: int,
    seconds: float,
    rounds: int,
    cpu: int | None = None,
) -> list[list[Load]]:
    """Drive servers in turns from one process, the order turned round each round; one list per round."""
    task = {
        "ports": ports,
        "requests": [http_post(path, body).decode() for body in bodies],
        "connections": connections,
        "seconds": seconds,
        "rounds": rounds,
        "cpu": cpu,
    }
    run = subprocess.run(
        [sys.executable, __file__],
        input=json.dumps(task),
        stdout=subprocess.PIPE,
        text=True,
        timeout=len(ports) * rounds * seconds + 60,
        check=True,
    )
    return [[Load(**load) for load in loads] for loads in json.loads(run.stdout)]


async def drive_in_turns(task: dict[str, Any]) -> list[list[dict[str, Any]]]:
    requests = [request.encode() for request in task["requests"]]
    found = []
    for index in range(task["rounds"]):
        loads = {}
        for port in task["ports"] if index % 2 else reversed(task["ports"]):
            loads[port] = await drive(port, requests, task["connections"], task["seconds"])
        found.append([asdict(loads[port]) for port in task["ports"]])
    return found


def main() -> None:
    task = json.load(sys.stdin)
    if task["cpu"] is not None:
        os.sched_setaffinity(0, {task["cpu"]})
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(drive_in_turns(task))))


if __name__ == "__main__":
    main()
