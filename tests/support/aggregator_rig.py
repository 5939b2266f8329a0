"""An aggregator in this process: a real store in a folder, a clock that the test sets, asked over ASGI."""

import asyncio
import functools
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from prometheus_client import CollectorRegistry
from tidegauge_aggregator.http.access import TokenGate
from tidegauge_aggregator.http.app import make_app
from tidegauge_aggregator.http.metrics import ReportCollector
from tidegauge_aggregator.service.aggregator import Aggregator
from tidegauge_aggregator.service.config import parse_config
from tidegauge_aggregator.service.metrics import AggregatorMetrics
from tidegauge_aggregator.service.scheduler import Scheduler
from tidegauge_aggregator.service.validation import Shard
from tidegauge_aggregator.store.base import Store
from tidegauge_aggregator.store.sqlite.store import open_store

from tidegauge.counting.counts import Counts
from tidegauge.kit.watched_file import WatchedFile
from tidegauge.profile.profile import Profile
from tidegauge.protocol.names import pane_path, profile_path
from tidegauge.protocol.pane import Pane

START = 180_000_000  # a pane of 10 s, aligned to 256 panes or not as it happens
PANE_SECONDS = 10


def in_loop(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Run an asynchronous test in an event loop of its own."""

    @functools.wraps(test)
    def run(*arguments: Any, **named: Any) -> None:
        asyncio.run(test(*arguments, **named))  # type: ignore[arg-type]

    return run


def small_profile(seed: int = 0, features: int = 2, cut_points: int = 64) -> Profile:
    names = [f"x{i}" for i in range(features)]
    return Profile.fit(
        np.random.default_rng(seed).normal(size=(5000, features)), cut_points, feature_names=names
    )


class Clock:
    """A time that stands still until it is set."""

    def __init__(self, pane: float = START) -> None:
        self.now = pane * PANE_SECONDS

    def __call__(self) -> float:
        return self.now

    def after(self, pane: int, seconds: float = 6.0) -> None:
        """Some seconds after a pane's end: late enough for it to be evaluated."""
        self.now = (pane + 1) * PANE_SECONDS + seconds


class HookedExecutor(Executor):
    """One thread that calls `before` ahead of each piece of work; a test may wait, send or fail in it."""

    def __init__(self) -> None:
        self.before: Callable[[], None] = lambda: None
        self._thread = ThreadPoolExecutor(1)

    def submit(self, work: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        return self._thread.submit(self._run, work, *arguments, **named)

    def _run(self, work: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        self.before()
        return work(*arguments, **named)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._thread.shutdown(wait, cancel_futures=cancel_futures)


@dataclass
class Pod:
    """A sidecar as the aggregator sees it: it knows what it sent before, as its running totals."""

    instance: str
    profile: Profile
    model: str = "m"
    shard: int = 0
    shards: int = 1
    rows: int = 0
    lost: int = 0

    def message(
        self, pane: int, counts: Counts, /, lost: dict[str, int] | None = None, **other: Any
    ) -> bytes:
        """The next pane's bytes; sending them is taken for granted."""
        share = counts if self.shards == 1 else counts.select(self.profile.shard(self.shard, self.shards))
        given = {
            "model": self.model,
            "profile": self.profile.hash,
            "pane": pane,
            "pane_seconds": PANE_SECONDS,
            "instance": self.instance,
            "pod": f"pod-{self.instance}",
            "rows": counts.rows,
            "rows_before": self.rows,
            "lost": lost or {},
            "lost_before": self.lost,
            "shard": self.shard,
            "shards": self.shards,
            "counts": share.to_bytes(),
        }
        self.rows += counts.rows
        self.lost += sum((lost or {}).values())
        return Pane(**given | other).to_bytes()

    def path(self, pane: int) -> str:
        return pane_path(self.model, self.profile.hash, pane, self.instance)


@dataclass
class Rig:
    """A running aggregator and a client of it."""

    aggregator: Aggregator
    scheduler: Scheduler
    client: httpx.AsyncClient
    clock: Clock
    store: Store
    gate: TokenGate

    async def put_profile(self, profile: Profile, model: str = "m") -> httpx.Response:
        return await self.client.put(profile_path(model, profile.hash), content=profile.to_bytes())

    async def send(self, pod: Pod, pane: int, rows: Any, **other: Any) -> httpx.Response:
        """Count rows as the pod does, and send the pane."""
        counts = rows if isinstance(rows, Counts) else pod.profile.count(np.asarray(rows))
        return await self.client.put(pod.path(pane), content=pod.message(pane, counts, **other))

    async def evaluate(self, pane: int, seconds: float = 6.0) -> None:
        """Let the time after a pane come, and do all that is due then."""
        self.clock.after(pane, seconds)
        for _ in range(200):
            before = {key: series.evaluated for key, series in self.aggregator.all_series.items()}
            await self.scheduler.step()
            if before == {key: series.evaluated for key, series in self.aggregator.all_series.items()}:
                return
        raise AssertionError("evaluation does not come to an end")

    async def get(self, path: str, **query: Any) -> Any:
        response = await self.client.get(path, params=query)
        assert response.status_code == 200, response.text
        return response.json()

    async def report(self, **query: Any) -> Any:
        return await self.get("/v1/report", **query)

    async def metrics(self) -> dict[str, float]:
        """Every sample by its name and labels as they are written."""
        text = (await self.client.get("/metrics")).text
        lines = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
        return {name: float(value) for name, value in lines}


@asynccontextmanager
async def running(
    folder: Path,
    clock: Clock,
    *,
    shard: Shard = Shard(),  # noqa: B008
    retention_seconds: float = 720 * 3600,
    token: Path | None = None,
    config: Path | None = None,
    executor: Executor | None = None,
    store: Store | None = None,
) -> AsyncIterator[Rig]:
    """A loaded aggregator, closed in order on leaving."""
    registry = CollectorRegistry()
    store = store or open_store(folder)
    aggregator = Aggregator(
        store,
        clock=clock,
        metrics=AggregatorMetrics(registry),
        shard=shard,
        retention_seconds=retention_seconds,
        executor=executor,
    )
    scheduler = Scheduler(aggregator, WatchedFile(config, parse_config) if config else None)
    registry.register(ReportCollector(aggregator))
    gate = TokenGate(token)
    transport = httpx.ASGITransport(make_app(aggregator, gate, registry))  # type: ignore[arg-type]
    await aggregator.start()
    async with httpx.AsyncClient(transport=transport, base_url="http://aggregator") as client:
        try:
            yield Rig(aggregator, scheduler, client, clock, store, gate)
        finally:
            await aggregator.close()
