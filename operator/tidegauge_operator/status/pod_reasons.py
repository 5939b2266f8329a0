"""Why a pod does not start or does not stay up: one reason, and a sentence with the next step. Pure.

What the programs say with their last line and exit code (`protocol.names.Exit`) comes through in their
words. Nothing that changes with each new try is shown: how often it was tried, how long the wait is, names of
pods that were never made.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tidegauge.protocol.names import Exit
from tidegauge_operator.children.labels import COMPONENT_LABEL, Component

__all__ = ["Failure", "creation_failure", "pod_failure"]

Document = Mapping[str, Any]

MOST_CHARACTERS: Final = 500
_SIDECAR: Final = "drift-sidecar"
_INITIALIZER: Final = "storage-initializer"
_RESOURCES: Final[Document] = {
    "model": "spec.model.resources",
    _INITIALIZER: "spec.model.resources",
    _SIDECAR: "spec.drift.sidecar.resources",
    "aggregator": "spec.aggregator.resources",
}
_ON_THE_WAY: Final = frozenset({"", "ContainerCreating", "PodInitializing", "CrashLoopBackOff"})
_PULLS: Final = frozenset({"ErrImagePull", "ImagePullBackOff"})  # one after the other, for the same cause
_NEVER_RAN: Final = frozenset({"StartError", "ContainerCannotRun"})  # the program itself is not there
_IMAGES: Final = _PULLS | {
    "ErrImageNeverPull",
    "InvalidImageName",
    "ImageInspectError",
    "RegistryUnavailable",
    "SignatureValidationFailed",
}


@dataclass(frozen=True, slots=True)
class Failure:
    """A failure: one CamelCase word, and a sentence with the next step."""

    reason: str
    message: str


def pod_failure(pod: Document) -> Failure | None:
    """Return why a pod does not run; None if it runs, or if it is being deleted."""
    if "deletionTimestamp" in pod["metadata"]:
        return None
    found = _ended_pod(pod) or _unscheduled(pod) or _container_failure(pod)
    if found is None:
        return None
    return Failure(found.reason, f"pod {pod['metadata']['name']}: {found.message}")


def creation_failure(message: str) -> Failure:
    """Return why a controller may not make its pods or their volumes, from its own words."""
    words = re.sub(r'^.*failed error: |pods "[^"]*" is forbidden: ', "", message)
    if "exceeded quota" in words:
        return Failure("QuotaExceeded", f"{_short(words)}. Raise the quota, or ask for less in spec.")
    return Failure("FailedCreate", f"{_short(words)}. Change spec, or the rule that refuses it.")


# --- the pod as a whole ----------------------------------------------------------------------------------


def _ended_pod(pod: Document) -> Failure | None:
    """Return the failure of a pod that its node has ended, evicted for instance; another takes its place."""
    status = pod.get("status", {})
    if status.get("phase") != "Failed":
        return None
    return Failure(status.get("reason") or "PodFailed", f"{_short(status.get('message', ''))}. {_DESCRIBE}")


_DESCRIBE: Final = "kubectl describe shows more."


def _unscheduled(pod: Document) -> Failure | None:
    conditions = {c["type"]: c for c in pod.get("status", {}).get("conditions", ())}
    scheduled = conditions.get("PodScheduled", {})
    if scheduled.get("status") != "False":
        return None
    message = re.sub(r" (no new claims to deallocate, )?preemption:.*", "", scheduled.get("message", ""))
    return Failure(scheduled.get("reason", "Unschedulable"), f"{_short(message)}. {_where_to(pod, message)}")


def _where_to(pod: Document, message: str) -> str:
    of_aggregator = pod["metadata"].get("labels", {}).get(COMPONENT_LABEL) == Component.AGGREGATOR
    if "persistentvolumeclaim" in message.lower():
        fields = (
            "spec.aggregator.storage" if of_aggregator else "spec.model.storageUri, spec.drift.profileUri"
        )
        return f"Look at the claim and its storage class (kubectl describe pvc), and at {fields}."
    part = "spec.aggregator" if of_aggregator else "spec.model"
    if "node affinity/selector" in message or "untolerated taint" in message:
        return f"Look at {part}.nodeSelector and {part}.tolerations, at the nodes' labels and taints."
    return f"Make room in the cluster, or ask for less in {part}.resources."


# --- its containers --------------------------------------------------------------------------------------


def _container_failure(pod: Document) -> Failure | None:
    """Return the first failure; the sidecar's last, because the server shows the same and says it better."""
    status = pod.get("status", {})
    statuses = [*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())]
    statuses.sort(key=lambda each: each["name"] == _SIDECAR)
    reader = _reader(pod.get("spec", {}))
    return next(filter(None, (_failure_of(each, reader) for each in statuses)), None)


def _reader(spec: Document) -> str:
    """Return the identity with which the storage initializer reads the bundle."""
    containers: Sequence[Document] = spec.get("initContainers", ())
    initializer = next((c for c in containers if c["name"] == _INITIALIZER), None) or {}
    for source in initializer.get("envFrom", ()):
        return f"the keys in Secret {source['secretRef']['name']}"
    return f"ServiceAccount {spec.get('serviceAccountName', 'default')}"


def _failure_of(status: Document, reader: str) -> Failure | None:
    waiting = status.get("state", {}).get("waiting", {})
    reason, name = waiting.get("reason", ""), status["name"]
    if reason in _IMAGES:
        return _no_image(status, reason, waiting.get("message", ""))
    if (ended := _ended(status)) is not None:
        return _why_it_ended(name, ended, reader)
    if reason not in _ON_THE_WAY:
        return _not_made(name, reason, waiting.get("message", ""))
    return None


def _not_made(name: str, reason: str, message: str) -> Failure:
    step = _DESCRIBE
    if name == _INITIALIZER and reason == "CreateContainerConfigError":  # its Secret is all that it needs
        step = "Make it in the model's namespace, or correct spec.model.storageSecretName."
    return Failure(reason, f"container {name}: {_short(message)}. {step}")


def _no_image(status: Document, reason: str, message: str) -> Failure:
    message = re.sub(r'Back-off pulling image "[^"]*"(: \w+: )?|rpc error: code = \w+ desc = ', "", message)
    about = f"image {status['image']} of container {status['name']}"
    return Failure(
        "ImagePullBackOff" if reason in _PULLS else reason,
        f"{about}{': ' if message else ' cannot be pulled'}{_short(message)}. Check its name and that the "
        "nodes may pull it; images are settings of the operator.",
    )


def _ended(status: Document) -> Document | None:
    """Return how a container ended that should run; also while it is restarted and not up yet."""
    state = status.get("state", {})
    now, before = state.get("terminated"), status.get("lastState", {}).get("terminated")
    if now is not None:
        return now if now["exitCode"] else None
    if before is None or status.get("ready"):
        return None
    loops = state.get("waiting", {}).get("reason") == "CrashLoopBackOff"
    return before if loops or ("running" in state and before["exitCode"]) else None


def _why_it_ended(name: str, ended: Document, reader: str) -> Failure:
    code, message = ended["exitCode"], _short(_last_line(ended.get("message", "")))
    if ended.get("reason") in _NEVER_RAN:
        return _not_made(name, "RunContainerError", ended.get("message", ""))
    if ended.get("reason") == "OOMKilled":
        field = f"{_RESOURCES.get(name, 'spec')}.limits.memory"
        return Failure(
            "OOMKilled", f"container {name} was killed because it ran out of memory. Raise {field}."
        )
    if name == _INITIALIZER and code == Exit.STORAGE:
        return Failure("StorageUnreadable", f"{message}. Check the address, and that {reader} may read it.")
    if name in (_INITIALIZER, "model") and code == Exit.BUNDLE:
        return Failure(
            "BundleInvalid", f"{message}. Pack the model again (tidegauge pack), or correct spec.model."
        )
    tail = f": {message}" if message else ""
    return Failure(
        "CrashLoopBackOff",
        f"container {name} ended with exit code {code}{tail}. See kubectl logs --previous -c {name}.",
    )


# --- words -----------------------------------------------------------------------------------------------


def _last_line(text: str) -> str:
    """Return the last line with text: a program's reason, or a traceback's error."""
    return next((line for line in reversed(text.splitlines()) if line.strip()), "")


def _short(text: str) -> str:
    """Shorten a text to one line without a full stop."""
    line = " ".join(text.split()).rstrip(".")
    return line if len(line) <= MOST_CHARACTERS else f"{line[:MOST_CHARACTERS]}..."
