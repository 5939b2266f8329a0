"""The operator on a real API server whose failures pass: what the next try mends is no news."""

from collections.abc import Iterator

import pytest
from support.bad_input import SMALLEST, merged
from support.controlplane.api import Document
from support.controlplane.cluster import Cluster
from support.controlplane.provide import uses_existing
from support.faulty_proxy import FaultyProxy
from support.operator_rig import RunningOperator, quiet
from support.waiting import wait_for

pytestmark = pytest.mark.skipif(uses_existing(), reason="the proxy acts by a client certificate")


class FailingService:
    """Has the next so many writes of the model's Service answered with a status."""

    def __init__(self, status: int) -> None:
        self.status, self.left, self.answered = status, 0, 0

    def __call__(self, method: str, path: str) -> int | None:
        if method != "PATCH" or "/services/house-prices?" not in path or not self.left:
            return None
        self.left, self.answered = self.left - 1, self.answered + 1
        return self.status


@pytest.fixture
def proxy(cluster: Cluster) -> Iterator[FaultyProxy]:
    running = FaultyProxy(cluster.kubeconfig())
    yield running
    running.stop()


@pytest.fixture
def operator(proxy: FaultyProxy, namespace: str) -> Iterator[RunningOperator]:
    running = RunningOperator(proxy.kubeconfig(), (namespace,))
    yield running
    running.stop()


def a_model(namespace: str) -> Document:
    return merged(SMALLEST, {"metadata": {"namespace": namespace}})


def told(cluster: Cluster, namespace: str) -> list[str]:
    """The reasons of all Events of the model."""
    return [event["reason"] for event in cluster.admin.list("v1", "Event", namespace)]


def ready(cluster: Cluster, namespace: str) -> object:
    conditions = cluster.admin.get(a_model(namespace)).get("status", {}).get("conditions", ())
    return next((c["reason"] for c in conditions if c["type"] == "Ready"), None)


def standing(cluster: Cluster, namespace: str, operator: RunningOperator) -> None:
    cluster.admin.apply(a_model(namespace))
    there = cluster.admin
    wait_for(lambda: there.get(a_model(namespace)).get("status", {}).get("observedGeneration"), "the objects")
    quiet(lambda: len(operator.cluster.writes), 0.5)


def without_service(cluster: Cluster, namespace: str) -> Document:
    named = {"name": "house-prices", "namespace": namespace}
    service: Document = {"apiVersion": "v1", "kind": "Service", "metadata": named}
    cluster.admin.delete(service)
    return service


@pytest.mark.parametrize("status", [429, 500, 504])
def test_two_failures_in_a_row_are_no_news(
    cluster: Cluster, namespace: str, proxy: FaultyProxy, operator: RunningOperator, status: int
) -> None:
    standing(cluster, namespace, operator)
    version = cluster.admin.get(a_model(namespace))["metadata"]["resourceVersion"]
    proxy.fault = failing = FailingService(status)
    failing.left = 2
    service = without_service(cluster, namespace)
    wait_for(lambda: cluster.admin.find(service), "the Service is back")
    quiet(lambda: len(operator.cluster.writes), 0.5)
    assert failing.answered == 2
    assert told(cluster, namespace) == []
    assert cluster.admin.get(a_model(namespace))["metadata"]["resourceVersion"] == version, "no write"


def test_the_third_in_a_row_is_told_and_so_is_its_end(
    cluster: Cluster, namespace: str, proxy: FaultyProxy, operator: RunningOperator
) -> None:
    standing(cluster, namespace, operator)
    proxy.fault = failing = FailingService(503)
    failing.left = 100
    without_service(cluster, namespace)
    wait_for(lambda: ready(cluster, namespace) == "Made", "it is told, by the answer's own reason")
    assert failing.answered >= 3
    wait_for(lambda: told(cluster, namespace) == ["Made"], "one Event")
    failing.left = 0
    wait_for(lambda: ready(cluster, namespace) != "Made", "and it ends")


def test_a_refusal_that_stands_is_told_at_once(
    cluster: Cluster, namespace: str, proxy: FaultyProxy, operator: RunningOperator
) -> None:
    standing(cluster, namespace, operator)
    proxy.fault = failing = FailingService(403)
    failing.left = 1
    without_service(cluster, namespace)
    wait_for(lambda: told(cluster, namespace) == ["Forbidden"], "the first one is told")


def test_a_webhook_that_answers_for_no_kind_is_waited_for_at_two_alone(
    cluster: Cluster, namespace: str, proxy: FaultyProxy, operator: RunningOperator
) -> None:
    """Each may take half a minute, and a dozen of them would keep a worker from other models for minutes."""
    proxy.fault = lambda method, path: 500 if method == "PATCH" and "/driftmonitored" not in path else None
    cluster.admin.apply(a_model(namespace))
    wait_for(lambda: ready(cluster, namespace) == "Made", "it is told, by the answer's own reason")
    assert len({path.split("/")[-2] for _, path, status in proxy.requests if status == 500}) == 2
    proxy.fault = None
    wait_for(lambda: ready(cluster, namespace) != "Made", "and it ends")
    assert operator.cluster.writes
