"""The operator on a real API server while something keeps failing: what can be told and mended is."""

from collections.abc import Iterator

import pytest
from support.bad_input import SMALLEST, merged
from support.controlplane.api import Document
from support.controlplane.cluster import Cluster
from support.operator_rig import RunningOperator, crd_of, quiet
from support.reports import DRIFTING, ReportServer, a_report
from support.waiting import wait_for

SOON_SECONDS = 5.0


@pytest.fixture
def aggregator() -> Iterator[ReportServer]:
    server = ReportServer()
    server.say(a_report())
    yield server
    server.stop()


@pytest.fixture
def operator(cluster: Cluster, namespace: str, aggregator: ReportServer) -> Iterator[RunningOperator]:
    running = RunningOperator(cluster.kubeconfig(), (namespace,), lambda _: [aggregator.address])
    yield running
    running.stop()


def a_model(namespace: str, **spec: object) -> Document:
    return merged(SMALLEST, {"metadata": {"namespace": namespace}, "spec": spec})


def named(namespace: str, api_version: str, kind: str, name: str) -> Document:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": namespace}}


def an_aggregator_that_answers(cluster: Cluster, namespace: str) -> None:
    """Say of the StatefulSet what its controller would."""
    there = named(namespace, "apps/v1", "StatefulSet", "house-prices-aggregator")
    wait_for(lambda: cluster.admin.find(there), "the StatefulSet")
    one = {"replicas": 1, "readyReplicas": 1, "observedGeneration": 1}
    cluster.admin.merge(there, {"status": one}, subresource="status")


def status_of(cluster: Cluster, namespace: str) -> Document:
    status: Document = cluster.admin.get(a_model(namespace)).get("status", {})
    return status


def verdict(cluster: Cluster, namespace: str) -> object:
    return status_of(cluster, namespace).get("drift", {}).get("verdict")


def reason(cluster: Cluster, namespace: str, kind: str) -> object:
    conditions = status_of(cluster, namespace).get("conditions", [])
    return next((c["reason"] for c in conditions if c["type"] == kind), None)


def a_taken_name(cluster: Cluster, namespace: str, **spec: object) -> None:
    """A model of which all is made up to its budget, whose name is taken."""
    budget = named(namespace, "policy/v1", "PodDisruptionBudget", "house-prices")
    selector = {"matchLabels": {"app": "theirs"}}
    cluster.admin.create(budget | {"spec": {"maxUnavailable": 3, "selector": selector}})
    cluster.admin.apply(a_model(namespace, replicas=2, **spec))
    wait_for(lambda: reason(cluster, namespace, "Ready") == "NameTaken", "the condition")


def a_failure_that_stands(cluster: Cluster, namespace: str, operator: RunningOperator) -> None:
    """The same after so many tries that the next one is far away."""
    a_taken_name(cluster, namespace)

    def tries() -> int:
        return sum("poddisruptionbudgets" in path for _, path in operator.cluster.writes)

    wait_for(lambda: tries() >= 6, "the sixth try: the seventh comes 8 s to 16 s after it", 60.0)


def test_a_failure_that_stands_holds_up_no_verdict(
    cluster: Cluster, namespace: str, operator: RunningOperator, aggregator: ReportServer
) -> None:
    a_failure_that_stands(cluster, namespace, operator)
    an_aggregator_that_answers(cluster, namespace)
    wait_for(lambda: verdict(cluster, namespace) == "Stable", "stable", SOON_SECONDS)
    aggregator.say(DRIFTING)
    wait_for(lambda: verdict(cluster, namespace) == "Drifting", "drifting", SOON_SECONDS)
    assert reason(cluster, namespace, "Ready") == "NameTaken"


def test_a_failure_that_stands_holds_up_no_healing(
    cluster: Cluster, namespace: str, operator: RunningOperator
) -> None:
    a_failure_that_stands(cluster, namespace, operator)
    config = named(namespace, "v1", "ConfigMap", "house-prices-aggregator")
    cluster.admin.delete(config)
    wait_for(lambda: cluster.admin.find(config), "it is back", SOON_SECONDS)


def test_objects_that_a_failure_keeps_from_being_made_are_not_said_to_be_there(
    cluster: Cluster, namespace: str, operator: RunningOperator, aggregator: ReportServer
) -> None:
    cluster.admin.apply(a_model(namespace))
    wait_for(lambda: status_of(cluster, namespace).get("observedGeneration") == 1, "all went well once")
    a_taken_name(cluster, namespace, monitoring={"serviceMonitor": {"enabled": True}})
    an_aggregator_that_answers(cluster, namespace)
    definition = crd_of("servicemonitors", "ServiceMonitor")
    cluster.admin.apply(definition)
    try:
        assert operator.operator
        reconciler = operator.operator.reconciler
        wait_for(lambda: "ServiceMonitor" in reconciler.known_kinds, "the kind is known")
        aggregator.say(DRIFTING)
        wait_for(lambda: verdict(cluster, namespace) == "Drifting", "a status is written after that")
        assert reason(cluster, namespace, "MonitoringReady") == "NotAppliedYet"
    finally:
        cluster.admin.delete(definition)


def test_a_status_that_others_changed_is_set_right(
    cluster: Cluster, namespace: str, operator: RunningOperator
) -> None:
    cluster.admin.apply(a_model(namespace))
    an_aggregator_that_answers(cluster, namespace)
    wait_for(lambda: verdict(cluster, namespace) == "Stable", "stable")
    quiet(lambda: len(operator.cluster.writes), 0.4)
    kinds = {c["type"] for c in status_of(cluster, namespace)["conditions"]}
    broken = {"drift": {"verdict": "Drifting"}, "conditions": []}
    cluster.admin.merge(a_model(namespace), {"status": broken}, subresource="status")

    def is_right() -> bool:
        told = {c["type"] for c in status_of(cluster, namespace)["conditions"]}
        return verdict(cluster, namespace) == "Stable" and told == kinds

    wait_for(is_right, "verdict and conditions are back", SOON_SECONDS)
    quiet(lambda: len(operator.cluster.writes), 1.0, timeout_seconds=5.0)


def test_why_an_aggregators_pods_are_not_made_is_not_asked_with_each_report(
    cluster: Cluster, namespace: str, operator: RunningOperator
) -> None:
    cluster.admin.apply(a_model(namespace))
    there = named(namespace, "apps/v1", "StatefulSet", "house-prices-aggregator")
    uid = wait_for(lambda: cluster.admin.find(there), "the StatefulSet")["metadata"]["uid"]
    time = "2026-01-01T00:00:00Z"
    event = named(namespace, "v1", "Event", "no-pods") | {
        "involvedObject": {"kind": "StatefulSet", "namespace": namespace, "name": "x", "uid": uid},
        "reason": "FailedCreate",
        "message": "create Pod failed error: pods is forbidden: exceeded quota: few",
        "firstTimestamp": time,
        "lastTimestamp": time,
    }
    cluster.admin.create(event)
    cluster.admin.merge(there, {"status": {"replicas": 0, "observedGeneration": 1}}, subresource="status")
    wait_for(lambda: reason(cluster, namespace, "AggregatorAvailable") == "QuotaExceeded", "the condition")
    requests = operator.cluster.requests
    before = len(requests)
    cluster.admin.apply(a_model(namespace, replicas=2))
    wait_for(lambda: status_of(cluster, namespace).get("observedGeneration") == 2, "several looks later")
    assert reason(cluster, namespace, "AggregatorAvailable") == "QuotaExceeded"
    assert not [path for method, path in requests[before:] if method == "GET" and path.endswith("/events")]
