"""Periodic tasks: ask for reports, look for definitions, find missed deletions."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from tidegauge.resource import DriftMonitoredModel, of_stored
from tidegauge_operator.children.labels import SELECTOR, aggregator_name
from tidegauge_operator.controller.pod_failures import PodFailures
from tidegauge_operator.controller.queue import Queue
from tidegauge_operator.controller.reconciler import NO_REPORT_YET, Reconciler, ReportResult
from tidegauge_operator.controller.report_client import ReportClient, ReportError
from tidegauge_operator.kube.cache import Cache, Key, Ref
from tidegauge_operator.kube.client import ApiError, Cluster
from tidegauge_operator.kube.kinds import CHILDREN, MODELS, PODS, Kind

__all__ = ["PeriodicTasks", "attempt", "every"]

logger = logging.getLogger(__name__)

SILENT_ROUNDS: Final = 3  # a single missing answer is not reported yet
_NOT_READY: Final = ReportResult(None, NO_REPORT_YET, asked=False)


async def every(seconds: float, act: Callable[[], Awaitable[None]]) -> None:
    """Call a function every so many seconds, even if one call fails."""
    while True:
        await attempt(act, seconds)
        await asyncio.sleep(seconds)


async def attempt(act: Callable[[], Awaitable[None]], seconds: float) -> bool:
    """Call a function and return whether it succeeded; the log says when the next try is."""
    try:
        await act()
    except ApiError as error:
        logger.warning("%s: tried again in %g s", error, seconds)
    except Exception:  # one model that is not understood must not end the rounds over all
        logger.exception("a round failed: tried again in %g s", seconds)
    else:
        return True
    return False


class PeriodicTasks:
    """Runs the repeated work on all models.

    Parameters
    ----------
    cluster, cache, pods, reconciler, queue
        The parts of the operator.
    namespaces
        Namespaces it watches; empty for all.
    reports, addresses
        The client for reports, and the addresses of a model's aggregators.
    """

    def __init__(
        self,
        cluster: Cluster,
        cache: Cache,
        pods: PodFailures,
        reconciler: Reconciler,
        queue: Queue[Key],
        namespaces: Sequence[str],
        reports: ReportClient,
        addresses: Callable[[DriftMonitoredModel], list[str]],
    ) -> None:
        self._cluster, self._cache, self._pods = cluster, cache, pods
        self._reconciler, self._queue = reconciler, queue
        self._namespaces: Sequence[str | None] = namespaces or (None,)
        self._reports, self._addresses = reports, addresses
        self._silent: Counter[Key] = Counter()

    async def ask_for_reports(self) -> None:
        """Ask the aggregators of every model; one that fails does not stop the others."""
        keys = list(self._cache.models)
        ends = await asyncio.gather(*(self._ask(key) for key in keys), return_exceptions=True)
        for key, end in zip(keys, ends, strict=True):
            if isinstance(end, Exception):
                logger.error("asking for a report failed", exc_info=end, extra={"key": str(key)})
        for key in set(self._silent) - set(keys):
            del self._silent[key]

    async def _ask(self, key: Key) -> None:
        document = self._cache.models.get(key)
        if document is None:
            return
        result = await self._ask_aggregators(key, document)
        if result is not None:
            self._reconciler.record_report(key, result)
            await self._queue.add(key)

    async def _ask_aggregators(self, key: Key, document: dict[str, object]) -> ReportResult | None:
        """Return the report; None if it, or a part of it, is missing for the first times."""
        model = of_stored(document)
        aggregator = self._cache.children(key).get(Ref("apps/v1", "StatefulSet", aggregator_name(model)))
        if aggregator is None:  # deleted, or not listed yet by an operator that has just begun
            result = _NOT_READY
        elif not aggregator.part.get("status", {}).get("readyReplicas", 0):
            return _NOT_READY
        else:
            result = await self._read_report(key, model)
        if not result.silence:
            self._silent.pop(key, None)
            return result
        self._silent[key] += 1
        return result if self._silent[key] >= SILENT_ROUNDS else None

    async def _read_report(self, key: Key, model: DriftMonitoredModel) -> ReportResult:
        try:
            joined = await self._reports.report(key.name, self._addresses(model))
        except ReportError as reason:
            return ReportResult(None, str(reason))
        return ReportResult(joined.report, joined.silence, silent_shards=joined.silent_shards)

    async def look_for_definitions(self) -> bool:
        """Ask which optional kinds the cluster knows; if that changed, reconcile every model."""
        optional = [kind for kind in CHILDREN if kind.optional]
        known = frozenset([kind.name for kind in optional if await self._cluster.serves(kind)])
        if known == self._reconciler.known_kinds:
            return False
        for kind in optional:
            if kind.name in known - self._reconciler.known_kinds:
                await self._find_missed(kind)  # its objects may have gone with an earlier definition
        self._reconciler.known_kinds = known
        for key in list(self._cache.models):
            self._reconciler.mark_stale(key)
            await self._queue.add(key, hurry=True)
        return True

    async def find_missed_deletions(self) -> None:
        """Find objects that vanished while no watch was open."""
        before = {key: model["metadata"]["uid"] for key, model in self._cache.models.items()}
        there = await self._uids(MODELS, "") if before else set()
        for key, uid in before.items():
            if uid not in there:
                self._cache.remove_model(key)
                await self._queue.add(key, hurry=True)
        for kind in CHILDREN:
            if not kind.optional or kind.name in self._reconciler.known_kinds:  # else it is answered 404
                await self._find_missed(kind)
        if failing := self._pods.uids():
            for key in self._pods.forget(await self._missing(PODS, failing)):
                await self._queue.add(key)

    async def _find_missed(self, kind: Kind) -> None:
        if children := self._cache.uids(kind):
            for key in self._cache.remove_missing(kind, await self._missing(kind, children)):
                self._reconciler.mark_stale(key)
                await self._queue.add(key, hurry=True)

    async def _missing(self, kind: Kind, known: set[str]) -> set[str]:
        """Return the known uids that no longer exist; none of a kind that may not be listed."""
        try:
            return known - await self._uids(kind, SELECTOR)
        except ApiError as error:
            if error.code != 403:
                raise
            logger.warning("%s: deletions that no watch reported are not seen", error)
            return set()

    async def _uids(self, kind: Kind, selector: str) -> set[str]:
        lists = [await self._cluster.uids(kind, namespace, selector) for namespace in self._namespaces]
        return set().union(*lists)
