"""The verdict's way back: from an aggregator's HTTP answer to the resource, its conditions and Events."""

from collections.abc import Iterator

import httpx
import pytest
from support.bad_input import SMALLEST, merged
from support.controlplane.api import Document
from support.controlplane.cluster import Cluster
from support.operator_rig import RunningOperator, quiet
from support.reports import DRIFTING, ReportServer, a_report, in_pods
from support.waiting import wait_for

from tidegauge.protocol.names import Extent


@pytest.fixture
def aggregator() -> Iterator[ReportServer]:
    server = ReportServer()
    yield server
    server.stop()


@pytest.fixture
def operator(cluster: Cluster, namespace: str, aggregator: ReportServer) -> Iterator[RunningOperator]:
    running = RunningOperator(cluster.kubeconfig(), (namespace,), lambda _: [aggregator.address])
    yield running
    running.stop()


def a_model(namespace: str) -> Document:
    return merged(SMALLEST, {"metadata": {"namespace": namespace}})


def all_ready(cluster: Cluster, namespace: str) -> None:
    """Say what controllers would say when all pods run; there are none in this cluster."""
    named = {"apiVersion": "apps/v1", "metadata": {"name": "house-prices", "namespace": namespace}}
    deployment = {"kind": "Deployment", **named}
    there = wait_for(lambda: cluster.admin.find(deployment), "the Deployment")
    whole = {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable", "message": ""}
    one = {"replicas": 1, "readyReplicas": 1, "updatedReplicas": 1, "availableReplicas": 1}
    one["observedGeneration"] = there["metadata"]["generation"]
    cluster.admin.merge(deployment, {"status": {**one, "conditions": [whole]}}, subresource="status")
    aggregator = merged(named, {"kind": "StatefulSet", "metadata": {"name": "house-prices-aggregator"}})
    wait_for(lambda: cluster.admin.find(aggregator), "the StatefulSet")
    cluster.admin.merge(aggregator, {"status": one}, subresource="status")


def status(cluster: Cluster, namespace: str) -> Document:
    found: Document = cluster.admin.get(a_model(namespace)).get("status", {})
    return found


def states(cluster: Cluster, namespace: str) -> dict[str, tuple[str, str]]:
    conditions = status(cluster, namespace).get("conditions", [])
    return {c["type"]: (c["status"], c["reason"]) for c in conditions}


def reasons(cluster: Cluster, namespace: str) -> list[str]:
    return sorted(event["reason"] for event in cluster.admin.list("v1", "Event", namespace))


def wait_for_verdict(cluster: Cluster, namespace: str, verdict: str) -> None:
    wait_for(lambda: status(cluster, namespace).get("drift", {}).get("verdict") == verdict, verdict)


@pytest.mark.usefixtures("operator")
def test_a_verdict_lands_on_the_resource(cluster: Cluster, namespace: str, aggregator: ReportServer) -> None:
    aggregator.say(a_report())
    cluster.admin.apply(a_model(namespace))
    all_ready(cluster, namespace)
    wait_for_verdict(cluster, namespace, "Stable")
    wait_for(lambda: states(cluster, namespace)["Ready"] == ("True", "Available"), "ready")
    aggregator.say(in_pods(DRIFTING, "sqft", Extent.CONFINED, "house-prices-a"))
    said = cluster.kubectl(
        "wait", "--for=condition=DataDriftDetected", "dmm/house-prices", "-n", namespace, "--timeout=20s"
    )
    assert "condition met" in said
    drift = status(cluster, namespace)["drift"]
    assert (drift["verdict"], drift["driftingFeatures"], drift["coverage"]["pods"]) == ("Drifting", 2, "3/3")
    assert drift["topFeatures"][0] == {
        "name": "sqft",
        "statistic": 0.21,
        "lowerBound": 0.17,
        "window": "160s",
        "severity": "critical",
        "pods": ["house-prices-a"],
    }
    assert states(cluster, namespace)["DataDriftDetected"] == ("True", "CriticalDrift")
    line = cluster.kubectl("get", "dmm", "-n", namespace, "--no-headers").split()
    assert line[:7] == ["house-prices", "True", "Drifting", "2", "sqft", "1", "3/3"]


def test_each_transition_is_one_event_and_nothing_else_is_written(
    cluster: Cluster, namespace: str, aggregator: ReportServer, operator: RunningOperator
) -> None:
    aggregator.say(a_report())
    cluster.admin.apply(a_model(namespace))
    all_ready(cluster, namespace)
    wait_for_verdict(cluster, namespace, "Stable")
    wait_for(lambda: reasons(cluster, namespace) == ["Ready"], "the first Event")
    quiet(lambda: len(operator.cluster.writes), 0.5)
    aggregator.say(DRIFTING)
    wait_for(lambda: "CriticalDrift" in reasons(cluster, namespace), "the Event")
    writes, asked = len(operator.cluster.writes), aggregator.asked
    wait_for(lambda: aggregator.asked >= asked + 5, "five more reports")
    assert len(operator.cluster.writes) == writes
    aggregator.say(a_report(rows=99999))
    wait_for(lambda: "DataDriftEnded" in reasons(cluster, namespace), "the Event")
    assert reasons(cluster, namespace) == ["CriticalDrift", "DataDriftEnded", "Ready"]
    assert len(operator.cluster.writes) == writes + 2, "one status and one Event"


def test_figures_that_change_are_not_written_each_time(
    cluster: Cluster, namespace: str, aggregator: ReportServer, operator: RunningOperator
) -> None:
    aggregator.say(a_report())
    cluster.admin.apply(a_model(namespace))
    all_ready(cluster, namespace)
    wait_for_verdict(cluster, namespace, "Stable")
    quiet(lambda: len(operator.cluster.writes), 0.5)
    writes = len(operator.cluster.writes)
    for rows in range(20000, 20005):
        aggregator.say(a_report(rows=rows))
        asked = aggregator.asked
        wait_for(lambda asked=asked: aggregator.asked >= asked + 2, "it is asked")  # type: ignore[misc]
    assert len(operator.cluster.writes) == writes


@pytest.mark.usefixtures("operator")
def test_an_aggregator_that_falls_silent_is_told_and_never_called_stable(
    cluster: Cluster, namespace: str, aggregator: ReportServer
) -> None:
    aggregator.say(a_report())
    cluster.admin.apply(a_model(namespace))
    all_ready(cluster, namespace)
    wait_for_verdict(cluster, namespace, "Stable")
    aggregator.document = {"schema": "something else"}
    wait_for_verdict(cluster, namespace, "Unknown")
    assert states(cluster, namespace)["DriftMonitoringDegraded"] == ("True", "NoReport")
    assert states(cluster, namespace)["DataDriftDetected"] == ("Unknown", "NoReport")
    aggregator.say(a_report())
    wait_for_verdict(cluster, namespace, "Stable")
    assert states(cluster, namespace)["DriftMonitoringDegraded"] == ("False", "Covered")


@pytest.mark.usefixtures("operator")
def test_waiting_for_drift_ends_without_it(
    cluster: Cluster, namespace: str, aggregator: ReportServer
) -> None:
    aggregator.say(a_report())
    cluster.admin.apply(a_model(namespace))
    all_ready(cluster, namespace)
    wait_for_verdict(cluster, namespace, "Stable")
    said = cluster.kubectl(
        *("wait", "--for=condition=DataDriftDetected", "dmm/house-prices", "-n", namespace, "--timeout=1s"),
        check=False,
    )
    assert "timed out" in said


def test_the_operators_pages_show_health_metrics_and_queue(
    cluster: Cluster, namespace: str, aggregator: ReportServer, operator: RunningOperator
) -> None:
    aggregator.say(DRIFTING)
    cluster.admin.apply(a_model(namespace))
    all_ready(cluster, namespace)
    wait_for_verdict(cluster, namespace, "Drifting")
    page = page_of(f"{operator.address}/metrics")
    assert 'tidegauge_operator_models{verdict="Drifting"} 1.0' in page
    assert "tidegauge_operator_queue_depth" in page
    assert "tidegauge_operator_reconcile_seconds_count" in page
    assert (
        page_of(f"{operator.address}/healthz") == page_of(f"{operator.address}/readyz") == '{"status": "ok"}'
    )


def page_of(address: str) -> str:
    answer = httpx.get(address)
    assert answer.status_code == 200
    return answer.text
