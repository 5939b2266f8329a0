"""The operator with its own role and nothing more: nothing is missing, and nothing is granted for nothing."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from support.bad_input import SMALLEST, merged
from support.controlplane.api import Document
from support.controlplane.cluster import Cluster
from support.operator_rig import RunningOperator, crd_of, managed
from support.waiting import wait_for
from tidegauge_operator.kinds import CHILDREN, MODELS, PODS

ROLE = Path(__file__).parents[2] / "deploy/operator/role.yaml"
GROUP = "tidegauge-operators"
Right = tuple[str, str, str]
DEFINITIONS = [crd_of("servicemonitors", "ServiceMonitor"), crd_of("prometheusrules", "PrometheusRule")]


def granted(role: Document) -> set[Right]:
    return {
        (group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


@pytest.fixture
def roles(cluster: Cluster) -> list[Document]:
    documents = list(yaml.safe_load_all(ROLE.read_text()))
    for role in documents:
        cluster.admin.apply(role)
    return documents


@pytest.fixture
def definitions(cluster: Cluster) -> Iterator[None]:
    for definition in DEFINITIONS:
        cluster.admin.apply(definition)
    yield
    for definition in DEFINITIONS:
        cluster.admin.delete(definition)


@pytest.fixture
def operator(cluster: Cluster, namespace: str, roles: list[Document]) -> Iterator[RunningOperator]:
    cluster.admin.apply(bound(roles[0], namespace))
    running = RunningOperator(cluster.kubeconfig("operator", (GROUP,)), (namespace,))
    yield running
    running.stop()


def bound(role: Document, namespace: str) -> Document:
    rbac = "rbac.authorization.k8s.io"
    return {
        "apiVersion": f"{rbac}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "operator", "namespace": namespace},
        "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": role["metadata"]["name"]},
        "subjects": [{"apiGroup": rbac, "kind": "Group", "name": GROUP}],
    }


def a_model(namespace: str, **spec: object) -> Document:
    return merged(SMALLEST, {"metadata": {"namespace": namespace}, "spec": spec})


def right_of(request: tuple[str, str]) -> set[Right]:
    """The rights that one request shows to be used; an apply makes what is not there yet."""
    method, path = request
    steps = path.strip("/").split("/")
    if "namespaces" not in steps:
        return set()
    group = steps[1] if steps[0] == "apis" else ""
    tail = steps[steps.index("namespaces") + 2 :]
    resource = f"{tail[0]}/{tail[2]}" if len(tail) > 2 else tail[0]
    listed = "get" if len(tail) > 1 else "list"
    verbs = {"GET": [listed], "PATCH": ["patch"], "POST": ["create"], "DELETE": ["delete"]}
    made = ["create"] if method == "PATCH" and resource != MODELS.plural + "/status" else []
    return {(group, resource, verb) for verb in verbs[method] + made}


@pytest.mark.usefixtures("definitions")
def test_with_its_role_alone_it_does_all_it_does_and_needs_each_right(
    cluster: Cluster, namespace: str, operator: RunningOperator, roles: list[Document]
) -> None:
    whole = {
        "autoscaling": {"minReplicas": 2, "maxReplicas": 5},
        "monitoring": {"serviceMonitor": {"enabled": True}, "prometheusRule": {"enabled": True}},
    }
    in_the_way: Document = {
        "apiVersion": "v1",
        "kind": "Service",
        "spec": {"ports": [{"name": "http", "port": 80}]},
    }
    in_the_way["metadata"] = {"name": "house-prices", "namespace": namespace}
    cluster.admin.create(in_the_way)
    cluster.admin.apply(a_model(namespace, **whole))
    wait_for(lambda: cluster.admin.list("v1", "Event", namespace), "an Event says that a name is taken")
    cluster.admin.delete(in_the_way)
    wait_for(lambda: ready(cluster, namespace, 1), "all is applied")
    children = managed(cluster, namespace)
    assert "HorizontalPodAutoscaler" in {kind for kind, _ in children}
    no_pods = {"status": {"observedGeneration": 1, "replicas": 0}}
    cluster.admin.merge(children["StatefulSet", "house-prices-aggregator"], no_pods, subresource="status")
    wait_for(lambda: ("", "events", "list") in used(operator), "it looks why there are no pods")
    cluster.admin.apply(a_model(namespace, aggregator={"storage": {"size": "2Gi"}}))
    wait_for(lambda: ready(cluster, namespace, 2), "the edit is applied")
    wait_for(
        lambda: "HorizontalPodAutoscaler" not in {kind for kind, _ in managed(cluster, namespace)}, "pruned"
    )
    taken = everything_edited_by_hand(cluster, namespace)
    wait_for(lambda: set(managed(cluster, namespace)) >= taken, "all is back")
    rights, needed = granted(roles[0]), used(operator) | watched()
    assert needed - rights == set(), "used without being granted"
    assert rights - needed == set(), "granted without being used"


def used(operator: RunningOperator) -> set[Right]:
    return {right for request in operator.cluster.requests for right in right_of(request)}


def everything_edited_by_hand(cluster: Cluster, namespace: str) -> set[tuple[str, str]]:
    children = managed(cluster, namespace)
    for child in children.values():
        cluster.admin.delete(child)
    return set(children)


def watched() -> set[Right]:
    """What Kopf does, one stream for each kind."""
    resources = [(MODELS.group, MODELS.plural), (PODS.group, PODS.plural)]
    resources += [(kind.group, kind.plural) for kind in CHILDREN if kind.watched]
    return {(group, resource, verb) for group, resource in resources for verb in ("list", "watch")}


def ready(cluster: Cluster, namespace: str, generation: int) -> bool:
    status = cluster.admin.get(a_model(namespace)).get("status", {})
    assert "Forbidden" not in str(status), status
    return bool(status.get("observedGeneration") == generation)


def test_a_right_that_is_missing_is_named(cluster: Cluster, namespace: str, roles: list[Document]) -> None:
    less = {"apiVersion": roles[0]["apiVersion"], "kind": "ClusterRole"}
    less |= {
        "metadata": {"name": "less"},
        "rules": [r for r in roles[0]["rules"] if "secrets" not in r["resources"]],
    }
    cluster.admin.apply(less)
    cluster.admin.apply(bound(less, namespace))
    running = RunningOperator(cluster.kubeconfig("operator", (GROUP,)), (namespace,))
    try:
        cluster.admin.apply(a_model(namespace))
        told = wait_for(lambda: forbidden(cluster, namespace), "the condition")
    finally:
        running.stop()
    assert "secrets" in told
    assert "give the operator this right" in told


def forbidden(cluster: Cluster, namespace: str) -> str:
    conditions = cluster.admin.get(a_model(namespace)).get("status", {}).get("conditions", [])
    return next((str(c["message"]) for c in conditions if c["reason"] == "Forbidden"), "")


def test_it_serves_all_namespaces_with_both_roles(
    cluster: Cluster, another_namespace: object, roles: list[Document]
) -> None:
    assert callable(another_namespace)
    for role in roles:
        binding = bound(role, "unused") | {"kind": "ClusterRoleBinding"}
        cluster.admin.apply(binding | {"metadata": {"name": role["metadata"]["name"]}})
    running = RunningOperator(cluster.kubeconfig("operator", (GROUP,)), ())
    try:
        late = another_namespace()
        cluster.admin.apply(a_model(late))
        wait_for(lambda: ready(cluster, late, 1), "a namespace made later is served")
    finally:
        running.stop()
        for role in roles:
            binding = bound(role, "unused") | {"kind": "ClusterRoleBinding"}
            cluster.admin.delete(binding | {"metadata": {"name": role["metadata"]["name"]}})
