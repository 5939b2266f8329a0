"""Put the operator's parts together, and run them until a signal comes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import secrets
import time
from collections import Counter
from collections.abc import Callable
from http.server import ThreadingHTTPServer
from typing import Any, Final

import aiohttp
from prometheus_client import CollectorRegistry

from tidegauge.kit.backoff import Backoff
from tidegauge.kit.listening import announce, listen
from tidegauge.kit.signals import on_end_signals
from tidegauge.resource import DriftMonitoredModel
from tidegauge_operator.children.urls import aggregator_urls
from tidegauge_operator.controller import health
from tidegauge_operator.controller.applier import Applier
from tidegauge_operator.controller.failures import failure_of
from tidegauge_operator.controller.handlers import EventHandlers
from tidegauge_operator.controller.periodic import PeriodicTasks, attempt, every
from tidegauge_operator.controller.pod_failures import PodFailures
from tidegauge_operator.controller.queue import Queue, Schedule
from tidegauge_operator.controller.reconciler import Reconciler
from tidegauge_operator.controller.report_client import ReportClient
from tidegauge_operator.kube.cache import Cache, Key
from tidegauge_operator.kube.client import ApiError, Cluster, connect
from tidegauge_operator.kube.informer import Informer
from tidegauge_operator.kube.watches import OpenWatches, watched_paths
from tidegauge_operator.settings import Settings

__all__ = ["Operator"]

logger = logging.getLogger(__name__)

WORKERS: Final = 8
DEFINITIONS_SECONDS: Final = 30.0
DELETIONS_SECONDS: Final = 300.0
RELISTED_SECONDS: Final = 0.5
RETRY_SECONDS: Final = 5.0
_BACKOFF: Final = Backoff(first_seconds=0.5, most_seconds=300.0)
TOKEN_BYTES: Final = 32


class Operator:
    """One operator.

    Parameters
    ----------
    settings
        Its settings.
    cluster
        The API server.
    addresses
        Where a model's aggregators answer.
    definitions_seconds
        How often it looks for the definitions of other products.
    backoff
        How long a model that failed waits for its next try.
    """

    def __init__(
        self,
        settings: Settings,
        cluster: Cluster,
        addresses: Callable[[DriftMonitoredModel], list[str]] = aggregator_urls,
        definitions_seconds: float = DEFINITIONS_SECONDS,
        backoff: Backoff = _BACKOFF,
    ) -> None:
        self._settings, self._cluster, self._addresses = settings, cluster, addresses
        self._definitions_seconds = definitions_seconds
        clock = asyncio.get_running_loop().time
        self.cache, self._pods = Cache(), PodFailures()
        self.queue: Queue[Key] = Queue(Schedule(backoff, random.random), clock)
        applier = Applier(
            cluster,
            self.cache,
            settings.images,
            lambda: secrets.token_urlsafe(TOKEN_BYTES),
            settings.docs_url,
            settings.log_format,
        )
        self.health = health.Health(clock, lambda: self.queue.overdue_seconds)
        self.meters = health.Meters(
            CollectorRegistry(), lambda: len(self.queue), lambda: len(self._watches.closed()), self._verdicts
        )
        self.reconciler = Reconciler(
            cluster,
            self.cache,
            self._pods,
            applier,
            time.time,
            settings.identity,
            self.meters.count_error,
        )
        handlers = EventHandlers(self.cache, self._pods, self.reconciler, self.queue)
        self._watches = OpenWatches(self._wanted_watches, self._watch_opened, self.meters.count_error)
        self._informer = Informer(
            settings.namespaces,
            cluster.credentials,
            handlers.handle,
            self._watches,
            self.meters.count_error,
        )
        self._definitions_known = asyncio.Event()
        self._relisted = asyncio.Event()
        self.address = ""

    def _verdicts(self) -> Counter[str]:
        return Counter(self.reconciler.verdict(key) for key in self.cache.models)

    async def run(self, stop: asyncio.Event) -> None:
        """Work until the flag `stop` is set, then finish the passes under way."""
        async with aiohttp.ClientSession() as session:
            server = self._serve_health()
            watching = asyncio.create_task(self._informer.run())
            rounds = [asyncio.create_task(task) for task in (stop.wait(), *self._rounds(session))]
            workers = [asyncio.create_task(self._be_worker()) for _ in range(WORKERS)]
            try:
                done, _ = await asyncio.wait([watching, *rounds, *workers], return_when="FIRST_COMPLETED")
                for task in done:
                    task.result()  # a part failed: end, so that Kubernetes restarts the whole program
            finally:
                self._informer.stop()
                for task in rounds:
                    task.cancel()
                await self.queue.close()
                self._definitions_known.set()
                await asyncio.gather(watching, *workers, *rounds, return_exceptions=True)
                await asyncio.to_thread(server.shutdown)
                server.server_close()
                await self._cluster.close()

    def _rounds(self, session: aiohttp.ClientSession) -> list[Any]:
        rounds = PeriodicTasks(
            self._cluster,
            self.cache,
            self._pods,
            self.reconciler,
            self.queue,
            self._settings.namespaces,
            ReportClient(session),
            self._addresses,
        )
        return [
            every(self._definitions_seconds, lambda: self._look_for_definitions(rounds)),
            every(self._settings.report_seconds, rounds.ask_for_reports),
            self._find_missed_deletions(rounds),
        ]

    async def _look_for_definitions(self, rounds: PeriodicTasks) -> None:
        changed = await rounds.look_for_definitions()
        if changed and self._definitions_known.is_set() and self._settings.namespaces:
            self._informer.renew()  # serving all namespaces, Kopf sees definitions come and go by itself
        self._definitions_known.set()
        self._may_be_ready()

    async def _find_missed_deletions(self, rounds: PeriodicTasks) -> None:
        """Check soon after a watch began with a list, and every few minutes."""
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._relisted.wait(), DELETIONS_SECONDS)
                await asyncio.sleep(RELISTED_SECONDS)  # one look for all watches that begin together
            self._relisted.clear()
            if not await attempt(rounds.find_missed_deletions, RETRY_SECONDS):
                self._relisted.set()
                await asyncio.sleep(RETRY_SECONDS)

    def _watch_opened(self, listed: bool) -> None:
        if listed:
            self._relisted.set()
        self._may_be_ready()

    def _wanted_watches(self) -> set[str]:
        return watched_paths(self._settings.namespaces, self.reconciler.known_kinds)

    def _may_be_ready(self) -> None:
        if self._definitions_known.is_set() and not self._watches.closed():
            self.health.ready = True

    async def _be_worker(self) -> None:
        await self._definitions_known.wait()  # else objects of kinds not seen yet seem unwanted
        await self.queue.work(self._work)

    async def _work(self, key: Key, is_try: bool) -> bool:
        """Reconcile one model; the worker survives any failure."""
        self.health.begin(key)
        try:
            with self.meters.reconcile_seconds.time():
                return await self.reconciler.reconcile(key, is_try)
        except ApiError as error:
            failure = failure_of(error)
            self.meters.count_error(failure.reason)
            logger.warning("%s: %s", failure.reason, failure.message, extra={"key": str(key)})
            return False
        except Exception as error:
            self.meters.count_error(type(error).__name__)
            logger.exception("reconcile failed", extra={"key": str(key)})
            return False
        finally:
            self.health.end(key)

    def _serve_health(self) -> ThreadingHTTPServer:
        listening = listen(self._settings.host, self._settings.port)
        server = health.serve(listening, self.health, self.meters)
        announce(listening)
        host, port = listening.getsockname()[:2]
        self.address = f"http://{host}:{port}"
        return server


async def run(settings: Settings) -> None:
    """Run the operator until a signal comes."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    on_end_signals(stop.set, loop)
    cluster = await connect(settings.kubeconfig)
    await Operator(settings, cluster).run(stop)
