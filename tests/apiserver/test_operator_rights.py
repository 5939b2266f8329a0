"""The operator with its own role and nothing more: nothing is missing, and nothing is granted for nothing."""

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
import yaml
from support.bad_input import SMALLEST, merged
from support.controlplane.api import Document
from support.controlplane.cluster import Cluster
from support.controlplane.provide import uses_existing
from support.faulty_proxy import FaultyProxy
from support.operator_rig import RunningOperator, crd_of, managed
from support.waiting import wait_for
from tidegauge_operator.kube import informer

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
def proxy(cluster: Cluster) -> Iterator[FaultyProxy]:
    """Sees all that the operator asks for, the watches included, and how it is answered."""
    if uses_existing():
        pytest.skip("the proxy acts by a client certificate")
    running = FaultyProxy(cluster.kubeconfig("operator", (GROUP,)))
    yield running
    running.stop()


@pytest.fixture
def _operator(cluster: Cluster, namespace: str, roles: list[Document], proxy: FaultyProxy) -> Iterator[None]:
    cluster.admin.apply(bound(roles[0], namespace))
    running = RunningOperator(proxy.kubeconfig(), (namespace,))
    yield
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


def right_of(method: str, address: str, status: int) -> set[Right]:
    """The rights that one request shows to be used; none where it only asks what the API server knows."""
    path, _, query = address.partition("?")
    steps = path.strip("/").split("/")
    group, tail = (steps[1:2], steps[3:]) if steps[0] == "apis" else ([""], steps[2:])
    if tail[:1] == ["namespaces"] and len(tail) > 2:
        tail = tail[2:]
    if not tail:
        return set()
    resource = f"{tail[0]}/{tail[2]}" if len(tail) > 2 else tail[0]
    read = "watch" if "watch=" in query else "get" if len(tail) > 1 else "list"
    verb = {"GET": read, "PATCH": "patch", "POST": "create", "DELETE": "delete"}[method]
    verbs = {verb, "create"} if method == "PATCH" and status == 201 else {verb}  # an apply that made it
    return {(group[0], resource, verb) for verb in verbs}


@pytest.mark.usefixtures("definitions", "_operator")
def test_with_its_role_alone_it_does_all_it_does_and_needs_each_right(
    cluster: Cluster, namespace: str, proxy: FaultyProxy, roles: list[Document]
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
    wait_for(lambda: "NameTaken" in told(cluster, namespace), "an Event says that a name is taken")
    cluster.admin.delete(in_the_way)
    wait_for(lambda: ready(cluster, namespace, 1), "all is applied")
    children = managed(cluster, namespace)
    assert "HorizontalPodAutoscaler" in {kind for kind, _ in children}
    no_pods = {"status": {"observedGeneration": 1, "replicas": 0}}
    cluster.admin.merge(children["StatefulSet", "house-prices-aggregator"], no_pods, subresource="status")
    wait_for(lambda: ("", "events", "list") in used(proxy), "it looks why there are no pods")
    cluster.admin.apply(a_model(namespace, aggregator={"storage": {"size": "2Gi"}}))
    wait_for(lambda: ready(cluster, namespace, 2), "the edit is applied")
    wait_for(
        lambda: "HorizontalPodAutoscaler" not in {kind for kind, _ in managed(cluster, namespace)}, "pruned"
    )
    taken = everything_edited_by_hand(cluster, namespace)
    wait_for(lambda: set(managed(cluster, namespace)) >= taken, "all is back")
    rights, needed = granted(roles[0]), used(proxy)
    assert needed - rights == set(), "used without being granted"
    assert rights - needed == set(), "granted without being used"


def told(cluster: Cluster, namespace: str) -> set[str]:
    """Reasons of all Events; the API server posts some of its own, about addresses of Services."""
    return {event["reason"] for event in cluster.admin.list("v1", "Event", namespace)}


def used(proxy: FaultyProxy) -> set[Right]:
    return {right for request in list(proxy.requests) for right in right_of(*request)}


def everything_edited_by_hand(cluster: Cluster, namespace: str) -> set[tuple[str, str]]:
    children = managed(cluster, namespace)
    for child in children.values():
        cluster.admin.delete(child)
    return set(children)


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


def test_a_kind_that_may_not_be_watched_leaves_the_others_watched(
    cluster: Cluster,
    namespace: str,
    roles: list[Document],
    proxy: FaultyProxy,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(informer, "OPENING_SECONDS", 1.0)
    refused = [r for r in roles[0]["rules"] if "networkpolicies" in r["resources"]]
    less = {"apiVersion": roles[0]["apiVersion"], "kind": "ClusterRole", "metadata": {"name": "less"}}
    others = [r for r in roles[0]["rules"] if r not in refused]
    cluster.admin.apply(less | {"rules": others})
    cluster.admin.apply(bound(less, namespace))
    running = RunningOperator(proxy.kubeconfig(), (namespace,))
    try:
        cluster.admin.apply(a_model(namespace))
        wait_for(lambda: answered(proxy, "networkpolicies", 403) >= 4, "it is tried again and again")
        assert page_of(running)["tidegauge_operator_closed_watches"] == 1
        assert answered(proxy, "deployments", 200) == 1, "the watch of the others was opened once"
        assert caplog.text.count("networkpolicies may not be watched") == 1
        account = ("ServiceAccount", "house-prices")
        cluster.admin.delete(wait_for(lambda: managed(cluster, namespace).get(account), "an object"))
        wait_for(lambda: account in managed(cluster, namespace), "it is back")
        cluster.admin.apply(less | {"rules": [*others, *refused]})
        wait_for(lambda: page_of(running)["tidegauge_operator_closed_watches"] == 0, "it is watched now")
        assert answered(proxy, "deployments", 200) == 1
    finally:
        running.stop()


def answered(proxy: FaultyProxy, plural: str, status: int) -> int:
    """How many requests of a kind's watch were answered so; one that is refused ends at its list."""
    wanted = "watch=" if status == 200 else "limit="
    return sum(
        f"/{plural}?" in path and wanted in path and found == status
        for _, path, found in list(proxy.requests)
    )


def page_of(operator: RunningOperator) -> dict[str, float]:
    """The metrics without labels."""
    lines = httpx.get(f"{operator.address}/metrics").text.splitlines()
    return {name: float(value) for name, value in (line.split() for line in lines if line.count(" ") == 1)}


def forbidden(cluster: Cluster, namespace: str) -> str:
    conditions = cluster.admin.get(a_model(namespace)).get("status", {}).get("conditions", [])
    return next((str(c["message"]) for c in conditions if c["reason"] == "Forbidden"), "")


def test_the_operator_serves_all_namespaces_with_both_roles(
    cluster: Cluster, another_namespace: Callable[[], str], proxy: FaultyProxy, roles: list[Document]
) -> None:
    for role in roles:
        binding = bound(role, "unused") | {"kind": "ClusterRoleBinding"}
        cluster.admin.apply(binding | {"metadata": {"name": role["metadata"]["name"]}})
    running = RunningOperator(proxy.kubeconfig(), ())
    try:
        late = another_namespace()
        cluster.admin.apply(a_model(late))
        wait_for(lambda: ready(cluster, late, 1), "a namespace made later is served")
        wait_for(lambda: granted(roles[1]) <= used(proxy), "each right of the second role is used")
        assert used(proxy) <= granted(roles[0]) | granted(roles[1]), "used without being granted"
    finally:
        running.stop()
        for role in roles:
            binding = bound(role, "unused") | {"kind": "ClusterRoleBinding"}
            cluster.admin.delete(binding | {"metadata": {"name": role["metadata"]["name"]}})
