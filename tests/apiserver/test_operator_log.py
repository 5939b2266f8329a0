"""What the operator's log says when all goes well: one line for what changed, none while nothing does."""

import asyncio
import logging
from collections.abc import Callable, Iterator

import pytest
from support.bad_input import SMALLEST, merged
from support.controlplane.api import Document
from support.controlplane.cluster import Cluster
from support.operator_parts import operator_parts
from support.operator_rig import RunningOperator, quiet
from support.reports import DRIFTING, ReportServer, a_report
from support.waiting import wait_for
from tidegauge_operator.kube.cache import Key
from tidegauge_operator.kube.client import connect

Start = Callable[[], RunningOperator]


@pytest.fixture
def aggregator() -> Iterator[ReportServer]:
    server = ReportServer()
    server.say(a_report())
    yield server
    server.stop()


@pytest.fixture
def start(cluster: Cluster, namespace: str, aggregator: ReportServer) -> Iterator[Start]:
    running: list[RunningOperator] = []

    def start() -> RunningOperator:
        running.append(RunningOperator(cluster.kubeconfig(), (namespace,), lambda _: [aggregator.address]))
        return running[-1]

    yield start
    for operator in running:
        operator.stop()


@pytest.fixture
def lines(namespace: str, caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """Takes the lines about the model since the last call."""
    caplog.set_level(logging.INFO, "tidegauge_operator")

    def take() -> list[str]:
        records, key = list(caplog.records), f"{namespace}/house-prices"
        caplog.clear()
        return [record.getMessage() for record in records if getattr(record, "key", "") == key]

    return take


def a_model(namespace: str, **spec: object) -> Document:
    return merged(SMALLEST, {"metadata": {"namespace": namespace}, "spec": spec})


def status_of(cluster: Cluster, namespace: str) -> Document:
    status: Document = cluster.admin.get(a_model(namespace)).get("status", {})
    return status


def applied(cluster: Cluster, namespace: str, operator: RunningOperator, generation: int) -> None:
    wait_for(lambda: status_of(cluster, namespace).get("observedGeneration") == generation, "it is applied")
    quiet(lambda: len(operator.cluster.writes), 0.5)


def test_what_was_applied_and_deleted_is_one_line_each_time(
    cluster: Cluster, namespace: str, start: Start, lines: Callable[[], list[str]]
) -> None:
    operator = start()
    cluster.admin.apply(a_model(namespace))
    applied(cluster, namespace, operator, 1)
    (made,) = lines()
    assert made.startswith("applied ServiceAccount/house-prices, ServiceAccount/house-prices-aggregator, ")
    assert made.endswith(", StatefulSet/house-prices-aggregator, Deployment/house-prices")
    cluster.admin.apply(a_model(namespace, replicas=2))
    applied(cluster, namespace, operator, 2)
    assert lines() == [
        "applied ConfigMap/house-prices-aggregator, Deployment/house-prices, PodDisruptionBudget/house-prices"
    ]
    cluster.admin.apply(a_model(namespace, replicas=1))
    applied(cluster, namespace, operator, 3)
    assert lines() == [
        "applied ConfigMap/house-prices-aggregator, Deployment/house-prices; "
        "deleted PodDisruptionBudget/house-prices"
    ]


def test_a_new_operator_that_changes_nothing_says_nothing(
    cluster: Cluster, namespace: str, start: Start, lines: Callable[[], list[str]]
) -> None:
    first = start()
    cluster.admin.apply(a_model(namespace))
    applied(cluster, namespace, first, 1)
    first.stop()
    lines()
    second = start()
    wait_for(lambda: len(second.cluster.writes) >= 10, "it applies all again")
    quiet(lambda: len(second.cluster.writes), 0.5)
    assert lines() == []


def test_an_operator_without_a_list_yet_logs_no_change(
    cluster: Cluster, namespace: str, lines: Callable[[], list[str]]
) -> None:
    cluster.admin.apply(a_model(namespace))

    async def look() -> None:
        async with operator_parts(await connect(cluster.kubeconfig())) as parts:
            assert await parts.reconciler.reconcile(Key(namespace, "house-prices"))

    asyncio.run(look())
    assert len(lines()) == 1
    asyncio.run(look())
    assert lines() == []


def test_a_verdict_that_changes_is_one_line(
    cluster: Cluster,
    namespace: str,
    aggregator: ReportServer,
    start: Start,
    lines: Callable[[], list[str]],
) -> None:
    operator = start()
    cluster.admin.apply(a_model(namespace))
    applied(cluster, namespace, operator, 1)
    lines()
    metadata = {"name": "house-prices-aggregator", "namespace": namespace}
    one = {"replicas": 1, "readyReplicas": 1, "observedGeneration": 1}
    there = {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": metadata}
    cluster.admin.merge(there, {"status": one}, subresource="status")
    for report, verdict in ((a_report(), "Stable"), (DRIFTING, "Drifting")):
        aggregator.say(report)
        wait_for(
            lambda wanted=verdict: status_of(cluster, namespace).get("drift", {}).get("verdict") == wanted,
            verdict,
        )
    asked = aggregator.asked
    wait_for(lambda: aggregator.asked >= asked + 5, "five more reports")
    stable, drifting = lines()
    assert stable == "verdict Stable, was Unknown: no feature has moved by more than spec.drift.minEffect"
    assert drifting.startswith("verdict Drifting, was Stable: 2 features drift: sqft")
