"""The operator's parts put together, and run until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

import aiohttp
import kopf
from aiohttp import web
from prometheus_client import CollectorRegistry

from tidegauge.resource import DriftMonitoredModel
from tidegauge_operator import face, handlers
from tidegauge_operator.children.urls import aggregator_urls
from tidegauge_operator.cluster import Cluster, connect
from tidegauge_operator.queue import Backoff, Queue, Schedule
from tidegauge_operator.reconcile import Reconciler
from tidegauge_operator.report_client import ReportClient
from tidegauge_operator.rounds import Rounds, every
from tidegauge_operator.settings import Settings
from tidegauge_operator.store import Key, Store
from tidegauge_operator.upkeep import Upkeep

__all__ = ["Operator", "kopf_settings"]

logger = logging.getLogger(__name__)

WORKERS: Final = 8
DEFINITIONS_SECONDS: Final = 30.0
DELETIONS_SECONDS: Final = 300.0
TOKEN_BYTES: Final = 32
_PATIENCE: Final = (1, 1, 2, 3, *([5] * 720))  # an API server may be away for an hour before we give up


class Operator:
    """One operator.

    Parameters
    ----------
    settings
        What it is told.
    cluster
        The API server.
    addresses
        Where a model's aggregators answer.
    definitions_seconds
        How often it looks for definitions of other products.
    """

    def __init__(
        self,
        settings: Settings,
        cluster: Cluster,
        addresses: Callable[[DriftMonitoredModel], list[str]] = aggregator_urls,
        definitions_seconds: float = DEFINITIONS_SECONDS,
    ) -> None:
        self._settings, self._cluster, self._addresses = settings, cluster, addresses
        self._definitions_seconds = definitions_seconds
        clock = asyncio.get_running_loop().time
        self.store = Store()
        self.queue: Queue[Key] = Queue(Schedule(Backoff(), random.random), clock)
        upkeep = Upkeep(cluster, self.store, settings.images, lambda: secrets.token_urlsafe(TOKEN_BYTES))
        self.health = face.Health(clock)
        self.meters = face.Meters(CollectorRegistry(), lambda: len(self.queue), self._verdicts)
        self.reconciler = Reconciler(
            cluster, self.store, upkeep, time.time, settings.identity, self.meters.count_error
        )
        self.address = ""

    def _verdicts(self) -> Counter[str]:
        return Counter(self.reconciler.verdict(key) for key in self.store.models)

    async def run(self, stop: Any) -> None:
        """Work until the flag `stop` is set; then finish what is under way."""
        registry, settings = kopf.OperatorRegistry(), kopf_settings(bool(self._settings.namespaces))
        handlers.register(registry, settings, self.store, self.reconciler, self.queue)
        kopf.on.login(registry=registry)(self._login)
        async with aiohttp.ClientSession() as session:
            pages = await self._show_pages()
            tasks = [asyncio.create_task(task) for task in self._tasks(session)]
            workers = [asyncio.create_task(self.queue.work(self._work)) for _ in range(WORKERS)]
            try:
                await kopf.operator(
                    registry=registry,
                    settings=settings,
                    standalone=True,
                    clusterwide=not self._settings.namespaces,
                    namespaces=self._settings.namespaces,
                    stop_flag=stop,
                )
            finally:
                for task in tasks:
                    task.cancel()
                await self.queue.close()
                await asyncio.gather(*workers, *tasks, return_exceptions=True)
                await pages.cleanup()
                await self._cluster.close()

    def _tasks(self, session: aiohttp.ClientSession) -> list[Any]:
        namespaces = self._settings.namespaces or None
        rounds = Rounds(
            self._cluster,
            self.store,
            self.reconciler,
            self.queue,
            namespaces,
            ReportClient(session),
            self._addresses,
        )
        return [
            every(self._definitions_seconds, rounds.look_for_definitions),
            every(self._settings.report_seconds, rounds.ask_for_reports),
            every(DELETIONS_SECONDS, lambda: rounds.find_missed_deletions(handlers.SELECTOR)),
        ]

    async def _work(self, key: Key) -> bool:
        """Look at one model; whatever goes wrong, the worker goes on."""
        self.health.begin(key)
        try:
            with self.meters.reconcile_seconds.time():
                return await self.reconciler.reconcile(key)
        except Exception as error:
            self.meters.count_error(type(error).__name__)
            logger.exception("reconcile failed", extra={"key": str(key)})
            return False
        finally:
            self.health.end(key)

    async def _login(self, **_: Any) -> kopf.ConnectionInfo:
        given = await self._cluster.credentials()
        return kopf.ConnectionInfo(
            server=given.server,
            ca_path=given.authority,
            certificate_path=given.certificate,
            private_key_path=given.key,
            scheme="Bearer" if given.token else None,
            token=given.token,
            insecure=not given.verify,
        )

    async def _show_pages(self) -> web.AppRunner:
        runner = web.AppRunner(face.application(self.health, self.meters), access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, self._settings.host, self._settings.port)
        await site.start()
        host, port = runner.addresses[0][:2]
        self.address = f"http://{host}:{port}"
        self.health.ready = True
        return runner


def kopf_settings(single_namespace: bool) -> kopf.OperatorSettings:
    """Kopf as a bringer of events only: it keeps no state in the cluster and posts nothing."""
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.persistence.finalizer = "tidegauge.io/none"
    settings.scanning.disabled = single_namespace  # definitions and namespaces cannot be watched then
    settings.watching.server_timeout = 300
    settings.watching.client_timeout = 330
    settings.networking.request_timeout = 60
    settings.networking.error_backoffs = _PATIENCE
    return settings


async def run(settings: Settings) -> None:
    """Run the operator until a signal comes."""
    cluster = await connect(settings.kubeconfig)
    await Operator(settings, cluster).run(stop=None)
