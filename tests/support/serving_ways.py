"""The server by its two ways: the short one, and the ordinary one alone."""

import json
import time
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from support.http_wire import ClockLoop, Wire, configured
from support.serving_app import App, read_log
from tidegauge_serving.http.fast_connection import FastConnection
from tidegauge_serving.http.heads import Heads
from tidegauge_serving.http.turn import Turn
from uvicorn.server import ServerState

from tidegauge.http import Connection, Limits

WAYS = ("short", "ordinary")
BODY_BYTES = 200_000
BOUND_SECONDS = 30


class Way:
    """A served bundle, asked over connections in memory.

    Parameters
    ----------
    bundle, folder
        The bundle; where the log goes.
    name
        One of `WAYS`.
    """

    def __init__(self, bundle: Path, folder: Path, name: str, **settings: Any) -> None:
        self.name = name
        self.folder = folder
        self.app = App(bundle, folder, max_body_bytes=BODY_BYTES, **settings)
        self.loop = ClockLoop()
        limits = Limits(body_bytes=BODY_BYTES)
        fast_path = self.app.asgi
        protocol: Any = partial(Connection, limits=limits, refuse=fast_path.refuse)
        self.heads = Heads()
        if name == "short":
            protocol = partial(
                FastConnection, limits=limits, fast_path=fast_path, turn=Turn(fast_path), heads=self.heads
            )
        self.config = configured(fast_path, protocol)
        self.server = ServerState()
        self.wires: list[Wire] = []

    def connect(self) -> Wire:
        self.wires.append(Wire(self.loop, self.config, self.server))
        return self.wires[-1]

    def tell(self, *parts: bytes, seconds: float = 0, ends: bool = False) -> tuple[bytes, bool]:
        """All that a new connection says to parts, and whether it closed; the client's side may end there."""
        wire = self.connect()
        wire.send(*parts)
        if ends:
            wire.end()
        self.finish(wire)
        if seconds:
            wire.wait(seconds)
        out, closed = bytes(wire.pipe.out), wire.pipe.closing
        wire.hang_up()
        return out, closed

    def finish(self, wire: Wire) -> None:
        """Wait for threads that predict."""
        self.loop.settle()
        until = time.monotonic() + BOUND_SECONDS
        while _is_busy(wire.connection):
            assert time.monotonic() < until, "no answer"
            time.sleep(0.0005)
            self.loop.now += 0.002  # a batch waits for others no longer
            wire.send()

    def state(self) -> dict[str, Any]:
        """What metrics, request log and capture know, but for times."""
        metrics = self.app.metrics
        lines = [json.loads(line) for line in self.app.lines]
        _, frames, damaged = read_log(self.folder)
        return {
            "requests": +Counter(metrics.requests),
            "errors": +Counter(metrics.errors),
            "timed": {protocol: sum(found.counts) for protocol, found in metrics.seconds.items()},
            "rows": (metrics.rows, metrics.high_rows, metrics.scores.counts),
            # A refusal is written when it is found; the answer before it on its connection may come later.
            "log": sorted([(line["protocol"], line["code"], line["rows"]) for line in lines], key=str),
            "capture": [value for frame in frames for value in np.frombuffer(frame.payload).tolist()],
            "damaged": damaged,
        }

    def close(self) -> None:
        for wire in self.wires:
            wire.hang_up()
        self.loop.move(6)
        self.app.close()
        self.loop.close()


def _is_busy(connection: Any) -> bool:
    """Whether a request that has come whole is not answered yet."""
    cycle = connection.cycle
    if connection.transport.is_closing() or connection.flow.write_paused:
        return False
    waits = cycle is not None and not (cycle.response_complete or cycle.more_body or cycle.disconnected)
    return waits or bool(connection.pipeline)
