"""What is called is let in: ports of pods, Services and the ServiceMonitor against the NetworkPolicies."""

from typing import Any

import pytest
from support.golden_plan import cases, planned

Document = dict[str, Any]
WORKLOADS = ("Deployment", "StatefulSet")


def of_kind(case: str, *kinds: str) -> list[Document]:
    return [child for child in planned(case).values() if child["kind"] in kinds]


def selects(wanted: Document, labels: Document) -> bool:
    return wanted.items() <= labels.items()


def labels_of_pods(workload: Document) -> Document:
    labels: Document = workload["spec"]["template"]["metadata"]["labels"]
    return labels


def container_ports(workload: Document) -> dict[str, int]:
    """Ports of the pods by name, of sidecars too."""
    spec = workload["spec"]["template"]["spec"]
    containers = [*spec["containers"], *spec.get("initContainers", [])]
    return {port["name"]: port["containerPort"] for each in containers for port in each.get("ports", [])}


def admitted(case: str, labels: Document) -> set[int]:
    """Ports that the policies of these pods let in from everywhere."""
    policies = [
        policy["spec"]
        for policy in of_kind(case, "NetworkPolicy")
        if selects(policy["spec"]["podSelector"]["matchLabels"], labels)
    ]
    assert policies, f"no policy selects {labels}"
    rules = [rule for policy in policies for rule in policy["ingress"] if "from" not in rule]
    return {port["port"] for rule in rules for port in rule["ports"] if port["protocol"] == "TCP"}


def called(service: Document, workload: Document) -> dict[str, int]:
    """Ports of pods that a Service leads to, by the Service's names for them."""
    ports = container_ports(workload)
    targets = {port["name"]: port.get("targetPort", port["port"]) for port in service["spec"]["ports"]}
    return {name: ports.get(target, target) for name, target in targets.items()}


@pytest.mark.parametrize("case", cases())
def test_every_port_of_a_pod_is_let_in(case: str) -> None:
    workloads = of_kind(case, *WORKLOADS)
    assert len(workloads) == len(WORKLOADS)
    for workload in workloads:
        ports = container_ports(workload)
        assert ports
        assert set(ports.values()) == admitted(case, labels_of_pods(workload))


@pytest.mark.parametrize("case", cases())
def test_what_a_service_leads_to_is_let_in(case: str) -> None:
    for service in of_kind(case, "Service"):
        behind = [
            workload
            for workload in of_kind(case, *WORKLOADS)
            if selects(service["spec"]["selector"], labels_of_pods(workload))
        ]
        (workload,) = behind
        assert set(called(service, workload).values()) <= admitted(case, labels_of_pods(workload))


def test_what_prometheus_asks_is_a_port_of_a_service_that_it_finds() -> None:
    (monitor,) = of_kind("everything", "ServiceMonitor")
    found = [
        service
        for service in of_kind("everything", "Service")
        if selects(monitor["spec"]["selector"]["matchLabels"], service["metadata"]["labels"])
    ]
    offered = {port["name"] for service in found for port in service["spec"]["ports"]}
    assert {endpoint["port"] for endpoint in monitor["spec"]["endpoints"]} == offered
