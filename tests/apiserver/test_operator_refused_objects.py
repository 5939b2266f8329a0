"""The operator on a real API server that refuses some of a model's objects: all others are kept in order."""

import contextlib
from collections.abc import Iterator

import pytest
from support.bad_input import SMALLEST, merged
from support.controlplane.api import Document, Refused
from support.controlplane.cluster import Cluster
from support.operator_rig import RunningOperator, managed, quiet
from support.waiting import wait_for

from tidegauge.protocol.names import Env

SCALED = {"autoscaling": {"minReplicas": 2, "maxReplicas": 5}}
NETWORK_POLICY = ("networking.k8s.io", "v1", "networkpolicies")
BUDGET = ("policy", "v1", "poddisruptionbudgets")
CLAIM = ("", "v1", "persistentvolumeclaims")
RIGHTS = "admissionregistration.k8s.io/v1"


@pytest.fixture
def operator(cluster: Cluster, namespace: str) -> Iterator[RunningOperator]:
    running = RunningOperator(cluster.kubeconfig(), (namespace,))
    yield running
    running.stop()


def a_model(namespace: str, **spec: object) -> Document:
    return merged(SMALLEST, {"metadata": {"namespace": namespace}, "spec": spec})


@contextlib.contextmanager
def refused(cluster: Cluster, namespace: str, *kinds: tuple[str, str, str]) -> Iterator[None]:
    """A rule of admission by which these kinds may not be written in a namespace."""
    metadata = {"name": f"refuse-{namespace}"}
    rules = [
        {
            "apiGroups": [group],
            "apiVersions": [version],
            "resources": [plural],
            "operations": ["CREATE", "UPDATE"],
        }
        for group, version, plural in kinds
    ]
    here = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    rule = {
        "matchConstraints": {"resourceRules": rules, "namespaceSelector": here},
        "validations": [{"expression": "false", "message": "the house says no", "reason": "Forbidden"}],
    }
    binding = {"policyName": metadata["name"], "validationActions": ["Deny"]}
    made = [
        {"apiVersion": RIGHTS, "kind": "ValidatingAdmissionPolicy", "metadata": metadata, "spec": rule},
        {
            "apiVersion": RIGHTS,
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": metadata,
            "spec": binding,
        },
    ]
    for document in made:
        cluster.admin.create(document)
    try:
        for kind in kinds:
            wait_for(lambda kind=kind: is_refused(cluster, namespace, kind), f"{kind} is refused")
        yield
    finally:
        for document in reversed(made):
            cluster.admin.delete(document)


def is_refused(cluster: Cluster, namespace: str, kind: tuple[str, str, str]) -> bool:
    """Whether a write of that kind is answered by the rule, and not by what is wrong with it."""
    group, version, plural = kind
    root = f"/apis/{group}/{version}" if group else f"/api/{version}"
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    body = {"metadata": {"name": "a-try"}, "spec": spec if plural == "persistentvolumeclaims" else {}}
    if plural == "networkpolicies":
        body["spec"] = {"podSelector": {}}
    try:
        cluster.admin.request("POST", f"{root}/namespaces/{namespace}/{plural}", body, dryRun="All")
    except Refused as refusal:
        return "the house says no" in str(refusal)
    return False


def ready(cluster: Cluster, namespace: str) -> Document:
    """The condition `Ready`; empty before there is one."""
    conditions = cluster.admin.get(a_model(namespace)).get("status", {}).get("conditions", [])
    return next((condition for condition in conditions if condition["type"] == "Ready"), {})


def kinds_of(cluster: Cluster, namespace: str) -> set[str]:
    return {kind for kind, _ in managed(cluster, namespace)}


def test_what_is_refused_keeps_nothing_else_from_being_made(
    cluster: Cluster, namespace: str, operator: RunningOperator
) -> None:
    with refused(cluster, namespace, NETWORK_POLICY, BUDGET):
        cluster.admin.apply(a_model(namespace, **SCALED))
        wait_for(lambda: ready(cluster, namespace).get("reason") == "Forbidden", "the condition")
        there = kinds_of(cluster, namespace)
        assert {"Deployment", "StatefulSet", "Service", "HorizontalPodAutoscaler"} <= there
        assert not {"NetworkPolicy", "PodDisruptionBudget"} & there
        message = ready(cluster, namespace)["message"]
        assert 'networkpolicies.networking.k8s.io "house-prices" is forbidden' in message
        assert "the house says no" in message
        assert message.endswith(
            "; refused as well: NetworkPolicy/house-prices-aggregator, PodDisruptionBudget/house-prices"
        )
        assert cluster.admin.get(a_model(namespace))["status"]["observedGeneration"] == 0
        writes = operator.cluster.writes
        tries = sum(path.endswith("poddisruptionbudgets/house-prices") for _, path in writes)
        others = sum(path.endswith("deployments/house-prices") for _, path in writes)
        assert tries >= others == 1, "what went well is not applied again with the next try"
    wait_for(lambda: ready(cluster, namespace).get("reason") != "Forbidden", "it heals", 60.0)
    assert {"NetworkPolicy", "PodDisruptionBudget"} <= kinds_of(cluster, namespace)


def test_what_is_no_longer_wanted_goes_though_something_is_refused(
    cluster: Cluster, namespace: str, operator: RunningOperator
) -> None:
    cluster.admin.apply(a_model(namespace, **SCALED))
    wait_for(lambda: "HorizontalPodAutoscaler" in kinds_of(cluster, namespace), "the autoscaler")
    quiet(lambda: len(operator.cluster.writes), 0.4)
    with refused(cluster, namespace, NETWORK_POLICY):
        policy = {"name": "house-prices", "namespace": namespace}
        change = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": policy}
        fixed = {"spec": {"autoscaling": None, "replicas": 3}}
        cluster.admin.delete(change)
        wait_for(lambda: ready(cluster, namespace).get("reason") == "Forbidden", "the condition")
        cluster.admin.merge(a_model(namespace), fixed)
        wait_for(lambda: "HorizontalPodAutoscaler" not in kinds_of(cluster, namespace), "it is gone")
        assert managed(cluster, namespace)["Deployment", "house-prices"]["spec"]["replicas"] == 3


def test_a_new_aggregator_waits_for_its_claim_that_is_refused(
    cluster: Cluster, namespace: str, operator: RunningOperator
) -> None:
    cluster.admin.apply(a_model(namespace, aggregator={"storage": {"size": "1Gi"}}))
    wait_for(lambda: "StatefulSet" in kinds_of(cluster, namespace), "the StatefulSet")
    quiet(lambda: len(operator.cluster.writes), 0.4)
    larger = {"replicas": 2, "storage": {"size": "2Gi"}}
    with refused(cluster, namespace, CLAIM):
        cluster.admin.merge(a_model(namespace), {"spec": {"aggregator": larger, "replicas": 2}})
        wait_for(lambda: ready(cluster, namespace).get("reason") == "Forbidden", "the condition")
        service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "house-prices"}}
        cluster.admin.delete(merged(service, {"metadata": {"namespace": namespace}}))
        wait_for(lambda: "Service" in kinds_of(cluster, namespace), "others are kept in order")
        there = managed(cluster, namespace)
        assert there["StatefulSet", "house-prices-aggregator"]["spec"]["replicas"] == 1
        sidecar = there["Deployment", "house-prices"]["spec"]["template"]["spec"]["initContainers"][1]
        (urls,) = (one["value"] for one in sidecar["env"] if one["name"] == Env.AGGREGATOR_URLS)
        assert "," not in urls, "a sidecar sends to the one aggregator that stands"
