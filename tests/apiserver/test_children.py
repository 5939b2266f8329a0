"""The API server takes every planned child, and a second apply changes nothing."""

import copy

import pytest
from support.controlplane.api import Document, Refused
from support.controlplane.cluster import Cluster
from support.golden_plan import cases, planned
from support.restricted import namespace as namespace_of

FOREIGN = "monitoring.coreos.com/v1"  # kinds that only the Prometheus operator brings
STANDARD = "pod-security.kubernetes.io/enforce"
RESTRICTED = {STANDARD: "restricted", f"{STANDARD}-version": "latest"}


def children(case: str, namespace: str) -> list[Document]:
    """The children of a case, moved to a namespace; the owner is left out, for it is not there."""
    found = [copy.deepcopy(child) for child in planned(case).values()]
    for child in found:
        child["metadata"]["namespace"] = namespace
        child["metadata"].pop("ownerReferences", None)
        child["metadata"].pop("resourceVersion", None)
    return [child for child in found if child["apiVersion"] != FOREIGN]


@pytest.mark.parametrize("case", cases())
def test_every_child_is_taken_and_a_second_apply_changes_nothing(cluster: Cluster, namespace: str, case: str):
    for child in children(case, namespace):
        if child["kind"] == "PersistentVolumeClaim":
            continue  # it is the StatefulSet's, and there before it grows
        first = cluster.admin.apply(child, manager="tidegauge")
        second = cluster.admin.apply(child, manager="tidegauge")
        assert second["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"], child["kind"]


def test_a_claim_that_its_controller_made_and_that_is_bound_grows(cluster: Cluster, namespace: str):
    expandable = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": f"expandable-{namespace}"},
        "provisioner": "example.com/none",
        "allowVolumeExpansion": True,
    }
    cluster.admin.create(expandable)
    template = planned("grown")["StatefulSet-iris-aggregator.yaml"]["spec"]["volumeClaimTemplates"][0]
    grown = [child for child in children("grown", namespace) if child["kind"] == "PersistentVolumeClaim"]
    assert len(grown) == 2
    for claim in grown:
        name = {"name": claim["metadata"]["name"], "namespace": namespace}
        bound = {"volumeName": f"volume-{namespace}", "storageClassName": expandable["metadata"]["name"]}
        made = cluster.admin.create(template | {"metadata": name, "spec": template["spec"] | bound})
        assert made["spec"]["resources"]["requests"]["storage"] == "1Gi"
        cluster.admin.merge(made, {"status": {"phase": "Bound", "capacity": {"storage": "1Gi"}}}, "status")
        applied = cluster.admin.apply(claim, manager="tidegauge")
        assert applied["spec"]["resources"]["requests"]["storage"] == "5Gi"
        assert applied["spec"]["volumeName"] == f"volume-{namespace}"
        again = cluster.admin.apply(claim, manager="tidegauge")
        assert again["metadata"]["resourceVersion"] == applied["metadata"]["resourceVersion"]


@pytest.mark.parametrize("case", cases())
def test_the_pods_keep_to_the_restricted_standard(cluster: Cluster, restricted: str, case: str):
    for pod in pods(cluster, restricted, case):
        cluster.admin.create(pod, dry_run=True)


def test_pods_that_do_not_are_refused(cluster: Cluster, restricted: str):
    for pod in pods(cluster, restricted, "smallest"):
        pod["spec"]["containers"][0]["securityContext"].pop("capabilities")
        with pytest.raises(Refused, match="restricted"):
            cluster.admin.create(pod, dry_run=True)


@pytest.fixture
def restricted(cluster: Cluster, namespace: str) -> str:
    """A namespace that takes only pods of the restricted standard."""
    cluster.admin.merge(namespace_of(namespace), {"metadata": {"labels": RESTRICTED}})
    return namespace


def pods(cluster: Cluster, namespace: str, case: str) -> list[Document]:
    """The pods of a case, with the accounts that they run as in place."""
    found = children(case, namespace)
    for child in found:
        if child["kind"] == "ServiceAccount":
            cluster.admin.apply(child)
    return [pod_of(child, namespace) for child in found if child["kind"] in ("Deployment", "StatefulSet")]


def pod_of(workload: Document, namespace: str) -> Document:
    """A pod as the workload's controller would make it."""
    template = copy.deepcopy(workload["spec"]["template"])
    spec = template["spec"]
    for volume in workload["spec"].get("volumeClaimTemplates", []):
        name = volume["metadata"]["name"]
        spec["volumes"].append({"name": name, "persistentVolumeClaim": {"claimName": f"{name}-0"}})
    head = {"name": f"{workload['metadata']['name']}-x", "namespace": namespace, **template["metadata"]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": head, "spec": spec}
