"""Failures of the models' pods, from the watch. Healthy pods are not kept."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any, NamedTuple

from tidegauge_operator.children.labels import COMPONENT_LABEL, MODEL_LABEL, Component
from tidegauge_operator.kube.cache import Key
from tidegauge_operator.status.pod_reasons import Failure, pod_failure

__all__ = ["PodFailures"]

Document = Mapping[str, Any]


class _Seen(NamedTuple):
    created: str
    name: str
    component: str
    failure: Failure


class PodFailures:
    """The pods that do not start or do not stay up, by model."""

    def __init__(self) -> None:
        self._failing: dict[Key, dict[str, _Seen]] = {}

    def update(self, pod: Document) -> Key | None:
        """Record a pod; return its model where that changed what is known."""
        failure = pod_failure(pod)
        if failure is None:
            return self.remove(pod)
        metadata, key = pod["metadata"], _key(pod)
        component = metadata["labels"].get(COMPONENT_LABEL, "")
        seen = _Seen(metadata.get("creationTimestamp", ""), metadata["name"], component, failure)
        known = self._failing.setdefault(key, {})
        changed = known.get(metadata["uid"]) != seen
        known[metadata["uid"]] = seen
        return key if changed else None

    def remove(self, pod: Document) -> Key | None:
        """Forget a pod that is gone or well; return its model where it had failed."""
        key = _key(pod)
        known = self._failing.get(key, {})
        lost = known.pop(pod["metadata"]["uid"], None)
        if not known:
            self._failing.pop(key, None)
        return None if lost is None else key

    def of(self, key: Key, component: Component) -> Failure | None:
        """Return the failure of a model's newest failing pod of one component: that of the new revision."""
        failing = [seen for seen in self._failing.get(key, {}).values() if seen.component == component]
        return max(failing, key=lambda seen: (seen.created, seen.name)).failure if failing else None

    def uids(self) -> set[str]:
        """Return the uids of all failing pods."""
        return {uid for known in self._failing.values() for uid in known}

    def forget(self, gone: Set[str]) -> set[Key]:
        """Forget the pods with these uids; return the models that owned them."""
        keys = {key for key, known in self._failing.items() if not gone.isdisjoint(known)}
        for key in keys:
            left = {uid: seen for uid, seen in self._failing[key].items() if uid not in gone}
            self._failing[key] = left
            if not left:
                del self._failing[key]
        return keys


def _key(pod: Document) -> Key:
    metadata = pod["metadata"]
    return Key(metadata["namespace"], metadata.get("labels", {}).get(MODEL_LABEL, ""))
