"""The operator on a real API server: objects appear, come back, go, and others' fields stay."""

import json
from collections.abc import Iterator

import pytest
from support.bad_input import SMALLEST, merged
from support.controlplane.api import Document
from support.controlplane.cluster import Cluster
from support.operator_rig import RunningOperator, managed, quiet
from support.waiting import wait_for

ALWAYS = {
    ("ServiceAccount", "house-prices"),
    ("ServiceAccount", "house-prices-aggregator"),
    ("Secret", "house-prices-aggregator-token"),
    ("ConfigMap", "house-prices-aggregator"),
    ("Service", "house-prices"),
    ("Service", "house-prices-aggregator"),
    ("Deployment", "house-prices"),
    ("StatefulSet", "house-prices-aggregator"),
}


def a_model(namespace: str, **spec: object) -> Document:
    return merged(SMALLEST, {"metadata": {"namespace": namespace}, "spec": spec})


@pytest.fixture
def operator(cluster: Cluster, namespace: str) -> Iterator[RunningOperator]:
    running = RunningOperator(cluster.kubeconfig(), (namespace,))
    yield running
    running.stop()


def applied(cluster: Cluster, operator: RunningOperator, model: Document) -> dict[tuple[str, str], Document]:
    """Apply a model, wait until its objects are there and the operator is quiet."""
    generation = cluster.admin.apply(model)["metadata"]["generation"]

    def done() -> bool:
        return cluster.admin.get(model).get("status", {}).get("observedGeneration") == generation

    wait_for(done, f"generation {generation} is applied")
    quiet(lambda: len(operator.cluster.writes), 0.4)
    return managed(cluster, model["metadata"]["namespace"])


def test_a_model_gets_all_its_objects(cluster: Cluster, namespace: str, operator: RunningOperator) -> None:
    children = applied(cluster, operator, a_model(namespace))
    assert set(children) >= ALWAYS
    uid = cluster.admin.get(a_model(namespace))["metadata"]["uid"]
    assert all(c["metadata"]["ownerReferences"][0]["uid"] == uid for c in children.values())


def test_what_was_deleted_comes_back(cluster: Cluster, namespace: str, operator: RunningOperator) -> None:
    children = applied(cluster, operator, a_model(namespace))
    for child in children.values():
        cluster.admin.delete(child)
    wait_for(lambda: set(managed(cluster, namespace)) == set(children), "all objects are back")


def test_what_was_edited_by_hand_is_set_right(
    cluster: Cluster, namespace: str, operator: RunningOperator
) -> None:
    children = applied(cluster, operator, a_model(namespace))
    service = children["Service", "house-prices"]
    cluster.admin.merge(service, {"spec": {"ports": [{"port": 1, "targetPort": 1, "name": "http"}]}})
    wait_for(lambda: cluster.admin.get(service)["spec"]["ports"] == service["spec"]["ports"], "the ports")
    deployment = children["Deployment", "house-prices"]
    cluster.admin.merge(deployment, {"metadata": {"labels": {"app.kubernetes.io/part-of": "else"}}})
    wait_for(
        lambda: (
            cluster.admin.get(deployment)["metadata"]["labels"]["app.kubernetes.io/part-of"] == "tidegauge"
        ),
        "the label",
    )


def test_a_repair_owns_nothing_afterwards(
    cluster: Cluster, namespace: str, operator: RunningOperator
) -> None:
    service = applied(cluster, operator, a_model(namespace))["Service", "house-prices"]
    theirs = {"name": "house-prices", "namespace": namespace, "annotations": {"theirs": "stays"}}
    cluster.admin.apply({"apiVersion": "v1", "kind": "Service", "metadata": theirs}, manager="others")
    cluster.admin.merge(service, {"spec": {"ports": [{"port": 1, "targetPort": 1, "name": "http"}]}})
    wait_for(lambda: cluster.admin.get(service)["spec"]["ports"] == service["spec"]["ports"], "the ports")
    quiet(lambda: len(operator.cluster.writes), 0.4)
    repaired = cluster.admin.get(service)["metadata"]
    assert {(e["manager"], e["operation"]) for e in repaired["managedFields"]} == {
        ("tidegauge", "Apply"),
        ("others", "Apply"),
    }
    assert repaired["annotations"] == {"theirs": "stays"}


def test_an_edit_of_the_spec_reaches_the_pods(
    cluster: Cluster, namespace: str, operator: RunningOperator
) -> None:
    applied(cluster, operator, a_model(namespace))
    edited = a_model(namespace, model={"storageUri": "s3://models/house-prices/4"}, replicas=3)
    deployment = applied(cluster, operator, edited)["Deployment", "house-prices"]
    assert deployment["spec"]["replicas"] == 3
    assert "s3://models/house-prices/4" in str(deployment["spec"]["template"])


def test_node_selector_and_tolerations_reach_the_pods_and_go_again(
    cluster: Cluster, namespace: str, operator: RunningOperator
) -> None:
    taint = {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
    placed = {"nodeSelector": {"pool": "serving"}, "tolerations": [taint]}
    workloads = (("Deployment", "house-prices"), ("StatefulSet", "house-prices-aggregator"))
    model = a_model(namespace, model=placed, aggregator=placed)
    children = applied(cluster, operator, model)
    for workload in workloads:
        pod = children[workload]["spec"]["template"]["spec"]
        assert {field: pod[field] for field in placed} == placed
    nowhere: Document = dict.fromkeys(placed)
    cluster.admin.merge(model, {"spec": {"model": nowhere, "aggregator": nowhere}})

    def is_free(workload: tuple[str, str]) -> bool:
        return not placed.keys() & managed(cluster, namespace)[workload]["spec"]["template"]["spec"].keys()

    wait_for(lambda: all(map(is_free, workloads)), "the pods may run anywhere")


@pytest.mark.usefixtures("operator")
def test_a_toleration_that_no_pod_may_have_is_told(cluster: Cluster, namespace: str) -> None:
    model = a_model(namespace, model={"tolerations": [{"key": "gpu", "operator": "Exist"}]})
    cluster.admin.apply(model)

    def refused() -> Document | None:
        conditions = cluster.admin.get(model).get("status", {}).get("conditions", [])
        return next((c for c in conditions if c["type"] == "Ready" and c["reason"] == "Rejected"), None)

    assert "tolerations" in wait_for(refused, "the refusal is told", 20)["message"]


def test_what_is_no_longer_wanted_goes(cluster: Cluster, namespace: str, operator: RunningOperator) -> None:
    scaled = a_model(namespace, autoscaling={"minReplicas": 2, "maxReplicas": 5})
    assert ("HorizontalPodAutoscaler", "house-prices") in applied(cluster, operator, scaled)
    cluster.admin.merge(scaled, {"spec": {"autoscaling": None, "replicas": 2}})
    wait_for(
        lambda: ("HorizontalPodAutoscaler", "house-prices") not in managed(cluster, namespace),
        "the autoscaler is gone",
    )
    assert ("Deployment", "house-prices") in managed(cluster, namespace)


@pytest.mark.usefixtures("operator")
def test_objects_of_others_are_not_taken(cluster: Cluster, namespace: str) -> None:
    theirs = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "house-prices", "namespace": namespace},
        "spec": {"ports": [{"name": "http", "port": 80, "targetPort": 9999}], "selector": {"app": "theirs"}},
    }
    stood = cluster.admin.create(theirs)
    cluster.admin.apply(a_model(namespace))
    ready = wait_for(lambda: condition(cluster, namespace, "Ready", "NameTaken"), "the condition")
    assert "Service house-prices is there already" in ready["message"]
    assert cluster.admin.get(theirs)["metadata"]["resourceVersion"] == stood["metadata"]["resourceVersion"]
    cluster.admin.delete(theirs)
    wait_for(lambda: ("Deployment", "house-prices") in managed(cluster, namespace), "then ours are made")


def condition(cluster: Cluster, namespace: str, kind: str, reason: str) -> Document | None:
    """The condition of that type and reason, or None."""
    conditions = cluster.admin.get(a_model(namespace)).get("status", {}).get("conditions", [])
    found: list[Document] = [c for c in conditions if (c["type"], c["reason"]) == (kind, reason)]
    return found[0] if found else None


def test_fields_of_others_are_left_alone(cluster: Cluster, namespace: str, operator: RunningOperator) -> None:
    made = applied(cluster, operator, a_model(namespace))
    deployment, account = made["Deployment", "house-prices"], made["ServiceAccount", "house-prices"]
    cluster.kubectl("rollout", "restart", "deployment/house-prices", "-n", namespace)
    cluster.kubectl("annotate", "serviceaccount", "house-prices", "a.cloud/role=reader", "-n", namespace)
    applied(cluster, operator, a_model(namespace, replicas=2))
    assert cluster.admin.get(account)["metadata"]["annotations"] == {"a.cloud/role": "reader"}
    after = cluster.admin.get(deployment)
    assert "kubectl.kubernetes.io/restartedAt" in after["spec"]["template"]["metadata"]["annotations"]
    assert after["spec"]["replicas"] == 2


def test_the_number_of_pods_never_jumps_when_autoscaling_comes_and_goes(
    cluster: Cluster, namespace: str, operator: RunningOperator
) -> None:
    model = a_model(namespace, replicas=3)
    deployment = applied(cluster, operator, model)["Deployment", "house-prices"]
    cluster.admin.merge(model, {"spec": {"replicas": None, "autoscaling": {"maxReplicas": 9}}})
    wait_for(lambda: ("HorizontalPodAutoscaler", "house-prices") in managed(cluster, namespace), "the scaler")
    quiet(lambda: len(operator.cluster.writes), 0.4)
    scale = {"spec": {"replicas": 5}}  # what an autoscaler writes, where it writes it
    cluster.admin.merge(deployment, scale, subresource="scale")
    quiet(lambda: len(operator.cluster.writes), 0.4)
    cluster.admin.merge(model, {"spec": {"autoscaling": None}})
    wait_for(
        lambda: ("HorizontalPodAutoscaler", "house-prices") not in managed(cluster, namespace), "it is gone"
    )
    quiet(lambda: len(operator.cluster.writes), 0.4)
    assert cluster.admin.get(deployment)["spec"]["replicas"] == 5
    assert {5} <= set(replicas_since(cluster, deployment)) <= {3, 5}


def test_a_model_has_no_finalizer_and_goes_also_while_no_operator_runs(
    cluster: Cluster, namespace: str, operator: RunningOperator
) -> None:
    applied(cluster, operator, a_model(namespace))
    operator.stop()
    assert "finalizers" not in cluster.admin.get(a_model(namespace))["metadata"]
    cluster.admin.delete(a_model(namespace))
    wait_for(lambda: cluster.admin.find(a_model(namespace)) is None, "it is gone")


def replicas_since(cluster: Cluster, deployment: Document) -> list[int]:
    """The number of pods asked for at each version that the API server has had since this one."""
    metadata = deployment["metadata"]
    way = f"/apis/apps/v1/namespaces/{metadata['namespace']}/deployments?watch=1&timeoutSeconds=1"
    told = cluster.kubectl("get", "--raw", f"{way}&resourceVersion={metadata['resourceVersion']}")
    objects = [json.loads(line)["object"] for line in told.splitlines()]
    return [one["spec"]["replicas"] for one in objects if one["metadata"]["name"] == metadata["name"]]


def test_a_paused_model_is_left_as_it_is(cluster: Cluster, namespace: str, operator: RunningOperator) -> None:
    children = applied(cluster, operator, a_model(namespace))
    cluster.admin.merge(a_model(namespace), {"spec": {"paused": True, "replicas": 7}})
    wait_for(lambda: condition(cluster, namespace, "Ready", "Paused"), "the condition")
    cluster.admin.delete(children["ConfigMap", "house-prices-aggregator"])
    quiet(lambda: len(operator.cluster.writes), 0.5)
    now = managed(cluster, namespace)
    assert ("ConfigMap", "house-prices-aggregator") not in now
    assert now["Deployment", "house-prices"]["spec"].get("replicas", 1) == 1
    cluster.admin.merge(a_model(namespace), {"spec": {"paused": False}})
    wait_for(lambda: set(managed(cluster, namespace)) >= set(children), "what was put off is done")


def test_nothing_is_written_when_nothing_changed(
    cluster: Cluster, namespace: str, operator: RunningOperator
) -> None:
    applied(cluster, operator, a_model(namespace))
    before = len(operator.cluster.requests)
    model = a_model(namespace)
    cluster.admin.merge(model, {"metadata": {"annotations": {"seen": "yes"}}})
    deployment = managed(cluster, namespace)["Deployment", "house-prices"]
    for ready in range(5):  # a status that changes is no reason to apply anything
        cluster.admin.merge(deployment, {"status": {"observedGeneration": ready}}, subresource="status")
    quiet(lambda: len(operator.cluster.requests), 0.2, timeout_seconds=5)
    asked = operator.cluster.requests[before:]
    assert [r for r in asked if r[0] != "GET"] == []
    assert not [r for r in asked if namespace in r[1]], "nor is anything asked about the model"


def test_a_new_operator_finds_all_in_order(cluster: Cluster, namespace: str) -> None:
    first = RunningOperator(cluster.kubeconfig(), (namespace,))
    try:
        children = applied(cluster, first, a_model(namespace))
    finally:
        first.stop()
    cluster.admin.delete(children["Service", "house-prices"])
    second = RunningOperator(cluster.kubeconfig(), (namespace,))
    try:
        wait_for(lambda: set(managed(cluster, namespace)) == set(children), "what went meanwhile is back")
        quiet(lambda: len(second.cluster.writes), 0.4)
        after = managed(cluster, namespace)
    finally:
        second.stop()
    for name, child in children.items():
        if name != ("Service", "house-prices"):
            assert after[name]["metadata"]["resourceVersion"] == child["metadata"]["resourceVersion"], name


def test_a_model_that_goes_is_forgotten(cluster: Cluster, namespace: str, operator: RunningOperator) -> None:
    applied(cluster, operator, a_model(namespace))
    cluster.admin.delete(a_model(namespace))
    assert operator.operator
    wait_for(lambda: not operator.operator.cache.models, "it is forgotten")
    before = len(operator.cluster.writes)
    quiet(lambda: len(operator.cluster.writes), 0.4)
    assert len(operator.cluster.writes) == before
