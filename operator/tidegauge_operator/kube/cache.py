"""What the watches have shown: the models, and of their objects what decisions need. Plain state."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from tidegauge.protocol.names import API_GROUP, RESOURCE_KIND
from tidegauge_operator.children.labels import MANAGED_BY, MODEL_LABEL
from tidegauge_operator.kube.kinds import Kind

__all__ = ["Cache", "Child", "Key", "Ref", "fingerprint_of", "orphan_of", "owner_of"]

Document = dict[str, Any]


class Key(NamedTuple):
    """A model's place."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class Ref(NamedTuple):
    """An object of a model, within its namespace."""

    api_version: str
    kind: str
    name: str

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Ref:
        """Return the reference to a document."""
        return cls(document["apiVersion"], document["kind"], document["metadata"]["name"])


@dataclass(frozen=True, slots=True)
class Child:
    """An object as it was seen last.

    Parameters
    ----------
    uid, owner
        Its own, and its controller's.
    version
        Its resource version, a number that grows with each write.
    fingerprint
        Hash of all that is not its status: it changes when somebody edits the object.
    part
        What decisions need of it.
    """

    uid: str
    owner: str
    version: int
    fingerprint: str
    part: Document


_KEPT: Final = {
    "Deployment": ("spec", "status"),
    "StatefulSet": ("spec", "status"),
    "Secret": ("data",),
}
_SPEC: Final = ("replicas", "selector", "volumeClaimTemplates")


def owner_of(document: Mapping[str, Any]) -> tuple[Key, str] | None:
    """Return the model that controls an object, and its uid; None where no model does."""
    metadata = document["metadata"]
    for owner in metadata.get("ownerReferences", ()):
        ours = owner["kind"] == RESOURCE_KIND and owner["apiVersion"].startswith(f"{API_GROUP}/")
        if ours and owner.get("controller"):
            return Key(metadata["namespace"], owner["name"]), owner["uid"]
    return None


def orphan_of(document: Mapping[str, Any]) -> Key | None:
    """Return the model in the labels of an object that nobody controls any more; else None."""
    controlled = any(owner.get("controller") for owner in document["metadata"].get("ownerReferences", ()))
    return None if controlled else _made_for(document)


def _made_for(document: Mapping[str, Any]) -> Key | None:
    labels = document["metadata"].get("labels", {})
    if labels.get("app.kubernetes.io/managed-by") != MANAGED_BY or MODEL_LABEL not in labels:
        return None
    return Key(document["metadata"]["namespace"], labels[MODEL_LABEL])


class Cache:
    """The known state of the cluster."""

    def __init__(self) -> None:
        self.models: dict[Key, Document] = {}
        self._children: dict[Key, dict[Ref, Child]] = {}

    def children(self, key: Key) -> Mapping[Ref, Child]:
        """Return the objects that the models of one name own."""
        return self._children.get(key, {})

    def update_model(self, document: Document) -> bool:
        """Record a model; return whether its objects may have to change."""
        metadata = document["metadata"]
        key = Key(metadata["namespace"], metadata["name"])
        before = self.models.get(key)
        self.models[key] = _slim(document)
        if before is None:
            return True
        if _version(document) < _version(before):  # older than the status that was written last
            self.models[key] = _with_status(self.models[key], before)
        old = before["metadata"]
        return (old["uid"], old["generation"]) != (metadata["uid"], metadata["generation"]) or old.get(
            "labels"
        ) != metadata.get("labels")

    def update_status(self, document: Document) -> None:
        """Record a status that was written, but not an edit that came with it."""
        key = Key(document["metadata"]["namespace"], document["metadata"]["name"])
        known = self.models.get(key)
        if known is not None and _version(document) >= _version(known):
            self.models[key] = _with_status(known, document)

    def remove_model(self, key: Key) -> None:
        """Forget a deleted model; its objects are deleted by Kubernetes."""
        self.models.pop(key, None)

    def update_child(self, document: Document) -> tuple[Key, bool] | None:
        """Record an object; return its model and whether it was edited, None if it is no model's."""
        found = owner_of(document)
        if found is None:
            lost = self._lost_by(document)
            return None if lost is None else (lost, True)
        key, uid = found
        known = self._children.setdefault(key, {})
        ref, child = Ref.of(document), _child(document, uid)
        before = known.get(ref)
        if before is not None and before.uid == child.uid and child.version < before.version:
            return key, False  # the answer to a write, after the watch has shown its result
        known[ref] = child
        return key, before is None or (before.uid, before.fingerprint) != (child.uid, child.fingerprint)

    def remove_child(self, document: Document) -> Key | None:
        """Forget a deleted object; return the model that owned it."""
        found = owner_of(document)
        if found is None:
            return self._lost_by(document) or orphan_of(document)
        gone = self.children(found[0]).get(Ref.of(document))
        if gone is not None and gone.uid == document["metadata"]["uid"]:
            self._drop(found[0], Ref.of(document))
        return found[0]

    def _lost_by(self, document: Document) -> Key | None:
        """Forget an object that no model controls any more; return the model that did."""
        key, ref = _made_for(document), Ref.of(document)
        known = None if key is None else self.children(key).get(ref)
        if key is None or known is None or known.uid != document["metadata"]["uid"]:
            return None
        self._drop(key, ref)
        return key

    def uids(self, kind: Kind) -> set[str]:
        """Return the uids of all known objects of a kind."""
        return {child.uid for known in self._children.values() for child in _of_kind(known, kind).values()}

    def remove_missing(self, kind: Kind, gone: Set[str]) -> set[Key]:
        """Forget the objects with these uids; return the models that owned them."""
        keys = set()
        for key, known in list(self._children.items()):
            for ref, child in _of_kind(known, kind).items():
                if child.uid in gone:
                    self._drop(key, ref)
                    keys.add(key)
        return keys

    def _drop(self, key: Key, ref: Ref) -> None:
        """Forget an object, and with its last one the name."""
        del self._children[key][ref]
        if not self._children[key]:
            del self._children[key]


def _of_kind(known: Mapping[Ref, Child], kind: Kind) -> dict[Ref, Child]:
    return {r: c for r, c in known.items() if (r.api_version, r.kind) == (kind.api_version, kind.name)}


def _version(document: Document) -> int:
    return int(document["metadata"].get("resourceVersion", 0))


def _with_status(document: Document, newer: Document) -> Document:
    metadata = {**document["metadata"], "resourceVersion": str(_version(newer))}
    return {**document, "metadata": metadata, "status": newer.get("status", {})}


def _slim(document: Document) -> Document:
    metadata = {name: value for name, value in document["metadata"].items() if name != "managedFields"}
    return {**document, "metadata": metadata}


def _child(document: Document, owner: str) -> Child:
    metadata = document["metadata"]
    part = {name: document[name] for name in _KEPT.get(document["kind"], ()) if name in document}
    if "spec" in part:  # the pod template is the bulk of it, and nothing is decided by it
        part["spec"] = {name: part["spec"][name] for name in _SPEC if name in part["spec"]}
    if "status" in part:  # shows whether the status belongs to the present spec
        part["metadata"] = {"generation": metadata.get("generation", 0)}
    return Child(metadata["uid"], owner, _version(document), fingerprint_of(document), part)


# Annotations belong to others: our objects have none, and the Deployment controller writes its own.
_NOISE: Final = frozenset({"managedFields", "resourceVersion", "generation", "annotations"})


def fingerprint_of(document: Mapping[str, Any]) -> str:
    """Hash all of an object but its status and what other programs write as a rule."""
    own = {name: value for name, value in document.items() if name not in ("status", "metadata")}
    own["metadata"] = {n: value for n, value in document["metadata"].items() if n not in _NOISE}
    return hashlib.blake2b(json.dumps(own, sort_keys=True).encode(), digest_size=12).hexdigest()
