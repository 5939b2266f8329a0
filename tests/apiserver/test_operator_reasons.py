"""Why a model does not start, from its pods to its conditions, on a real API server.

Without a kubelet the pods' status is written by hand, in the words of one; quota and scheduler are real.
"""

import copy
from collections.abc import Iterator

import httpx
import pytest
from support.bad_input import SMALLEST, merged
from support.controlplane.api import Document
from support.controlplane.cluster import Cluster
from support.controlplane.provide import uses_existing
from support.faulty_proxy import FaultyProxy
from support.operator_rig import RunningOperator, quiet
from support.pods import DONE, RUNNING, container, ended, waiting
from support.waiting import wait_for

from tidegauge.protocol.names import Exit

AGGREGATOR = "house-prices-aggregator"
UNREACHED = "manifest.json of s3://models/house-prices/3 cannot be read: ConnectTimeoutError: timed out\n"
BAD_MODEL = "not ready\nthe model cannot predict the manifest's example: ValueError: 3 features\n"
NO_SECRET = waiting("CreateContainerConfigError", 'secret "models-read" not found')
LOOPING = waiting("CrashLoopBackOff", "back-off 10s restarting failed container")
BROUGHT = container("storage-initializer", DONE, ready=True)
SIDECAR = container("drift-sidecar", RUNNING, ready=True)


@pytest.fixture
def operator(cluster: Cluster, namespace: str) -> Iterator[RunningOperator]:
    running = RunningOperator(cluster.kubeconfig(), (namespace,))
    yield running
    running.stop()


@pytest.fixture
def whole_operator(whole_cluster: Cluster, whole_namespace: str) -> Iterator[RunningOperator]:
    running = RunningOperator(whole_cluster.kubeconfig(), (whole_namespace,))
    yield running
    running.stop()


def a_model(namespace: str, **spec: object) -> Document:
    return merged(SMALLEST, {"metadata": {"namespace": namespace}, "spec": spec})


def deployed(cluster: Cluster, namespace: str) -> tuple[Document, Document]:
    """A model's Deployment and StatefulSet."""
    cluster.admin.apply(a_model(namespace))
    named = {"apiVersion": "apps/v1", "metadata": {"namespace": namespace}}
    deployment = merged(named, {"kind": "Deployment", "metadata": {"name": "house-prices"}})
    aggregator = merged(named, {"kind": "StatefulSet", "metadata": {"name": AGGREGATOR}})
    there = [wait_for(lambda of=of: cluster.admin.find(of), of["kind"]) for of in (deployment, aggregator)]  # type: ignore[misc]
    return there[0], there[1]


def a_pod(cluster: Cluster, of: Document, name: str) -> Document:
    """A pod as the workload's controller would make it."""
    template = copy.deepcopy(of["spec"]["template"])
    metadata = {**template["metadata"], "name": name, "namespace": of["metadata"]["namespace"]}
    template["spec"].pop("serviceAccountName", None)
    volumes = {mount["name"] for each in template["spec"]["containers"] for mount in each["volumeMounts"]}
    known = template["spec"].setdefault("volumes", [])
    known += [{"name": n, "emptyDir": {}} for n in volumes - {volume["name"] for volume in known}]
    return cluster.admin.create(
        {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}
    )


def say(cluster: Cluster, pod: Document, *containers: Document, **status: object) -> None:
    """Have the pod's kubelet say this."""
    first = {each["name"] for each in pod["spec"].get("initContainers", ())}
    status["initContainerStatuses"] = [each for each in containers if each["name"] in first]
    status["containerStatuses"] = [each for each in containers if each["name"] not in first]
    cluster.admin.merge(pod, {"status": {"phase": "Pending", **status}}, subresource="status")


def states(cluster: Cluster, namespace: str) -> dict[str, tuple[str, str]]:
    conditions = cluster.admin.get(a_model(namespace)).get("status", {}).get("conditions", [])
    return {c["type"]: (c["status"], c["reason"]) for c in conditions}


def wait_for_state(cluster: Cluster, namespace: str, kind: str, state: tuple[str, str]) -> str:
    """Wait for a condition, and return its message."""
    wait_for(lambda: states(cluster, namespace).get(kind) == state, f"{kind} is {state}")
    conditions = cluster.admin.get(a_model(namespace))["status"]["conditions"]
    return next(str(c["message"]) for c in conditions if c["type"] == kind)


@pytest.mark.usefixtures("operator")
def test_each_thing_that_keeps_a_model_from_starting_is_told_with_the_next_step(
    cluster: Cluster, namespace: str
) -> None:
    deployment, _ = deployed(cluster, namespace)
    pod = a_pod(cluster, deployment, "house-prices-1-a")
    later = container("model", waiting("PodInitializing"))
    for containers, reason, step in (
        (
            [container("storage-initializer", NO_SECRET), later],
            "CreateContainerConfigError",
            "spec.model.storageSecretName",
        ),
        (
            [container("storage-initializer", ended(Exit.STORAGE, UNREACHED)), later],
            "StorageUnreadable",
            "address",
        ),
        (
            [container("storage-initializer", ended(Exit.BUNDLE, "x\n")), later],
            "BundleInvalid",
            "Pack the model",
        ),
        (
            [BROUGHT, SIDECAR, container("model", waiting("ErrImagePull", "no"))],
            "ImagePullBackOff",
            "Check its name",
        ),
        (
            [BROUGHT, SIDECAR, container("model", LOOPING, ended(Exit.BUNDLE, BAD_MODEL))],
            "BundleInvalid",
            "3 features",
        ),
        (
            [BROUGHT, SIDECAR, container("model", LOOPING, ended(137, reason="OOMKilled"))],
            "OOMKilled",
            "Raise spec.",
        ),
        (
            [BROUGHT, SIDECAR, container("model", LOOPING, ended(1, "bang\n"))],
            "CrashLoopBackOff",
            "1: bang. See",
        ),
    ):
        say(cluster, pod, *containers)
        message = wait_for_state(cluster, namespace, "ModelAvailable", ("False", reason))
        assert step in message
        assert states(cluster, namespace)["Ready"] == ("False", reason)
    say(cluster, pod, BROUGHT, SIDECAR, container("model", RUNNING))
    wait_for_state(cluster, namespace, "ModelAvailable", ("False", "PodsStarting"))


@pytest.mark.usefixtures("operator")
def test_an_aggregator_that_does_not_start_is_told_too(cluster: Cluster, namespace: str) -> None:
    _, aggregator = deployed(cluster, namespace)
    pod = a_pod(cluster, aggregator, f"{AGGREGATOR}-0")
    say(cluster, pod, container("aggregator", LOOPING, ended(1, "tidegauge-aggregator: the disk is full\n")))
    message = wait_for_state(cluster, namespace, "AggregatorAvailable", ("False", "CrashLoopBackOff"))
    assert "the disk is full" in message
    assert "house-prices-aggregator-0" in message
    cluster.admin.delete(pod, gracePeriodSeconds="0")
    wait_for_state(cluster, namespace, "AggregatorAvailable", ("False", "AggregatorStarting"))


def test_a_pod_that_fails_again_and_again_is_written_once(
    cluster: Cluster, namespace: str, operator: RunningOperator
) -> None:
    deployment, _ = deployed(cluster, namespace)
    pod = a_pod(cluster, deployment, "house-prices-1-a")
    over = ended(1, "bang\n")
    say(cluster, pod, BROUGHT, SIDECAR, container("model", over))
    wait_for_state(cluster, namespace, "Ready", ("False", "CrashLoopBackOff"))
    events = wait_for(lambda: cluster.admin.list("v1", "Event", namespace), "the Event")
    assert [event["reason"] for event in events] == ["CrashLoopBackOff"]
    quiet(lambda: len(operator.cluster.writes), 0.4)
    before = len(operator.cluster.writes)
    for _ in range(4):
        for state in (LOOPING, RUNNING, over):
            say(cluster, pod, BROUGHT, SIDECAR, container("model", state, over))
    quiet(lambda: len(operator.cluster.writes), 0.4)
    assert len(operator.cluster.writes) == before
    assert len(cluster.admin.list("v1", "Event", namespace)) == 1


@pytest.mark.skipif(uses_existing(), reason="the proxy acts by a client certificate")
def test_a_pod_that_went_while_no_watch_was_there_is_forgotten(cluster: Cluster, namespace: str) -> None:
    proxy = FaultyProxy(cluster.kubeconfig())
    running = RunningOperator(proxy.kubeconfig(), (namespace,))
    try:
        deployment, _ = deployed(cluster, namespace)
        pod = a_pod(cluster, deployment, "house-prices-1-a")
        say(cluster, pod, BROUGHT, SIDECAR, container("model", ended(1)))
        wait_for_state(cluster, namespace, "ModelAvailable", ("False", "CrashLoopBackOff"))
        proxy.fault = lambda *_: 404
        proxy.cut()
        page = f"{running.address}/metrics"
        wait_for(lambda: 'reason="WatchesEnded"' in httpx.get(page).text, "the watches ended")
        cluster.admin.delete(pod, gracePeriodSeconds="0")
        proxy.fault = None
        wait_for_state(cluster, namespace, "ModelAvailable", ("False", "PodsStarting"))
    finally:
        running.stop()
        proxy.stop()


def test_a_pods_status_applies_nothing(cluster: Cluster, namespace: str, operator: RunningOperator) -> None:
    deployment, _ = deployed(cluster, namespace)
    pod = a_pod(cluster, deployment, "house-prices-1-a")
    quiet(lambda: len(operator.cluster.writes), 0.4)
    before = len(operator.cluster.requests)
    say(cluster, pod, BROUGHT, SIDECAR, container("model", ended(1)))
    wait_for_state(cluster, namespace, "Ready", ("False", "CrashLoopBackOff"))
    quiet(lambda: len(operator.cluster.writes), 0.4)
    asked = [path.rpartition("/")[2] for _, path in operator.cluster.requests[before:] if namespace in path]
    assert asked == ["status", "events"]


@pytest.mark.usefixtures("operator")
def test_a_revision_that_does_not_start_is_not_ready_while_the_one_before_answers(
    cluster: Cluster, namespace: str
) -> None:
    deployment, aggregator = deployed(cluster, namespace)
    one = {"replicas": 1, "readyReplicas": 1, "updatedReplicas": 1, "observedGeneration": 1}
    cluster.admin.merge(aggregator, {"status": one}, subresource="status")
    rolled_out(cluster, deployment, 1, "NewReplicaSetAvailable")
    wait_for_state(cluster, namespace, "Ready", ("True", "Available"))
    cluster.admin.apply(a_model(namespace, model={"storageUri": "s3://models/house-prices/4"}))
    told = cluster.kubectl(
        *("wait", "--for=condition=Ready", "dmm/house-prices", "-n", namespace, "--timeout=1s"), check=False
    )
    assert "timed out" in told, "the spec as it is now is not Ready yet"
    wait_for(lambda: "/house-prices/4" in str(cluster.admin.get(deployment)["spec"]), "the edit is applied")
    rolled_out(cluster, deployment, 0, "ReplicaSetUpdated")
    wait_for_state(cluster, namespace, "Ready", ("False", "RollingOut"))
    assert states(cluster, namespace)["ModelAvailable"] == ("True", "PodsAvailable")
    pod = a_pod(cluster, cluster.admin.get(deployment), "house-prices-2-b")
    say(cluster, pod, container("storage-initializer", ended(Exit.STORAGE, UNREACHED)))
    wait_for_state(cluster, namespace, "Ready", ("False", "StorageUnreadable"))
    message = wait_for_state(cluster, namespace, "ModelAvailable", ("True", "RolloutStalled"))
    assert "1 of 1 pods answer" in message
    assert "pod house-prices-2-b" in message
    rolled_out(cluster, deployment, 1, "NewReplicaSetAvailable")
    wait_for_state(cluster, namespace, "Ready", ("True", "Available"))


def rolled_out(cluster: Cluster, deployment: Document, updated: int, progressing: str) -> None:
    """Say what the Deployment's controller would: one pod answers, so many are of the newest revision."""
    seen = cluster.admin.get(deployment)["metadata"]["generation"]
    condition = {"type": "Progressing", "status": "True", "reason": progressing, "message": ""}
    numbers = {"replicas": 1, "readyReplicas": 1, "availableReplicas": 1, "updatedReplicas": updated}
    status = {**numbers, "observedGeneration": seen, "conditions": [condition]}
    cluster.admin.merge(deployment, {"status": status}, subresource="status")


@pytest.mark.usefixtures("operator")
def test_as_many_pods_are_expected_as_an_autoscaler_asks_for(cluster: Cluster, namespace: str) -> None:
    cluster.admin.apply(a_model(namespace, autoscaling={"minReplicas": 2, "maxReplicas": 9}))
    named = {"apiVersion": "apps/v1", "kind": "Deployment"}
    deployment = {**named, "metadata": {"name": "house-prices", "namespace": namespace}}
    wait_for(lambda: cluster.admin.find(deployment), "the Deployment")
    config = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": AGGREGATOR, "namespace": namespace},
    }

    def expected(pods: int) -> bool:
        found = cluster.admin.find(config)
        return found is not None and f'"expected_pods": {pods}\n' in found["data"]["config.json"]

    wait_for(lambda: expected(2), "the least number at first")
    for pods in (7, 3):  # what an autoscaler writes, where it writes it
        cluster.admin.merge(deployment, {"spec": {"replicas": pods}}, subresource="scale")
        wait_for(lambda pods=pods: expected(pods), f"{pods} are expected")  # type: ignore[misc]


# --- with controllers and a scheduler ---------------------------------------------------------------------


@pytest.mark.usefixtures("whole_operator")
def test_a_cluster_without_room_is_told(whole_cluster: Cluster, whole_namespace: str) -> None:
    whole_cluster.admin.apply(a_model(whole_namespace))
    for kind in ("ModelAvailable", "AggregatorAvailable"):
        message = wait_for_state(whole_cluster, whole_namespace, kind, ("False", "Unschedulable"))
        assert message.startswith("pod house-prices-")


def test_a_quota_is_told_for_both_and_its_end_heals(
    whole_cluster: Cluster, whole_namespace: str, whole_operator: RunningOperator
) -> None:
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "few", "namespace": whole_namespace},
        "spec": {"hard": {"pods": "0"}},
    }
    whole_cluster.admin.create(quota)
    wait_for(lambda: "hard" in whole_cluster.admin.get(quota).get("status", {}), "the quota is in force")
    whole_cluster.admin.apply(a_model(whole_namespace))
    for kind in ("ModelAvailable", "AggregatorAvailable"):
        message = wait_for_state(whole_cluster, whole_namespace, kind, ("False", "QuotaExceeded"))
        assert message.startswith("exceeded quota: few, requested: pods=1")
        assert "Raise the quota" in message
    quiet(lambda: len(whole_operator.cluster.writes), 1.0)
    whole_cluster.admin.delete(quota)
    for kind in ("ModelAvailable", "AggregatorAvailable"):
        wait_for_state(whole_cluster, whole_namespace, kind, ("False", "Unschedulable"))
