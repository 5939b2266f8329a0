"""A model as it was observed, and what the status and the Events say of it."""

from typing import Any

import msgspec
from support.bad_input import SMALLEST, merged
from support.reports import a_report
from tidegauge_operator.status.conditions import Failure, Observed, status
from tidegauge_operator.status.events import events

from tidegauge.resource import DriftMonitoredModel

NOW = "2026-11-22T12:00:00Z"
LATER = "2026-11-22T13:00:00Z"
DEPLOYMENT = {
    "spec": {"replicas": 3, "selector": {"matchLabels": {"b": "2", "a": "1"}}},
    "status": {
        "replicas": 3,
        "updatedReplicas": 3,
        "availableReplicas": 3,
        "conditions": [{"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}],
    },
}
IN_TROUBLE = Failure("ImagePullBackOff", "pod a-1: no such image. Check its name.")
STATEFUL_SET = {"spec": {"replicas": 1}, "status": {"readyReplicas": 1, "updatedReplicas": 1}}
WELL = Observed(
    generation=2,
    deployment=DEPLOYMENT,
    stateful_set=STATEFUL_SET,
    report=a_report(),
    asked=True,
    url="http://house-prices.ml.svc",
)


def a_model(**spec: object) -> DriftMonitoredModel:
    document = merged(SMALLEST, {"metadata": {"namespace": "ml", "generation": 2}, "spec": spec})
    return msgspec.convert(document, DriftMonitoredModel)


def status_of(
    observed: Observed, before: dict[str, Any] | None = None, now: str = NOW, **spec: object
) -> dict[str, Any]:
    return status(a_model(**spec), observed, before or {}, now)


def condition(document: dict[str, Any], kind: str) -> tuple[str, str]:
    return next((c["status"], c["reason"]) for c in document["conditions"] if c["type"] == kind)


def message(document: dict[str, Any], kind: str) -> str:
    return next(str(c["message"]) for c in document["conditions"] if c["type"] == kind)


def deployed(available: int, updated: int = 3, progressing: str = "ReplicaSetUpdated") -> dict[str, Any]:
    """A Deployment of 3 of which so many pods answer, and so many are of the newest revision."""
    found = {"type": "Progressing", "status": "True", "reason": progressing}
    numbers = {"replicas": 3, "updatedReplicas": updated, "availableReplicas": available}
    return {**DEPLOYMENT, "status": {**numbers, "conditions": [found]}}


def story(*observed: Observed) -> list[list[tuple[str, str]]]:
    """The Events on the way from one observation to the next."""
    before: dict[str, Any] = {}
    told_of = []
    for one in observed:
        after = status_of(one, before)
        told_of.append([(event.kind, event.reason) for event in events(before, after)])
        before = after
    return told_of
