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
from tidegauge_operator.children.inputs import Images, PlanInputs
from tidegauge_operator.children.labels import aggregator_name, token_name
from tidegauge_operator.children.plan import plan
from tidegauge_operator.children.pods import TOKEN_KEY
from tidegauge_operator.kube.cache import Cache, Child, Key, Ref, fingerprint_of, orphan_of, owner_of
from tidegauge_operator.kube.client import MANAGER, REPAIR, ApiError, Cluster
from tidegauge_operator.kube.kinds import CHILDREN, Kind, kind_of

__all__ = ["Applier", "NameTakenError", "ObjectError"]

Document = dict[str, Any]
Fetched = dict[Ref, Document | None]

logger = logging.getLogger(__name__)

TRIES: Final = 3
NO_VERSION: Final = "1"  # no object has it: a cluster's store begins with it, and each write makes it larger
_KINDS: Final = {kind.name: kind for kind in CHILDREN}
# One object is refused: by a right, a quota, an admission rule (500 if its webhook does not answer) or for
# what it holds. Any other failure, such as a busy API server, would meet the next object too.
_OF_ONE_OBJECT: Final = frozenset({400, 403, 404, 413, 422, 500})


class NameTakenError(ApiError):
    """An object with the name that one of ours needs belongs to somebody else."""

    def __init__(self, message: str) -> None:
        super().__init__(409, "NameTaken", message)


class ObjectError(NamedTuple):
    """An object that could not be applied or deleted, and the error."""

    ref: Ref
    error: ApiError


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
    """Applies and prunes objects, and remembers what it applied.

    Parameters
    ----------
    cluster, cache
        The API server, and its state as the watches have shown it.
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
        self._name_locks: weakref.WeakValueDictionary[tuple[str, Ref], asyncio.Lock] = (
            weakref.WeakValueDictionary()
        )

    def forget(self, key: Key) -> None:
        """Forget a model that is gone."""
        self._applied.pop(key, None)

    def is_applied(self, key: Key) -> bool:
        """Return whether the cluster holds the objects of a model as they were applied last."""
        applied = {ref: done for ref, (_, done) in self._applied.get(key, {}).items()}
        return applied == {ref: child.fingerprint for ref, child in self._cache.children(key).items()}

    async def apply(
        self, key: Key, model: DriftMonitoredModel, known_kinds: Collection[str]
    ) -> list[ObjectError]:
        """Apply all objects of a model that differ from their wanted state, then delete the unwanted ones.

        One line of the log says what changed.

        Returns
        -------
        list of ObjectError
            The objects that failed, in order; all others are applied. A name that is taken is the last one:
            later objects may depend on it, as pods on a Secret that is somebody else's.

        Raises
        ------
        ApiError
            The failure would meet every object; those before it are applied.
        """
        changes = _Changes()
        try:
            return await self._apply_with_retries(key, model, known_kinds, changes)
        finally:
            if summary := str(changes):
                logger.info(summary, extra={"key": str(key)})

    async def _apply_with_retries(
        self, key: Key, model: DriftMonitoredModel, known_kinds: Collection[str], changes: _Changes
    ) -> list[ObjectError]:
        for tries_left in reversed(range(TRIES)):
            failed: list[ObjectError] = []
            try:
                if await self._apply_once(key, model, known_kinds, changes, failed):
                    return failed
            except ApiError as error:  # somebody wrote between our read and our write: read again
                if error.code != 409 or not tries_left:
                    raise
        raise ApiError(409, "Conflict", f"the number of pods changed at each of {TRIES} tries")

    async def _apply_once(
        self,
        key: Key,
        model: DriftMonitoredModel,
        known_kinds: Collection[str],
        changes: _Changes,
        failed: list[ObjectError],
    ) -> bool:
        """Apply and prune once; return whether the wanted number of pods is still the one that was read."""
        fetched: Fetched = {}
        inputs = await self._inputs(key, model, known_kinds, fetched)
        wanted = plan(model, inputs)
        for document in wanted:
            ref = Ref.of(document)
            if self._has_to_wait(key, model, inputs, ref, {other for other, _ in failed}):
                continue
            try:
                if await self._apply_object(key, model.metadata.uid, document, fetched):
                    changes.applied.append(ref)
            except NameTakenError as taken:
                failed.append(ObjectError(ref, taken))
                return True
            except ApiError as error:
                _add(failed, ref, error)
        kept = {Ref.of(document) for document in wanted}
        self._forget_lost(key, kept)
        await self._prune(key, model.metadata.uid, kept, known_kinds, changes, failed)
        # An autoscaler may have written between our read and our write. Then the answer to our own write
        # showed that first, and its event shows nothing new.
        return inputs.replicas is None or self._replicas(key) in (None, inputs.replicas)

    def _has_to_wait(
        self, key: Key, model: DriftMonitoredModel, inputs: PlanInputs, ref: Ref, failed: set[Ref]
    ) -> bool:
        """Return whether an object would do harm without one that failed.

        A StatefulSet makes a claim that it does not find, and makes it too small. Pods that count on another
        number of aggregators have every pane rejected. An autoscaler may find another owner's Deployment with
        the name of its target.
        """
        without = {other.kind for other in failed}
        if ref.kind == "StatefulSet":
            return "PersistentVolumeClaim" in without
        if ref.kind == "Deployment":
            shards_change = inputs.aggregators not in (0, model.spec.aggregator.replicas)
            return shards_change and not without.isdisjoint({"PersistentVolumeClaim", "StatefulSet"})
        if ref.kind == "HorizontalPodAutoscaler" and "Deployment" in without:
            target = self._cache.children(key).get(Ref("apps/v1", "Deployment", ref.name))
            return target is None or target.owner != model.metadata.uid
        return False

    def _forget_lost(self, key: Key, kept: set[Ref]) -> None:
        """Forget objects that are neither wanted nor there: others deleted them, or their definition."""
        there, applied = self._cache.children(key), self._applied.get(key, {})
        for ref in applied.keys() - kept - there.keys():
            del applied[ref]

    def _replicas(self, key: Key) -> int | None:
        deployment = self._cache.children(key).get(Ref("apps/v1", "Deployment", key.name))
        return None if deployment is None else deployment.part.get("spec", {}).get("replicas")

    async def _apply_object(self, key: Key, uid: str, document: Document, fetched: Fetched) -> bool:
        """Apply one object unless the cluster holds it as wanted; return whether that changed it."""
        ref, wanted = Ref.of(document), _hash(document)
        child = self._cache.children(key).get(ref)
        ours = child is not None and child.owner == uid
        if ours and child is not None and self._applied.get(key, {}).get(ref) == (wanted, child.fingerprint):
            return False
        if ours or not kind_of(document).watched:
            there, is_new = await self._apply_ours(document), False
        else:
            there, is_new = await self._apply_unknown(key, document, fetched)
        self._cache.update_child(there)
        if self._cache.children(key).get(ref) is None:
            return False
        done = fingerprint_of(there)  # not what is known by now: somebody may have edited it since
        self._applied.setdefault(key, {})[ref] = (wanted, done)
        return is_new or (child is not None and child.fingerprint != done)

    async def _apply_unknown(self, key: Key, document: Document, fetched: Fetched) -> tuple[Document, bool]:
        """Apply a document where no object of ours is known: to none, or to one that was made for this name.

        Returns the object, and whether that changed anything.

        An apply without force is no guard: it adds its fields to those of others, and all models are one
        manager.
        """
        ref = Ref.of(document)
        # Two models may want one name, and no read may come before the other's write.
        lock = self._name_locks.setdefault((key.namespace, ref), asyncio.Lock())
        async with lock:
            there = fetched.get(ref)
            if there is None and (made := await self._apply_if_absent(document)) is not None:
                return made, True
            there = there or await self._fetch(key, ref)
            if there is None:
                return await self._apply_after_read(document), True
            if key not in (orphan_of(there), _controller(there)):
                raise _taken(there)
            after = await self._apply_ours(document)
            return after, after["metadata"]["resourceVersion"] != there["metadata"]["resourceVersion"]

    async def _apply_if_absent(self, document: Document) -> Document | None:
        """Apply a document if no object of its name is there; else None.

        An existing object has another version, which is a conflict. If there is none, the API server ignores
        the version. One that did not would answer as if the object existed, or find the document invalid.
        """
        metadata = document["metadata"] | {"resourceVersion": NO_VERSION}
        try:
            return await self._cluster.apply({**document, "metadata": metadata}, force=False)
        except ApiError as error:
            if error.code not in (409, 422):
                raise
            return None

    async def _apply_after_read(self, document: Document) -> Document:
        """Apply a document where no object was; one that came since the read gets its own fields back."""
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
        except ApiError as error:
            if error.code != 422:
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
        failed: list[ObjectError],
    ) -> None:
        surplus = [
            (ref, child)
            for ref, child in self._cache.children(key).items()
            if ref not in wanted and child.owner == uid and _is_pruned(_KINDS[ref.kind], known_kinds)
        ]
        for ref, child in surplus:
            try:
                await self._cluster.delete(_KINDS[ref.kind], key.namespace, ref.name, child.uid)
            except ApiError as error:
                _add(failed, ref, error)
                continue
            self._applied.get(key, {}).pop(ref, None)
            changes.deleted.append(ref)

    # --- inputs of the plan ---------------------------------------------------------------------------

    async def _inputs(
        self, key: Key, model: DriftMonitoredModel, known_kinds: Collection[str], fetched: Fetched
    ) -> PlanInputs:
        secret = await self._known(key, Ref("v1", "Secret", token_name(model)), fetched)
        stateful_set = await self._known(key, Ref("apps/v1", "StatefulSet", aggregator_name(model)), fetched)
        deployment = None
        if model.spec.replicas is None:  # others may scale: ask now, the watches may be late
            ref = Ref("apps/v1", "Deployment", key.name)
            deployment = fetched[ref] = await self._fetch(key, ref)
        return PlanInputs(
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

    async def _known(self, key: Key, ref: Ref, fetched: Fetched) -> Document | None:
        """Return the parts of an object that decisions need: from the watches, else from the API server."""
        child: Child | None = self._cache.children(key).get(ref)
        if child is not None:
            return child.part
        fetched[ref] = await self._fetch(key, ref)
        return fetched[ref]

    async def _fetch(self, key: Key, ref: Ref) -> Document | None:
        return await self._cluster.find(_KINDS[ref.kind], key.namespace, ref.name)


def _add(failed: list[ObjectError], ref: Ref, error: ApiError) -> None:
    """Add the error of one object; raise any other, which ends the pass.

    A webhook that does not answer for a second kind ends it too. It will not answer for the others either,
    and each of them would wait for half a minute.
    """
    unanswered = {other.kind for other, earlier in failed if earlier.code == 500}
    if error.code not in _OF_ONE_OBJECT or (error.code == 500 and unanswered - {ref.kind}):
        raise error
    failed.append(ObjectError(ref, error))


def _controller(there: Document) -> Key | None:
    """Return the model that controls an object; also one of the same name that is gone."""
    owner = owner_of(there)
    return None if owner is None else owner[0]


def _taken(there: Document) -> NameTakenError:
    owner = _controller(there)
    step = "or delete that object" if owner is None else f"or the model {owner.name}, which owns it"
    return NameTakenError(
        f"{there['kind']} {there['metadata']['name']} is there already and is not this model's: "
        f"rename the model, {step}"
    )


def _is_pruned(kind: Kind, known_kinds: Collection[str]) -> bool:
    """Return whether unwanted objects of a kind are deleted; those of an unknown kind are only unplanned."""
    return kind.watched and (not kind.optional or kind.name in known_kinds)


def _token(secret: Document | None) -> str:
    """Return the token in the Secret; empty where somebody made it unreadable."""
    try:
        encoded = ((secret or {}).get("data") or {}).get(TOKEN_KEY, "")
        return base64.b64decode(encoded, validate=True).decode("ascii").strip()
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _claim_size(stateful_set: Document | None) -> str | None:
    templates = (stateful_set or {}).get("spec", {}).get("volumeClaimTemplates") or ()
    return next((template["spec"]["resources"]["requests"]["storage"] for template in templates), None)


def _scaled_by_others(deployment: Document | None) -> bool:
    """Return whether a manager other than us owns the number of pods."""
    entries = (deployment or {}).get("metadata", {}).get("managedFields", ())
    owners = {e["manager"] for e in entries if "f:replicas" in e.get("fieldsV1", {}).get("f:spec", {})}
    return bool(owners - {MANAGER})


def _hash(document: Document) -> str:
    """Hash the wanted object without the version, which only guards the write."""
    metadata = {n: value for n, value in document["metadata"].items() if n != "resourceVersion"}
    text = json.dumps({**document, "metadata": metadata}, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()
