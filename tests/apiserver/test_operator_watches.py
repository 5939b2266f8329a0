"""What the operator makes of watches that break, of faults in between, and of what it did not see."""

import random
import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import httpx
import pytest
from support.bad_input import SMALLEST, merged
from support.controlplane.api import Document
from support.controlplane.cluster import Cluster
from support.controlplane.provide import uses_existing
from support.faulty_proxy import FaultyProxy
from support.operator_rig import RunningOperator, crd_of, managed, quiet
from support.waiting import wait_for
from tidegauge_operator.controller import main
from tidegauge_operator.kube import informer

pytestmark = pytest.mark.skipif(uses_existing(), reason="the proxy acts by a client certificate")
MODELS = "/driftmonitoredmodels"


def a_model(namespace: str, **spec: object) -> Document:
    return merged(SMALLEST, {"metadata": {"namespace": namespace}, "spec": spec})


def is_applied(cluster: Cluster, namespace: str, generation: int) -> bool:
    status = cluster.admin.get(a_model(namespace)).get("status", {})
    return bool(status.get("observedGeneration") == generation)


@pytest.fixture
def proxy(cluster: Cluster) -> Iterator[FaultyProxy]:
    running = FaultyProxy(cluster.kubeconfig())
    yield running
    running.stop()


@pytest.fixture
def start(proxy: FaultyProxy, namespace: str) -> Iterator[Callable[[], RunningOperator]]:
    """Starts an operator whose way to the API server is the proxy."""
    running: list[RunningOperator] = []

    def start() -> RunningOperator:
        running.append(RunningOperator(proxy.kubeconfig(), (namespace,)))
        return running[-1]

    yield start
    for operator in running:
        operator.stop()


def standing(cluster: Cluster, namespace: str, operator: RunningOperator) -> dict[tuple[str, str], Document]:
    """A model with all its objects, and the operator at rest."""
    cluster.admin.apply(a_model(namespace))
    wait_for(lambda: is_applied(cluster, namespace, 1), "the objects")
    wait_for(lambda: is_ready(operator), "the watches are open")
    quiet(lambda: len(operator.cluster.writes), 0.5)
    return managed(cluster, namespace)


def is_ready(operator: RunningOperator) -> bool:
    return httpx.get(f"{operator.address}/readyz").status_code == 200


def uids(children: dict[tuple[str, str], Document]) -> dict[tuple[str, str], Any]:
    return {name: child["metadata"]["uid"] for name, child in children.items()}


def versions(children: dict[tuple[str, str], Document]) -> dict[tuple[str, str], Any]:
    return {name: child["metadata"]["resourceVersion"] for name, child in children.items()}


def test_a_resource_that_is_not_found_for_a_moment_does_not_end_it(
    cluster: Cluster, namespace: str, proxy: FaultyProxy, start: Callable[[], RunningOperator]
) -> None:
    operator = start()
    before = standing(cluster, namespace, operator)
    proxy.fault = lambda _, path: 404 if MODELS + "?" in path else None
    proxy.cut()
    wait_for(lambda: any(status == 404 for _, _, status in proxy.requests), "the watch gets a 404")
    wait_for(
        lambda: 'errors_total{reason="WatchesEnded"}' in metrics(operator),
        "that the watches ended is counted",
    )
    cluster.admin.delete(before["Service", "house-prices"])
    cluster.admin.apply(a_model(namespace, replicas=2))
    proxy.fault = None
    wait_for(lambda: is_applied(cluster, namespace, 2), "the edit is applied")
    wait_for(lambda: set(managed(cluster, namespace)) >= set(before), "what was deleted meanwhile is back")


def _thrown(dice: random.Random, method: str) -> int | None:
    """One request in ten fails; a write may also meet another's write."""
    return dice.choice((500, 503) if method == "GET" else (409, 500, 503)) if dice.random() < 0.1 else None


@pytest.mark.parametrize("seed", range(2))
def test_errors_and_cuts_in_between_change_nothing_in_the_end(
    cluster: Cluster, namespace: str, proxy: FaultyProxy, start: Callable[[], RunningOperator], seed: int
) -> None:
    dice = random.Random(seed)
    proxy.fault = lambda method, _: _thrown(dice, method)
    operator = start()
    cluster.admin.apply(a_model(namespace))
    wait_for(lambda: is_applied(cluster, namespace, 1), "the objects")
    before = managed(cluster, namespace)
    for generation in (2, 3):
        proxy.cut()
        cluster.admin.apply(a_model(namespace, replicas=generation))
        wait_for(partial(is_applied, cluster, namespace, generation), "the edit")
    proxy.fault = None
    wait_for(
        lambda: "PodDisruptionBudget" in {kind for kind, _ in managed(cluster, namespace)}, "all objects"
    )
    quiet(lambda: len(operator.cluster.writes), 1.0)
    after = managed(cluster, namespace)
    assert {name: uid for name, uid in uids(after).items() if name in before} == uids(before), (
        "none made twice"
    )
    assert set(after) - set(before) == {("PodDisruptionBudget", "house-prices")}
    for kind, name in (("Deployment", "house-prices"), ("StatefulSet", "house-prices-aggregator")):
        template = before[kind, name]["spec"]["template"]
        assert after[kind, name]["spec"]["template"] == template, "no pod is restarted"


def test_a_model_deleted_while_no_watch_was_there_is_forgotten(
    cluster: Cluster, namespace: str, proxy: FaultyProxy, start: Callable[[], RunningOperator]
) -> None:
    operator = start()
    before = standing(cluster, namespace, operator)
    proxy.fault = lambda *_: 404
    proxy.cut()
    cluster.admin.delete(a_model(namespace))
    for child in before.values():
        cluster.admin.delete(child)
    wait_for(lambda: 'reason="WatchesEnded"' in metrics(operator), "the watches ended")
    proxy.fault = None
    assert operator.operator
    cache = operator.operator.cache
    wait_for(lambda: not cache.models and not any(cache.children(key) for key in cache.models), "it forgets")
    quiet(lambda: len(operator.cluster.writes), 1.0)
    assert managed(cluster, namespace) == {}


def test_the_operator_is_ready_when_all_its_watches_are_open(
    cluster: Cluster, namespace: str, proxy: FaultyProxy, start: Callable[[], RunningOperator]
) -> None:
    cluster.admin.apply(a_model(namespace))
    proxy.fault = lambda _, path: 503 if "/networkpolicies?" in path else None
    operator = start()
    wait_for(lambda: opened(proxy) >= 8, "all other watches are open")
    assert not is_ready(operator)
    proxy.fault = None
    wait_for(lambda: is_ready(operator), "it is ready")
    assert opened(proxy) >= 10, "the models, and nine kinds of objects"


def test_a_kind_that_is_never_named_has_the_others_opened_ever_less_often(
    cluster: Cluster,
    namespace: str,
    proxy: FaultyProxy,
    start: Callable[[], RunningOperator],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(informer, "OPENING_SECONDS", 1.0)
    cluster.admin.apply(a_model(namespace))
    nowhere = "/apis/example.com/v1/things"  # Kopf does not ask for what the API server does not name
    paths = main.watched_paths
    monkeypatch.setattr(main, "watched_paths", lambda *known: {nowhere, *paths(*known)})
    start()
    wait_for(lambda: len(waits(caplog)) >= 3, "three times", 60)
    assert opened(proxy) >= 8, "all others were open in between"
    assert waits(caplog)[:3] == ["1", "2", "4"], "seconds until the next time"


def waits(caplog: pytest.LogCaptureFixture) -> list[str]:
    return re.findall(r"the watches ended, and are opened again in ([\d.]+) s", caplog.text)


def opened(proxy: FaultyProxy) -> int:
    return len(
        {path.partition("?")[0] for _, path, status in proxy.requests if "watch=" in path and status == 200}
    )


def test_a_new_operator_changes_nothing_that_stands(
    cluster: Cluster, namespace: str, start: Callable[[], RunningOperator]
) -> None:
    first = start()
    before = standing(cluster, namespace, first)
    model = cluster.admin.get(a_model(namespace))
    first.stop()
    second = start()
    wait_for(lambda: is_ready(second), "it is ready")
    quiet(lambda: len(second.cluster.writes), 1.0)
    assert versions(managed(cluster, namespace)) == versions(before)
    assert cluster.admin.get(a_model(namespace)) == model


def test_kinds_that_appear_later_are_watched_too(
    cluster: Cluster, namespace: str, proxy: FaultyProxy, start: Callable[[], RunningOperator]
) -> None:
    definition = crd_of("servicemonitors", "ServiceMonitor")
    named = {"name": "house-prices", "namespace": namespace}
    monitor = {"apiVersion": "monitoring.coreos.com/v1", "kind": "ServiceMonitor", "metadata": named}
    asked = {"serviceMonitor": {"enabled": True}, "prometheusRule": {"enabled": False}}
    start()
    cluster.admin.apply(a_model(namespace, monitoring=asked))
    try:
        cluster.admin.apply(definition)
        wait_for(lambda: known(cluster, monitor), "it is made")
        wait_for(
            lambda: any("/servicemonitors?" in path and "watch=" in path for _, path, _ in proxy.requests),
            "it is watched",
        )
        cluster.admin.delete(monitor)
        wait_for(lambda: known(cluster, monitor), "it comes back")
    finally:
        cluster.admin.delete(definition)


def known(cluster: Cluster, document: Document) -> Document | None:
    try:
        return cluster.admin.find(document)
    except KeyError:  # the kind is not known yet
        return None


def metrics(operator: RunningOperator) -> str:
    return httpx.get(f"{operator.address}/metrics").text
