"""A model's objects brought to what they ought to be: apply what differs, delete what is no longer wanted."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Collection
from typing import Any, Final

from tidegauge.resource import DriftMonitoredModel
from tidegauge_operator.children.pods import TOKEN_KEY
from tidegauge_operator.cluster import MANAGER, Cluster, Refusal
from tidegauge_operator.facts import Facts, Images
from tidegauge_operator.kinds import CHILDREN, Kind, kind_of
from tidegauge_operator.labels import aggregator_name, token_name
from tidegauge_operator.plan import plan
from tidegauge_operator.store import Child, Key, Ref, Store, owner_of

__all__ = ["NameTaken", "Upkeep"]

Document = dict[str, Any]

TRIES: Final = 3
_KINDS: Final = {kind.name: kind for kind in CHILDREN}


class NameTaken(Exception):
    """An object of the name that one of ours must have belongs to somebody else."""


class Upkeep:
    """Applies and deletes, and remembers what it applied.

    Parameters
    ----------
    cluster, store
        The API server, and what the watches have told of it.
    images
        Images of the programs.
    new_token
        A new random token.
    docs_url
        Where the documentation can be read; empty where nobody said.
    """

    def __init__(
        self, cluster: Cluster, store: Store, images: Images, new_token: Callable[[], str], docs_url: str
    ) -> None:
        self._cluster, self._store = cluster, store
        self._images, self._new_token, self._docs_url = images, new_token, docs_url
        self._applied: dict[Key, dict[Ref, tuple[str, str]]] = {}

    def forget(self, key: Key) -> None:
        """The model is gone."""
        self._applied.pop(key, None)

    async def bring(self, key: Key, model: DriftMonitoredModel, known_kinds: Collection[str]) -> None:
        """Apply all objects of a model that are not as they ought to be, then delete those no longer wanted.

        Raises
        ------
        Refusal
            The API server refused one; those before it are applied.
        NameTaken
            Somebody else has an object of that name.
        """
        for tries_left in reversed(range(TRIES)):
            try:
                if await self._bring_all(key, model, known_kinds):
                    return
            except Refusal as refusal:  # somebody wrote between our look and our write: look again
                if refusal.code != 409 or refusal.others_fields or not tries_left:
                    raise
        raise Refusal(409, "Conflict", f"the number of pods changed at each of {TRIES} looks")

    async def _bring_all(self, key: Key, model: DriftMonitoredModel, known_kinds: Collection[str]) -> bool:
        """Once; whether there are still as many pods asked for as there were at the look."""
        facts = await self._facts(key, model, known_kinds)
        wanted = plan(model, facts)
        for document in wanted:
            await self._bring_one(key, model.metadata.uid, document)
        await self._prune(key, model.metadata.uid, {Ref.of(document) for document in wanted}, known_kinds)
        # An autoscaler may have written between look and write: then the answer to our own write told of it
        # first, and its event tells nothing new.
        return facts.replicas is None or self._replicas(key) in (None, facts.replicas)

    def _replicas(self, key: Key) -> int | None:
        deployment = self._store.children(key).get(Ref("apps/v1", "Deployment", key.name))
        return None if deployment is None else deployment.part.get("spec", {}).get("replicas")

    async def _bring_one(self, key: Key, uid: str, document: Document) -> None:
        ref, ought = Ref.of(document), _hash(document)
        child = self._store.children(key).get(ref)
        ours = child is not None and child.owner == uid
        if ours and child is not None and self._applied.get(key, {}).get(ref) == (ought, child.print):
            return
        there = await self._apply(uid, document, sure=ours or not kind_of(document).watched)
        self._store.see_child(there)
        if (seen := self._store.children(key).get(ref)) is not None:
            self._applied.setdefault(key, {})[ref] = (ought, seen.print)

    async def _apply(self, uid: str, document: Document, sure: bool) -> Document:
        """Apply a document; take fields over from others only where the object is ours."""
        try:
            return await self._cluster.apply(document, force=sure)
        except Refusal as refusal:
            if sure and refusal.code == 422:  # somebody added to a list what cannot stand beside ours
                await self._cluster.overwrite(document)
                return await self._cluster.apply(document)
            if not refusal.others_fields:
                raise
        kind, metadata = kind_of(document), document["metadata"]
        there = await self._cluster.find(kind, metadata["namespace"], metadata["name"])
        if there is not None:
            owner = owner_of(there)
            if owner is None or owner[1] != uid:
                raise NameTaken(
                    f"{kind.name} {metadata['name']} is there already and is not this model's: "
                    "rename the model, or delete that object"
                )
        return await self._cluster.apply(document)

    async def _prune(self, key: Key, uid: str, wanted: set[Ref], known_kinds: Collection[str]) -> None:
        surplus = [
            (ref, child)
            for ref, child in self._store.children(key).items()
            if ref not in wanted and child.owner == uid and _is_pruned(_KINDS[ref.kind], known_kinds)
        ]
        for ref, child in surplus:
            await self._cluster.delete(_KINDS[ref.kind], key.namespace, ref.name, child.uid)
            self._applied.get(key, {}).pop(ref, None)

    # --- facts ----------------------------------------------------------------------------------------

    async def _facts(self, key: Key, model: DriftMonitoredModel, known_kinds: Collection[str]) -> Facts:
        secret = await self._seen(key, _KINDS["Secret"], token_name(model))
        stateful_set = await self._seen(key, _KINDS["StatefulSet"], aggregator_name(model))
        deployment = None
        if model.spec.replicas is None:  # others may scale: look at the moment, not at what was told
            deployment = await self._cluster.find(_KINDS["Deployment"], key.namespace, key.name)
        return Facts(
            uid=model.metadata.uid,
            images=self._images,
            token=_token(secret) or self._new_token(),
            replicas=(deployment or {}).get("spec", {}).get("replicas"),
            scale_owned_elsewhere=_scaled_by_others(deployment),
            deployment_version=(deployment or {}).get("metadata", {}).get("resourceVersion"),
            aggregators=(stateful_set or {}).get("spec", {}).get("replicas", 0),
            claim_size=_claim_size(stateful_set),
            monitoring_kinds=frozenset(known_kinds),
            docs_url=self._docs_url,
        )

    async def _seen(self, key: Key, kind: Kind, name: str) -> Document | None:
        """What decisions need of an object: from the watches, or asked for where they have not told of it."""
        child: Child | None = self._store.children(key).get(Ref(kind.api_version, kind.name, name))
        return child.part if child is not None else await self._cluster.find(kind, key.namespace, name)


def _is_pruned(kind: Kind, known_kinds: Collection[str]) -> bool:
    """Whether objects of a kind go when they are not wanted; those of an unknown kind are only unplanned."""
    return kind.watched and (not kind.optional or kind.name in known_kinds)


def _token(secret: Document | None) -> str:
    """The token in the Secret; nothing where somebody made it unreadable."""
    try:
        encoded = ((secret or {}).get("data") or {}).get(TOKEN_KEY, "")
        return base64.b64decode(encoded, validate=True).decode("ascii").strip()
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _claim_size(stateful_set: Document | None) -> str | None:
    templates = (stateful_set or {}).get("spec", {}).get("volumeClaimTemplates") or ()
    return next((template["spec"]["resources"]["requests"]["storage"] for template in templates), None)


def _scaled_by_others(deployment: Document | None) -> bool:
    """Whether a manager other than us owns the number of pods."""
    entries = (deployment or {}).get("metadata", {}).get("managedFields", ())
    owners = {e["manager"] for e in entries if "f:replicas" in e.get("fieldsV1", {}).get("f:spec", {})}
    return bool(owners - {MANAGER})


def _hash(document: Document) -> str:
    """Of what is wanted; the version it was read at guards the write, and is no wish."""
    metadata = {n: value for n, value in document["metadata"].items() if n != "resourceVersion"}
    text = json.dumps({**document, "metadata": metadata}, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()
