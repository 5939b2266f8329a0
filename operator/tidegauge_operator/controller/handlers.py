"""Event handlers: each event is recorded, and its model is put on the queue. Nothing else."""

from __future__ import annotations

from typing import Any

from tidegauge_operator.controller.pod_failures import PodFailures
from tidegauge_operator.controller.queue import Queue
from tidegauge_operator.controller.reconciler import Reconciler
from tidegauge_operator.kube.cache import Cache, Key
from tidegauge_operator.kube.kinds import MODELS, PODS

__all__ = ["EventHandlers"]

Document = dict[str, Any]


class EventHandlers:
    """Records events in the cache, and puts their models on the queue.

    Parameters
    ----------
    cache, pods, reconciler, queue
        Where events are recorded, and the queue of models.
    """

    def __init__(self, cache: Cache, pods: PodFailures, reconciler: Reconciler, queue: Queue[Key]) -> None:
        self._cache, self._pods, self._reconciler, self._queue = cache, pods, reconciler, queue

    async def handle(self, event: str | None, document: Document) -> None:
        """Handle one event, by its type as the API server calls it."""
        gone = event == "DELETED"
        if document["kind"] == MODELS.name:
            await self._model(gone, document)
        elif document["kind"] == PODS.name:
            await self._pod(gone, document)
        else:
            await self._child(gone, document)

    async def _model(self, gone: bool, document: Document) -> None:
        key = Key(document["metadata"]["namespace"], document["metadata"]["name"])
        known = self._cache.models.get(key, {}).get("status")
        if gone:
            self._cache.remove_model(key)
        elif self._cache.update_model(document):
            self._reconciler.mark_stale(key)
        elif self._cache.models[key].get("status") == known:
            return
        await self._queue.add(key, hurry=True)

    async def _pod(self, gone: bool, document: Document) -> None:
        """Record a pod's failure: it changes the status of its model and never causes an apply."""
        key = self._pods.remove(document) if gone else self._pods.update(document)
        if key in self._cache.models:
            await self._queue.add(key)

    async def _child(self, gone: bool, document: Document) -> None:
        if gone:
            key, edited = self._cache.remove_child(document), True
        else:
            key, edited = self._cache.update_child(document) or (None, False)
        if key is None:
            return
        if edited:
            self._reconciler.mark_changed(key)
        if edited or document["kind"] in ("Deployment", "StatefulSet"):
            await self._queue.add(key, hurry=edited)
