"""Rows for a model on a node: at a steady rate through its Service, or as fast as a pod answers.

Run as a program in the node's network: a task as JSON on stdin, a load as JSON on stdout.
"""

import asyncio
import json
import statistics
import subprocess
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx
import numpy as np
import uvloop
from bench.serving_load import Connection, Load, http_post
from support.node.own_node import OwnNode
from support.story import Story
from support.story_rows import Rows, table

from tidegauge.data.synthetic import columns, rows
from tidegauge.protocol.names import SERVING_PORT

_TICK_SECONDS = 0.4
_BODIES = 64
_ROWS_PER_REQUEST = 20


class Feeder:
    """Sends rows drawn from the profile at a steady rate; the connection is changed with each tick.

    Parameters
    ----------
    story
        The model.
    per_second
        Rows.
    seed
        Of the rows.
    """

    def __init__(self, story: Story, per_second: int, seed: int) -> None:
        self._address = story.address()
        self._model = story.name
        self._profile = story.profile("bundle")
        self._count = round(per_second * _TICK_SECONDS)
        self._random = np.random.default_rng(seed)
        self._moved: str | None = None
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._send)

    def __enter__(self) -> "Feeder":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        self._thread.join()

    def move(self, feature: str) -> None:
        """From now on this feature is half a standard deviation higher."""
        self._moved = feature

    def _send(self) -> None:
        due = time.monotonic()
        while not self._end.is_set():
            # kube-proxy chooses a pod for each connection; without TLS, whose context takes long to make
            with httpx.Client(timeout=20, verify=False) as client:
                self._send_some(client, self._rows())
            due += _TICK_SECONDS
            self._end.wait(max(0.0, due - time.monotonic()))

    def _send_some(self, client: httpx.Client, drawn: Rows) -> None:
        for at in range(0, len(drawn), _ROWS_PER_REQUEST):
            some = drawn[at : at + _ROWS_PER_REQUEST]
            tensor = {"name": "rows", "shape": some.shape, "datatype": "FP32", "data": some.tolist()}
            way = f"{self._address}/v2/models/{self._model}/infer"
            client.post(way, json={"inputs": [tensor]}).raise_for_status()

    def _rows(self) -> Rows:
        scenario, features = ("moderate", [self._moved]) if self._moved else ("baseline", None)
        return table(columns(self._profile, self._count, scenario, self._random, features))


def pod_load(story: Story, address: str, connections: int, seconds: float) -> Load:
    """What a pod answers to this many connections, each sending one row after the other."""
    assert isinstance(story.node, OwnNode), "the load runs in the network of a node made here"
    profile = story.profile("bundle")
    drawn = rows(profile, _BODIES, "baseline", np.random.default_rng(99))
    requests = [http_post("/predict", json.dumps({"features": row}).encode()).decode() for row in drawn]
    task = {"host": address, "requests": requests, "connections": connections, "seconds": seconds}
    run = subprocess.run(
        [*story.node.box.in_network(), sys.executable, "-m", "bench.cluster_load"],
        input=json.dumps(task),
        capture_output=True,
        text=True,
        timeout=seconds + 60,
        check=True,
        cwd=Path(__file__).parents[1],
    )
    load = Load(**json.loads(run.stdout))
    assert not load.errors, f"{load.errors} requests failed"
    return load


async def _drive(task: dict[str, Any]) -> Load:
    requests = [request.encode() for request in task["requests"]]
    times: list[float] = []
    started, processor = time.perf_counter(), time.process_time()
    loop = asyncio.get_running_loop()
    opened = [
        (
            await loop.create_connection(
                lambda index=index: Connection(requests, index * 17, started + task["seconds"], times),
                task["host"],
                SERVING_PORT,
            )
        )[1]
        for index in range(task["connections"])
    ]
    errors = sum(await asyncio.gather(*(connection.done for connection in opened)))
    elapsed, busy = time.perf_counter() - started, time.process_time() - processor
    cuts = statistics.quantiles(times, n=100, method="inclusive")
    return Load(len(times), errors, elapsed, cuts[49], cuts[98], busy)


def main() -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(asdict(runner.run(_drive(json.load(sys.stdin))))))


if __name__ == "__main__":
    main()
