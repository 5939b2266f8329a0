"""Aggregators' volumes that must grow, with the controllers that make and bind the claims."""

from collections.abc import Iterator

import pytest
from support.bad_input import SMALLEST, merged
from support.controlplane.api import Document
from support.controlplane.cluster import Cluster
from support.operator_rig import RunningOperator
from support.waiting import wait_for

AGGREGATOR = "house-prices-aggregator"


@pytest.fixture(autouse=True)
def operator(whole_cluster: Cluster, whole_namespace: str) -> Iterator[RunningOperator]:
    running = RunningOperator(whole_cluster.kubeconfig(), (whole_namespace,))
    yield running
    running.stop()


def storage_class(cluster: Cluster, namespace: str, expands: bool) -> str:
    """A storage class with two volumes that claims can be bound to."""
    name = f"class-{namespace}"
    head = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": name}}
    cluster.admin.create(
        {**head, "provisioner": "kubernetes.io/no-provisioner", "allowVolumeExpansion": expands}
    )
    for number in range(2):
        spec = {
            "capacity": {"storage": "20Gi"},
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": name,
            "hostPath": {"path": "/nowhere"},
            "claimRef": {"namespace": namespace, "name": f"data-{AGGREGATOR}-{number}"},
        }
        metadata = {"name": f"{name}-{number}"}
        cluster.admin.create(
            {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": metadata, "spec": spec}
        )
    return name


def a_model(namespace: str, **aggregator: object) -> Document:
    return merged(SMALLEST, {"metadata": {"namespace": namespace}, "spec": {"aggregator": aggregator}})


def claim(cluster: Cluster, namespace: str, number: int) -> Document:
    metadata = {"name": f"data-{AGGREGATOR}-{number}", "namespace": namespace}
    found = cluster.admin.find({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata})
    return found or {}


def size(cluster: Cluster, namespace: str, number: int) -> str | None:
    """What a claim asks for, once it is bound."""
    found = claim(cluster, namespace, number)
    if found.get("status", {}).get("phase") != "Bound":
        return None
    asked: str = found["spec"]["resources"]["requests"]["storage"]
    return asked


def set_of(namespace: str) -> Document:
    metadata = {"name": AGGREGATOR, "namespace": namespace}
    return {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": metadata}


def stateful_set(cluster: Cluster, namespace: str) -> Document:
    return cluster.admin.get(set_of(namespace))


def ready(cluster: Cluster, namespace: str) -> Document:
    conditions = cluster.admin.get(a_model(namespace)).get("status", {}).get("conditions", [])
    return next((c for c in conditions if c["type"] == "Ready"), {})


def test_volumes_grow_under_a_template_that_cannot(whole_cluster: Cluster, whole_namespace: str) -> None:
    name = storage_class(whole_cluster, whole_namespace, expands=True)
    of_class = {"storageClassName": name}
    whole_cluster.admin.apply(a_model(whole_namespace, storage={"size": "1Gi", **of_class}))
    wait_for(lambda: size(whole_cluster, whole_namespace, 0) == "1Gi", "the claim is bound")
    made = stateful_set(whole_cluster, whole_namespace)
    whole_cluster.admin.apply(a_model(whole_namespace, storage={"size": "5Gi", **of_class}))
    wait_for(lambda: size(whole_cluster, whole_namespace, 0) == "5Gi", "the claim grows")
    whole_cluster.admin.apply(a_model(whole_namespace, storage={"size": "5Gi", **of_class}, replicas=2))
    wait_for(lambda: size(whole_cluster, whole_namespace, 1) == "5Gi", "a new replica's claim is as large")
    wait_for(lambda: ready(whole_cluster, whole_namespace).get("observedGeneration") == 3, "all is applied")
    after = stateful_set(whole_cluster, whole_namespace)
    assert after["metadata"]["uid"] == made["metadata"]["uid"]
    assert after["spec"]["replicas"] == 2
    assert after["spec"]["volumeClaimTemplates"] == made["spec"]["volumeClaimTemplates"]
    for number in range(2):
        owners = claim(whole_cluster, whole_namespace, number)["metadata"].get("ownerReferences", [])
        assert [owner["kind"] for owner in owners] == ["StatefulSet"], "it goes with the aggregator"


def test_a_class_that_does_not_expand_is_told_and_holds_nothing_else_up(
    whole_cluster: Cluster, whole_namespace: str
) -> None:
    name = storage_class(whole_cluster, whole_namespace, expands=False)
    of_class = {"storageClassName": name}
    whole_cluster.admin.apply(a_model(whole_namespace, storage={"size": "1Gi", **of_class}))
    wait_for(lambda: size(whole_cluster, whole_namespace, 0) == "1Gi", "the claim is bound")
    larger = a_model(whole_namespace, storage={"size": "5Gi", **of_class}, retention="48h")
    whole_cluster.admin.apply(larger)
    wait_for(lambda: ready(whole_cluster, whole_namespace).get("reason") == "VolumeNotExpandable", "told")
    assert "set allowVolumeExpansion" in ready(whole_cluster, whole_namespace)["message"]
    assert str(48 * 3600) in str(stateful_set(whole_cluster, whole_namespace)["spec"]["template"])
    named = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": name}}
    whole_cluster.admin.merge(named, {"allowVolumeExpansion": True})
    wait_for(lambda: size(whole_cluster, whole_namespace, 0) == "5Gi", "the claim grows")
    wait_for(lambda: ready(whole_cluster, whole_namespace).get("reason") != "VolumeNotExpandable", "it heals")


def test_claims_that_are_to_be_retained_outlive_their_model(
    whole_cluster: Cluster, whole_namespace: str
) -> None:
    storage = {"storageClassName": storage_class(whole_cluster, whole_namespace, expands=False)}
    kept = a_model(whole_namespace, storage={**storage, "whenDeleted": "Retain"})
    whole_cluster.admin.apply(kept)
    wait_for(lambda: size(whole_cluster, whole_namespace, 0) == "1Gi", "the claim is bound")
    made = claim(whole_cluster, whole_namespace, 0)["metadata"]
    assert not made.get("ownerReferences")
    whole_cluster.admin.delete(kept)
    wait_for(lambda: whole_cluster.admin.find(set_of(whole_namespace)) is None, "its StatefulSet is gone")
    left = claim(whole_cluster, whole_namespace, 0)["metadata"]
    assert (left["uid"], left.get("deletionTimestamp")) == (made["uid"], None)


def test_a_claim_that_is_there_already_is_used_and_goes_with_the_model(
    whole_cluster: Cluster, whole_namespace: str
) -> None:
    before = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {
            "name": f"data-{AGGREGATOR}-0",
            "namespace": whole_namespace,
            "labels": {"whose": "mine"},
        },
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "3Gi"}}},
    }
    made = whole_cluster.admin.create(before)
    whole_cluster.admin.apply(a_model(whole_namespace))
    wait_for(lambda: "ownerReferences" in claim(whole_cluster, whole_namespace, 0)["metadata"], "it is taken")
    taken = claim(whole_cluster, whole_namespace, 0)
    assert (taken["metadata"]["uid"], taken["spec"]) == (made["metadata"]["uid"], made["spec"])
    assert [owner["name"] for owner in taken["metadata"]["ownerReferences"]] == [AGGREGATOR]
