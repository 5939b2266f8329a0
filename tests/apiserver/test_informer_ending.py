"""Kopf ends when it has to, whatever its watches are doing, and all watches are open again after that."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from support.controlplane.api import Document
from support.controlplane.cluster import Cluster
from support.controlplane.provide import uses_existing
from support.faulty_proxy import FaultyProxy
from tidegauge_operator.children.labels import MANAGED_BY
from tidegauge_operator.kube import informer
from tidegauge_operator.kube.client import connect
from tidegauge_operator.kube.informer import Informer
from tidegauge_operator.kube.watches import OpenWatches, watched_paths

from tidegauge.kit.backoff import Backoff

pytestmark = pytest.mark.skipif(uses_existing(), reason="the proxy acts by a client certificate")


@pytest.fixture
def proxy(cluster: Cluster) -> Iterator[FaultyProxy]:
    running = FaultyProxy(cluster.kubeconfig())
    yield running
    running.stop()


class Watching:
    """An informer that runs, and what it has reported."""

    def __init__(self, namespace: str) -> None:
        self.errors: Counter[str] = Counter()
        self.names: set[str] = set()
        self.watches = OpenWatches(lambda: watched_paths((namespace,), ()), lambda _: None, self.count)
        self.informer: Informer

    def count(self, reason: str) -> None:
        self.errors[reason] += 1

    async def handle(self, _: str | None, document: dict[str, Any]) -> None:
        self.names.add(document["metadata"]["name"])


@asynccontextmanager
async def watching(proxy: FaultyProxy, namespace: str) -> AsyncIterator[Watching]:
    client, found = await connect(proxy.kubeconfig()), Watching(namespace)
    found.informer = Informer((namespace,), client.credentials, found.handle, found.watches, found.count)
    running = asyncio.create_task(found.informer.run())
    try:
        await until(lambda: not found.watches.closed(), "all watches are open")
        yield found
    finally:
        found.informer.stop()
        async with asyncio.timeout(20):
            await running
        await client.close()


async def until(condition: Callable[[], object], what: str) -> None:
    try:
        async with asyncio.timeout(45):
            while not condition():
                await asyncio.sleep(0.02)
    except TimeoutError:
        pytest.fail(f"not within 45 s: {what}")


def a_secret(namespace: str, name: str) -> Document:
    labels = {"app.kubernetes.io/managed-by": MANAGED_BY}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
    }


@pytest.mark.parametrize("seed", range(3))
def test_a_kopf_that_fails_ends_while_other_watches_are_being_opened(
    cluster: Cluster, namespace: str, proxy: FaultyProxy, seed: int
) -> None:
    """A watch of Kopf that waits for its answer takes its first cancellation for a pause, and goes on."""
    dice = random.Random(seed)

    def fault(_: str, path: str) -> int | None:
        if "/driftmonitoredmodels?" in path:
            return 404
        return dice.choice((None, 429, 503)) if "watch=" in path else None

    async def live() -> None:
        async with watching(proxy, namespace) as found:
            cluster.admin.apply(a_secret(namespace, "before"))
            proxy.fault = fault
            proxy.cut()
            await until(lambda: found.errors["WatchesEnded"], "Kopf ended")
            cluster.admin.apply(a_secret(namespace, "after"))
            proxy.fault = None
            await until(lambda: not found.watches.closed(), "all watches are open again")
            await until(lambda: {"before", "after"} <= found.names, "what changed meanwhile is seen")

    asyncio.run(live())


def test_a_kopf_that_is_renewed_ends_while_its_watches_are_cut(namespace: str, proxy: FaultyProxy) -> None:
    async def live() -> None:
        async with watching(proxy, namespace) as found:
            for _ in range(3):
                opened = len(proxy.requests)
                proxy.cut()
                found.informer.renew()
                await until(lambda opened=opened: len(proxy.requests) > opened, "Kopf is started again")
                await until(lambda: not found.watches.closed(), "all watches are open again")
            assert not found.errors, "what was asked for is no failure"

    asyncio.run(live())


def test_an_informer_that_waits_after_a_failure_stops_at_once(
    namespace: str, proxy: FaultyProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(informer, "_BACKOFF", Backoff(first_seconds=600.0, most_seconds=600.0, jitter=0.0))

    async def live() -> None:
        async with watching(proxy, namespace) as found:  # whose end allows it 20 s
            proxy.fault = lambda _, path: 404 if "/driftmonitoredmodels?" in path else None
            proxy.cut()
            await until(lambda: found.errors["WatchesEnded"], "Kopf ended")

    asyncio.run(live())
