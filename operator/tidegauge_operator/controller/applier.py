"""Bring a model's objects to their wanted state: apply what differs, delete what is no longer wanted."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import json
import logging
import weakref
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from tidegauge.resource import DriftMonitoredModel
from tidegauge_operator.children.facts import Facts, Images
from tidegauge_operator.children.labels import aggregator_name, token_name
from tidegauge_operator.children.plan import plan
from tidegauge_operator.children.pods import TOKEN_KEY
from tidegauge_operator.kube.cache import Cache, Child, Key, Ref, fingerprint_of, orphan_of, owner_of
from tidegauge_operator.kube.client import MANAGER, REPAIR, Cluster, Refusal
from tidegauge_operator.kube.kinds import CHILDREN, Kind, kind_of

__all__ = ["Applier", "NameTaken", "Refused"]

Document = dict[str, Any]
Looked = dict[Ref, Document | None]

logger = logging.getLogger(__name__)

TRIES: Final = 3
NO_VERSION: Final = "1"  # no object has it: a cluster's store begins with it, and each write makes it larger
_KINDS: Final = {kind.name: kind for kind in CHILDREN}
# One object is refused: by a right, a quota, an admission rule (500 if its webhook does not answer) or for
# what it holds. Any other failure, such as a busy API server, would meet the next object too.
_OF_ONE_OBJECT: Final = frozenset({400, 403, 404, 413, 422, 500})


class NameTaken(Exception):
    """An object with the name that one of ours needs belongs to somebody else."""


class Refused(NamedTuple):
    """An object that could not be brought to its wanted state, and why."""

    ref: Ref
    error: Refusal | NameTaken


@dataclass(slots=True)
class _Changes:
    """The changes of one pass, in order."""

    applied: list[Ref] = field(default_factory=list)
    deleted: list[Ref] = field(default_factory=list)

    def __str__(self) -> str:
        done = {"applied": self.applied, "deleted": self.deleted}
        return "; ".join(f"{verb} {_named(refs)}" for verb, refs in done.items() if refs)


def _named(refs: list[Ref]) -> str:
    return ", ".join(dict.fromkeys(f"{ref.kind}/{ref.name}" for ref in refs))


class Applier:
    """Applies and deletes, and remembers what it applied.

    Parameters
    ----------
    cluster, store
        The API server, and its state as the watches saw it.
    images
        Images of the programs.
    new_token
        A new random token.
    docs_url
        Address of the documentation; empty if none is set.
    log_format
        Format of the programs' logs.
    """

    def __init__(
        self,
        cluster: Cluster,
        cache: Cache,
        images: Images,
        new_token: Callable[[], str],
        docs_url: str,
        log_format: str,
    ) -> None:
        self._cluster, self._cache = cluster, cache
        self._images, self._new_token = images, new_token
        self._docs_url, self._log_format = docs_url, log_format
        self._applied: dict[Key, dict[Ref, tuple[str, str]]] = {}
        self._taking: weakref.WeakValueDictionary[tuple[str, Ref], asyncio.Lock] = (
            weakref.WeakValueDictionary()
        )

    def forget(self, key: Key) -> None:
        """The model is gone."""
        self._applied.pop(key, None)

    def is_applied(self, key: Key) -> bool:
        """Whether the cluster holds the objects of a model as they were applied last."""
        applied = {ref: done for ref, (_, done) in self._applied.get(key, {}).items()}
        return applied == {ref: child.print for ref, child in self._cache.children(key).items()}

    async def apply_all(
        self, key: Key, model: DriftMonitoredModel, known_kinds: Collection[str]
    ) -> list[Refused]:
        """Apply all objects of a model that differ from their wanted state, then delete the unwanted ones.

        One line of the log says what changed.

        Returns
        -------
        list of Refused
            The refused objects, in order; all others are applied. A name that is taken is the last one:
            later objects may depend on it, as pods on a Secret that is somebody else's.

        Raises
        ------
        Refusal
            The API server refused more than one object; those before it are applied.
        """
        changes = _Changes()
        try:
            return await self._apply_in_tries(key, model, known_kinds, changes)
        finally:
            if told := str(changes):
                logger.info(told, extra={"key": str(key)})

    async def _apply_in_tries(
        self, key: Key, model: DriftMonitoredModel, known_kinds: Collection[str], changes: _Changes
    ) -> list[Refused]:
        for tries_left in reversed(range(TRIES)):
            refused: list[Refused] = []
            try:
                if await self._apply_once(key, model, known_kinds, changes, refused):
                    return refused
            except Refusal as refusal:  # somebody wrote between our look and our write: look again
                if refusal.code != 409 or not tries_left:
                    raise
        raise Refusal(409, "Conflict", f"the number of pods changed at each of {TRIES} looks")

    async def _apply_once(
        self,
        key: Key,
        model: DriftMonitoredModel,
        known_kinds: Collection[str],
        changes: _Changes,
        refused: list[Refused],
    ) -> bool:
        """Once; whether there are still as many pods asked for as there were at the look."""
        looked: Looked = {}
        facts = await self._facts(key, model, known_kinds, looked)
        wanted = plan(model, facts)
        for document in wanted:
            ref = Ref.of(document)
            if self._has_to_wait(key, model, facts, ref, {other for other, _ in refused}):
                continue
            try:
                if await self._apply_one(key, model.metadata.uid, document, looked):
                    changes.applied.append(ref)
            except NameTaken as taken:
                refused.append(Refused(ref, taken))
                return True
            except Refusal as refusal:
                _add(refused, ref, refusal)
        kept = {Ref.of(document) for document in wanted}
        self._forget_lost(key, kept)
        await self._prune(key, model.metadata.uid, kept, known_kinds, changes, refused)
        # An autoscaler may have written between look and write: then the answer to our own write told of it
        # first, and its event tells nothing new.
        return facts.replicas is None or self._replicas(key) in (None, facts.replicas)

    def _has_to_wait(
        self, key: Key, model: DriftMonitoredModel, facts: Facts, ref: Ref, refused: set[Ref]
    ) -> bool:
        """Whether an object would do harm without one that was refused.

        A StatefulSet makes a claim that it does not find, and too small. Pods that divide the features among
        another number of aggregators than exists have every pane rejected. An autoscaler may find a
        Deployment with its target's name that is somebody else's.
        """
        without = {other.kind for other in refused}
        if ref.kind == "StatefulSet":
            return "PersistentVolumeClaim" in without
        if ref.kind == "Deployment":
            divided_anew = facts.aggregators not in (0, model.spec.aggregator.replicas)
            return divided_anew and not without.isdisjoint({"PersistentVolumeClaim", "StatefulSet"})
        if ref.kind == "HorizontalPodAutoscaler" and "Deployment" in without:
            target = self._cache.children(key).get(Ref("apps/v1", "Deployment", ref.name))
            return target is None or target.owner != model.metadata.uid
        return False

    def _forget_lost(self, key: Key, kept: set[Ref]) -> None:
        """Objects that are neither wanted nor there: others deleted them, or their definition."""
        there, applied = self._cache.children(key), self._applied.get(key, {})
        for ref in applied.keys() - kept - there.keys():
            del applied[ref]

    def _replicas(self, key: Key) -> int | None:
        deployment = self._cache.children(key).get(Ref("apps/v1", "Deployment", key.name))
        return None if deployment is None else deployment.part.get("spec", {}).get("replicas")

    async def _apply_one(self, key: Key, uid: str, document: Document, looked: Looked) -> bool:
        """Apply one object where it has to be; whether that changed what the watches tell of it."""
        ref, wanted = Ref.of(document), _hash(document)
        child = self._cache.children(key).get(ref)
        ours = child is not None and child.owner == uid
        if ours and child is not None and self._applied.get(key, {}).get(ref) == (wanted, child.print):
            return False
        if ours or not kind_of(document).watched:
            there, is_new = await self._apply_ours(document), False
        else:
            there, is_new = await self._take(key, document, looked)
        self._cache.see_child(there)
        if self._cache.children(key).get(ref) is None:
            return False
        done = fingerprint_of(there)  # not what is known by now: somebody may have edited it since
        self._applied.setdefault(key, {})[ref] = (wanted, done)
        return is_new or (child is not None and child.print != done)

    async def _take(self, key: Key, document: Document, looked: Looked) -> tuple[Document, bool]:
        """Apply a document where no object of ours is known: to none, or to one that was made for this name.

        Returns the object, and whether that changed anything.

        An apply without force is no guard: it adds its fields to those of others, and all models are one
        manager.
        """
        ref = Ref.of(document)
        # Two models may want one name, and no look may come before the other's write.
        lock = self._taking.setdefault((key.namespace, ref), asyncio.Lock())
        async with lock:
            there = looked.get(ref)
            if there is None and (made := await self._create(document)) is not None:
                return made, True
            there = there or await self._look(key, ref)
            if there is None:
                return await self._make(document), True
            if key not in (orphan_of(there), _controller(there)):
                raise _taken(there)
            after = await self._apply_ours(document)
            return after, after["metadata"]["resourceVersion"] != there["metadata"]["resourceVersion"]

    async def _create(self, document: Document) -> Document | None:
        """Apply a document if no object of its name is there; else None.

        An object that is there has another version, which is a conflict. Where there is none the API server
        passes over the version; one that did not would answer as if something were there, or find it invalid.
        """
        metadata = document["metadata"] | {"resourceVersion": NO_VERSION}
        try:
            return await self._cluster.apply({**document, "metadata": metadata}, force=False)
        except Refusal as refusal:
            if refusal.code not in (409, 422):
                raise
            return None

    async def _make(self, document: Document) -> Document:
        """Apply a document where no object is; one that came since the look is made what it was again."""
        made = await self._cluster.apply(document, force=False)
        if {entry["manager"] for entry in made["metadata"]["managedFields"]} == {MANAGER}:
            return made
        metadata = {name: document["metadata"][name] for name in ("name", "namespace")}
        nothing = {"apiVersion": document["apiVersion"], "kind": document["kind"], "metadata": metadata}
        raise _taken(await self._cluster.apply(nothing))

    async def _apply_ours(self, document: Document) -> Document:
        """Apply a document to an object of ours, and take its fields over from others."""
        try:
            there = await self._cluster.apply(document)
        except Refusal as refusal:
            if refusal.code != 422:
                raise
            # somebody added an item to a list that conflicts with ours
            await self._cluster.overwrite(document)
            there = await self._cluster.apply(document)
        if REPAIR in {entry["manager"] for entry in there["metadata"]["managedFields"]}:
            return await self._cluster.give_up_repair(there)
        return there

    async def _prune(
        self,
        key: Key,
        uid: str,
        wanted: set[Ref],
        known_kinds: Collection[str],
        changes: _Changes,
        refused: list[Refused],
    ) -> None:
        surplus = [
            (ref, child)
            for ref, child in self._cache.children(key).items()
            if ref not in wanted and child.owner == uid and _is_pruned(_KINDS[ref.kind], known_kinds)
        ]
        for ref, child in surplus:
            try:
                await self._cluster.delete(_KINDS[ref.kind], key.namespace, ref.name, child.uid)
            except Refusal as refusal:
                _add(refused, ref, refusal)
                continue
            self._applied.get(key, {}).pop(ref, None)
            changes.deleted.append(ref)

    # --- facts ----------------------------------------------------------------------------------------

    async def _facts(
        self, key: Key, model: DriftMonitoredModel, known_kinds: Collection[str], looked: Looked
    ) -> Facts:
        secret = await self._seen(key, Ref("v1", "Secret", token_name(model)), looked)
        stateful_set = await self._seen(key, Ref("apps/v1", "StatefulSet", aggregator_name(model)), looked)
        deployment = None
        if model.spec.replicas is None:  # others may scale: ask now, the watches may be late
            ref = Ref("apps/v1", "Deployment", key.name)
            deployment = looked[ref] = await self._look(key, ref)
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
            log_format=self._log_format,
        )

    async def _seen(self, key: Key, ref: Ref, looked: Looked) -> Document | None:
        """Return the parts of an object that decisions need: from the watches, else from the API server."""
        child: Child | None = self._cache.children(key).get(ref)
        if child is not None:
            return child.part
        looked[ref] = await self._look(key, ref)
        return looked[ref]

    async def _look(self, key: Key, ref: Ref) -> Document | None:
        return await self._cluster.find(_KINDS[ref.kind], key.namespace, ref.name)


def _add(refused: list[Refused], ref: Ref, refusal: Refusal) -> None:
    """Add a refusal of one object; any other ends the round.

    So does a webhook that does not answer for a second kind: it will not for the others either, and each of
    them would be waited for as long as it may take, half a minute at most.
    """
    unanswered = {other.kind for other, error in refused if isinstance(error, Refusal) and error.code == 500}
    if refusal.code not in _OF_ONE_OBJECT or (refusal.code == 500 and unanswered - {ref.kind}):
        raise refusal
    refused.append(Refused(ref, refusal))


def _controller(there: Document) -> Key | None:
    """The model that controls an object; also one of the same name that is gone."""
    owner = owner_of(there)
    return None if owner is None else owner[0]


def _taken(there: Document) -> NameTaken:
    owner = _controller(there)
    step = "or delete that object" if owner is None else f"or the model {owner.name}, whose it is"
    return NameTaken(
        f"{there['kind']} {there['metadata']['name']} is there already and is not this model's: "
        f"rename the model, {step}"
    )


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
    """Hash the wanted object without the version, which only guards the write."""
    metadata = {n: value for n, value in document["metadata"].items() if n != "resourceVersion"}
    text = json.dumps({**document, "metadata": metadata}, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()
