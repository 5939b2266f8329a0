"""What Kopf tells of: each event is noted, and the model it is about is put on the queue. Nothing else."""

from __future__ import annotations

from typing import Any

import kopf

from tidegauge_operator.kinds import CHILDREN, MODELS, Kind
from tidegauge_operator.labels import MANAGED_BY
from tidegauge_operator.queue import Queue
from tidegauge_operator.reconcile import Reconciler
from tidegauge_operator.store import Key, Store

__all__ = ["SELECTOR", "register"]

SELECTOR = f"app.kubernetes.io/managed-by={MANAGED_BY}"


def register(
    registry: kopf.OperatorRegistry,
    settings: kopf.OperatorSettings,
    store: Store,
    reconciler: Reconciler,
    queue: Queue[Key],
) -> None:
    """Watch the models, and of each kind that the operator makes the objects that it made."""

    @kopf.on.event(MODELS.group, _version(MODELS), MODELS.plural, registry=registry)
    async def model_seen(event: Any, **_: Any) -> None:
        document = event["object"]
        key = Key(document["metadata"]["namespace"], document["metadata"]["name"])
        if event["type"] == "DELETED":
            store.lose_model(key)
            await queue.add(key, hurry=True)
        elif store.see_model(document):
            reconciler.doubt(key)
            await queue.add(key, hurry=True)

    async def child_seen(event: Any, **_: Any) -> None:
        document = event["object"]
        if event["type"] == "DELETED":
            key, edited = store.lose_child(document), True
        else:
            key, edited = store.see_child(document) or (None, False)
        if key is None:
            return
        if edited:
            reconciler.doubt(key)
        if edited or document["kind"] in ("Deployment", "StatefulSet"):
            await queue.add(key)

    for kind in CHILDREN:
        if kind.watched:
            version = _version(kind)
            kopf.on.event(kind.group, version, kind.plural, registry=registry)(child_seen)
            settings.watching.label_selectors[kind.group, version, kind.plural] = SELECTOR


def _version(kind: Kind) -> str:
    return kind.api_version.rpartition("/")[2]
