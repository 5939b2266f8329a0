"""Objects for the Prometheus operator, in a cluster that gets to know them late."""

from collections.abc import Iterator

import pytest
from support.bad_input import SMALLEST, merged
from support.controlplane.api import Document
from support.controlplane.cluster import Cluster
from support.operator_rig import RunningOperator, crd_of, managed
from support.waiting import wait_for

KINDS = {"servicemonitors": "ServiceMonitor", "prometheusrules": "PrometheusRule"}


@pytest.fixture
def operator(cluster: Cluster, namespace: str) -> Iterator[RunningOperator]:
    running = RunningOperator(cluster.kubeconfig(), (namespace,))
    yield running
    running.stop()


def a_model(namespace: str, enabled: bool = True) -> Document:
    monitoring = {
        "serviceMonitor": {"enabled": enabled, "labels": {"release": "prometheus"}},
        "prometheusRule": {"enabled": enabled},
    }
    return merged(SMALLEST, {"metadata": {"namespace": namespace}, "spec": {"monitoring": monitoring}})


def monitoring_ready(cluster: Cluster, namespace: str) -> tuple[str, str] | None:
    conditions = cluster.admin.get(a_model(namespace)).get("status", {}).get("conditions", [])
    return next(((c["status"], c["reason"]) for c in conditions if c["type"] == "MonitoringReady"), None)


def document(kind: str, namespace: str) -> Document:
    named = {"name": "house-prices", "namespace": namespace}
    return {"apiVersion": "monitoring.coreos.com/v1", "kind": kind, "metadata": named}


@pytest.mark.usefixtures("operator")
def test_definitions_that_are_missing_are_told_and_waited_for(cluster: Cluster, namespace: str) -> None:
    definitions = [crd_of(plural, kind) for plural, kind in KINDS.items()]
    cluster.admin.apply(a_model(namespace))
    wait_for(
        lambda: monitoring_ready(cluster, namespace) == ("False", "CRDNotInstalled"), "the condition says so"
    )
    wait_for(lambda: ("Deployment", "house-prices") in managed(cluster, namespace), "the model is made")
    try:
        for definition in definitions:
            cluster.admin.apply(definition)
        wait_for(lambda: monitoring_ready(cluster, namespace) == ("True", "Applied"), "it heals")
        monitor = cluster.admin.get(document("ServiceMonitor", namespace))
        assert monitor["metadata"]["labels"]["release"] == "prometheus"
        rule = cluster.admin.get(document("PrometheusRule", namespace))
        assert rule["spec"]["groups"][0]["rules"]
        cluster.admin.apply(a_model(namespace, enabled=False))
        for kind in KINDS.values():
            wait_for(
                lambda kind=kind: cluster.admin.find(document(kind, namespace)) is None,  # type: ignore[misc]
                f"{kind} goes when it is switched off",
            )
    finally:
        for definition in definitions:
            cluster.admin.delete(definition)
