"""Availability of a model and of its present spec, from its workloads and the failures of their pods.

The conditions say more than those of a workload, and sooner: why pods do not run, and that the revision
before one that cannot start still answers. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tidegauge_operator.status.pod_reasons import Failure, creation_failure

__all__ = [
    "State",
    "aggregator_available",
    "aggregator_complete",
    "count_of",
    "is_settling",
    "lacks_pods",
    "last_progress",
    "model_available",
    "model_complete",
]

Document = Mapping[str, Any]

_LOOK_AT_PODS: Final = "Look at the pods: kubectl describe pods, kubectl logs."


@dataclass(frozen=True, slots=True)
class State:
    """A condition without its times."""

    status: str
    reason: str
    message: str


def model_available(deployment: Document | None, pods: Failure | None) -> State:
    """Return whether any pod answers, whatever its revision; `pods` is the failure of one of them."""
    if deployment is None:
        return State("False", "DeploymentMissing", "there is no Deployment yet")
    wanted, available = _wanted(deployment), count_of(deployment, "availableReplicas")
    if wanted == 0:
        return State("False", "ScaledToZero", "no pods are wanted")
    count, wrong = f"{available} of {wanted} pods answer", _wrong(deployment, pods)
    if not available:
        return State("False", "PodsStarting", count) if wrong is None else _failed(wrong)
    if wrong is None:
        return State("True", "PodsAvailable", count)
    if _is_rolled_out(deployment):
        return State("True", "PodsFailing", f"{count}; {wrong.message}")
    return State("True", "RolloutStalled", f"{count}; the rollout of the spec has stalled: {wrong.message}")


def model_complete(deployment: Document | None, pods: Failure | None) -> State:
    """Return the same as `model_available`, and False while the spec is not rolled out or a pod fails."""
    served = model_available(deployment, pods)
    if deployment is None or served.status != "True":
        return served
    wrong = _wrong(deployment, pods)
    if wrong is not None:
        return _failed(wrong)
    if not _is_rolled_out(deployment):
        return State("False", "RollingOut", "not all pods of the present spec answer yet")
    return served


def is_settling(workload: Document | None) -> bool:
    """Return whether the controller has not seen the last edit: its status is of the one before."""
    if workload is None:
        return False
    seen = count_of(workload, "observedGeneration")
    return bool(workload.get("metadata", {}).get("generation", 0) > seen)


def last_progress(deployment: Document) -> str:
    """Return when a pod of the Deployment last came up in a rollout, RFC 3339; empty if unknown."""
    return str(_conditions(deployment).get("Progressing", {}).get("lastUpdateTime") or "")


def aggregator_available(stateful_set: Document | None, pods: Failure | None) -> State:
    """Return whether all replicas are ready: each holds a share of the features."""
    if stateful_set is None:
        return State("False", "StatefulSetMissing", "the aggregator has no StatefulSet yet")
    wanted, ready = _wanted(stateful_set), count_of(stateful_set, "readyReplicas")
    count = f"{ready} of {wanted} aggregators are ready"
    if ready >= wanted:
        return State("True", "AggregatorReady", count)
    return State("False", "AggregatorStarting", count) if pods is None else _failed(pods)


def aggregator_complete(stateful_set: Document | None, pods: Failure | None) -> State:
    """Return the same as `aggregator_available`, and False while not all replicas have the present spec."""
    merged = aggregator_available(stateful_set, pods)
    if stateful_set is None or merged.status != "True":
        return merged
    if count_of(stateful_set, "updatedReplicas") < _wanted(stateful_set):
        return State("False", "RollingOut", "not all aggregators run the present spec yet")
    return merged


def lacks_pods(stateful_set: Document) -> bool:
    """Return whether the controller saw the edit and has not made all pods: it may not, or has just begun."""
    seen = count_of(stateful_set, "observedGeneration") > 0
    return seen and count_of(stateful_set, "replicas") < _wanted(stateful_set)


def count_of(workload: Document | None, name: str) -> int:
    """Return a number of the workload's status."""
    return int((workload or {}).get("status", {}).get(name, 0))


def _wanted(workload: Document) -> int:
    return int(workload.get("spec", {}).get("replicas", 1))


def _failed(wrong: Failure) -> State:
    return State("False", wrong.reason, wrong.message)


def _wrong(deployment: Document, pods: Failure | None) -> Failure | None:
    """Return why the Deployment lacks pods; None if it has all."""
    if _is_rolled_out(deployment) and count_of(deployment, "availableReplicas") >= _wanted(deployment):
        return None
    conditions = _conditions(deployment)
    refused, late = conditions.get("ReplicaFailure", {}), conditions.get("Progressing", {})
    if refused.get("status") == "True":  # a quota, a limit range, an admission rule: its own words say which
        return creation_failure(refused.get("message", ""))
    if pods is None and late.get("status") == "False":
        message = f"{late.get('message', '')} {_LOOK_AT_PODS}".strip()
        return Failure(late.get("reason", "NotProgressing"), message)
    return pods


def _is_rolled_out(deployment: Document) -> bool:
    """Return whether all pods are of the newest revision, and were all available at once.

    A later change of scale does not undo it: the Deployment's controller keeps the reason.
    """
    reason = _conditions(deployment).get("Progressing", {}).get("reason")
    whole = count_of(deployment, "replicas") == count_of(deployment, "updatedReplicas")
    return whole and reason == "NewReplicaSetAvailable"


def _conditions(deployment: Document) -> dict[str, Document]:
    return {c["type"]: c for c in deployment.get("status", {}).get("conditions", ())}
