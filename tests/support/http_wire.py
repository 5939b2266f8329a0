"""A connection without a socket: bytes in, bytes out, on a loop whose clock the test moves."""

import asyncio
import http.client
import io
import re
from collections import deque
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from uvicorn import Config
from uvicorn.server import ServerState

DATE = (b"date", b"Thu, 01 Jan 2026 00:00:00 GMT")


class ClockLoop(asyncio.SelectorEventLoop):
    """An event loop whose time stands still until it is moved."""

    now = 1000.0

    def time(self) -> float:
        return self.now

    def settle(self) -> None:
        """Do all that can be done without waiting."""
        while True:
            self.call_soon(self.stop)
            self.run_forever()
            if not self._ready:  # type: ignore[attr-defined]
                return

    def move(self, seconds: float) -> None:
        """Let time pass, in steps of a second."""
        until = self.now + seconds
        while self.now < until:
            self.now = min(until, self.now + 1.0)
            self.settle()


class Pipe(asyncio.Transport):
    """The server's side of a connection, kept in memory."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 40_000), "sockname": ("127.0.0.1", 8080)})
        self.out = bytearray()
        self.closing = False
        self.paused = False

    def write(self, data: Any) -> None:
        if not self.closing:
            self.out += data

    def close(self) -> None:
        self.closing = True

    def is_closing(self) -> bool:
        return self.closing

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False


class Wire:
    """A client of one connection.

    Parameters
    ----------
    loop
        Runs the server.
    config
        uvicorn's, with the protocol class under test.
    state
        What connections of one server share; None for a server of its own.
    """

    def __init__(self, loop: ClockLoop, config: Config, state: ServerState | None = None) -> None:
        self.loop = loop
        self.pipe = Pipe()
        self.state = state or ServerState()
        self.state.default_headers = [DATE]
        self.waiting: deque[bytes] = deque()
        make: Any = config.http_protocol_class
        self.connection = make(config=config, server_state=self.state, app_state={}, _loop=loop)
        self.connection.connection_made(self.pipe)

    def send(self, *parts: bytes) -> bytes:
        """Send parts, each in a segment of its own; all that the server has said so far."""
        self.waiting.extend(parts)
        self._deliver()
        return bytes(self.pipe.out)

    def soon(self, *parts: bytes) -> None:
        """Send parts, each in a segment of its own, which arrive in the loop's next turn."""
        for part in parts:
            self.loop.call_soon(self.connection.data_received, part)

    def wait(self, seconds: float) -> bytes:
        """Let time pass."""
        self.loop.move(seconds)
        self._deliver()
        return bytes(self.pipe.out)

    def end(self) -> bytes:
        """Close the client's side for writing only; all that the server has said so far."""
        self.loop.call_soon(self._end)
        self.loop.settle()
        return bytes(self.pipe.out)

    def _end(self) -> None:
        if not self.connection.eof_received():
            self.pipe.close()

    def hang_up(self) -> None:
        """Close the client's side."""
        self.pipe.closing = True
        if self.connection in self.state.connections:
            self.loop.call_soon(self.connection.connection_lost, None)
        self.loop.settle()

    def _deliver(self) -> None:
        self.loop.settle()
        while self.waiting and not self.pipe.paused and not self.pipe.closing:
            self.soon(self.waiting.popleft())
            self.loop.settle()


def configured(app: Any, protocol: Any) -> Config:
    """uvicorn's settings for an application behind a protocol class."""
    config = Config(app, http=protocol, ws="none", lifespan="off", log_config=None, access_log=False)
    config.load()
    return config


def head(method: str, target: str, *fields: str, version: str = "1.1") -> bytes:
    """A request's head."""
    lines = [f"{method} {target} HTTP/{version}", "host: x", *fields, "", ""]
    return "\r\n".join(lines).encode("latin-1")


def post(target: str, body: bytes, *fields: str) -> bytes:
    """A whole request."""
    return head("POST", target, f"content-length: {len(body)}", *fields) + body


def cut(data: bytes, at: Iterable[int]) -> list[bytes]:
    """Bytes cut into segments at positions."""
    ends = sorted({0, len(data), *(place % (len(data) + 1) for place in at)})
    return [data[start:end] for start, end in pairwise(ends)]


def statuses(out: bytes) -> list[int]:
    """The status of each answer in a stream of answers whose bodies hold no such line."""
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", out)]


class _Stream:
    """Several answers on one connection, for a client class that takes the connection to be its own."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def makefile(self, *_: Any, **__: Any) -> "_Stream":
        return self

    def close(self) -> None:
        """Stay open: the next answer comes here too."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def next_answer(stream: Any) -> tuple[int, bytes]:
    """Status and body of the next answer in a stream, read by Python's own client."""
    response = http.client.HTTPResponse(_Stream(stream))  # type: ignore[arg-type]
    response.begin()
    return response.status, response.read()


def answers(out: bytes) -> list[tuple[int, bytes]]:
    """Status and body of all answers."""
    stream, found = io.BytesIO(out), []
    while stream.tell() < len(out):
        found.append(next_answer(stream))
    return found
