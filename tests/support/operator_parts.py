"""The operator's rounds without the rest of it: nothing watches, and what they queue stays on the queue."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
from support.operator_rig import IMAGES, Addresses, nowhere
from tidegauge_operator.controller.applier import Applier
from tidegauge_operator.controller.periodic import PeriodicTasks
from tidegauge_operator.controller.pod_failures import PodFailures
from tidegauge_operator.controller.queue import Queue, Schedule
from tidegauge_operator.controller.reconciler import Reconciler
from tidegauge_operator.controller.report_client import ReportClient
from tidegauge_operator.kube.cache import Cache, Key
from tidegauge_operator.kube.client import Cluster

from tidegauge.kit.backoff import Backoff

OWNER_UID = "uid-of-house-prices"


@dataclass(frozen=True)
class Parts:
    """What the rounds work on."""

    cache: Cache
    pods: PodFailures
    reconciler: Reconciler
    schedule: Schedule[Key]
    rounds: PeriodicTasks

    def queued(self) -> list[Key]:
        """Takes all keys off the queue."""
        found = []
        while (key := self.schedule.take(float("inf"))) is not None:
            found.append(key)
            self.schedule.done(key)
        return found


@asynccontextmanager
async def operator_parts(
    cluster: Cluster, namespaces: Sequence[str] = (), addresses: Addresses = nowhere
) -> AsyncIterator[Parts]:
    """Parts that ask this API server and these aggregators."""
    cache, pods = Cache(), PodFailures()
    schedule: Schedule[Key] = Schedule(Backoff(0.5, 300.0), random.Random(0).random)
    queue = Queue(schedule, asyncio.get_running_loop().time)
    applier = Applier(cluster, cache, IMAGES, lambda: "a-token", docs_url="", log_format="json")
    reconciler = Reconciler(cluster, cache, pods, applier, time.time, "tests", lambda _: None)
    async with aiohttp.ClientSession() as session:
        reports = ReportClient(session)
        rounds = PeriodicTasks(cluster, cache, pods, reconciler, queue, namespaces, reports, addresses)
        try:
            yield Parts(cache, pods, reconciler, schedule, rounds)
        finally:
            await cluster.close()


def a_child(api_version: str, kind: str, name: str, namespace: str, **more: Any) -> dict[str, Any]:
    """An object of the model `house-prices`, as the watches tell of it."""
    owner = {
        "apiVersion": "tidegauge.io/v1alpha1",
        "kind": "DriftMonitoredModel",
        "name": "house-prices",
        "uid": OWNER_UID,
        "controller": True,
    }
    metadata = {
        "name": name,
        "namespace": namespace,
        "uid": f"uid-of-{kind}-{name}",
        "ownerReferences": [owner],
    }
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **more}
