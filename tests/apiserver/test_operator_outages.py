"""An API server that goes away, errors in between, controllers beside it, the installed program."""

import asyncio
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.bad_input import SMALLEST, merged
from support.controlplane import cluster as servers
from support.controlplane.api import Document
from support.controlplane.programs import free_ports
from support.controlplane.provide import uses_existing
from support.operator_rig import IMAGES, RunningOperator, managed, quiet
from support.waiting import wait_for
from tidegauge_operator.controller.applier import Applier
from tidegauge_operator.controller.pod_failures import PodFailures
from tidegauge_operator.controller.reconciler import Reconciler
from tidegauge_operator.kube.cache import Cache, Key
from tidegauge_operator.kube.client import ApiError, Cluster, connect


def a_model(namespace: str, **spec: object) -> Document:
    return merged(SMALLEST, {"metadata": {"namespace": namespace}, "spec": spec})


def is_applied(cluster: servers.Cluster, namespace: str, generation: int) -> bool:
    status = cluster.admin.get(a_model(namespace)).get("status", {})
    return bool(status.get("observedGeneration") == generation)


@pytest.mark.skipif(uses_existing(), reason="about the API server that the tests start themselves")
@pytest.mark.parametrize("away_seconds", [3, pytest.param(60, marks=pytest.mark.soak)])
def test_an_api_server_that_goes_away_is_waited_for(
    cluster: servers.OwnCluster, namespace: str, away_seconds: int
) -> None:
    operator = RunningOperator(cluster.kubeconfig(), (namespace,))
    try:
        cluster.admin.apply(a_model(namespace))
        wait_for(lambda: is_applied(cluster, namespace, 1), "the objects")
        quiet(lambda: len(operator.cluster.writes), 0.4)
        before = managed(cluster, namespace)
        cluster.pause_api_server()
        time.sleep(away_seconds)  # long enough that watches are cut and tried again
        cluster.resume_api_server()
        cluster.admin.delete(before["Service", "house-prices"])
        cluster.admin.apply(a_model(namespace, replicas=2))
        wait_for(lambda: is_applied(cluster, namespace, 2), "the edit is applied", timeout_seconds=60)
        wait_for(lambda: set(managed(cluster, namespace)) >= set(before), "nothing is missing", 60)
        after = managed(cluster, namespace)
    finally:
        operator.stop()
    assert changed(uids(before), uids(after)) == {("Service", "house-prices")}, "the rest is what it was"
    stateful_set = ("StatefulSet", "house-prices-aggregator")
    assert after[stateful_set]["metadata"]["generation"] == before[stateful_set]["metadata"]["generation"]
    template = before["Deployment", "house-prices"]["spec"]["template"]
    assert after["Deployment", "house-prices"]["spec"]["template"] == template, "no pod is restarted"


def uids(children: dict[tuple[str, str], Document]) -> dict[tuple[str, str], str]:
    return {name: child["metadata"]["uid"] for name, child in children.items()}


def changed(before: dict[tuple[str, str], str], after: dict[tuple[str, str], str]) -> set[tuple[str, str]]:
    return {name for name, uid in before.items() if after[name] != uid}


class FailingCluster(Cluster):
    """A cluster client whose requests fail now and then: before they are made, or after."""

    def __init__(self, other: Cluster, dice: random.Random) -> None:
        super().__init__(other._api)
        self._dice = dice
        self.failures = 0

    async def _request(self, *more: Any, **others: Any) -> Document:
        throw = self._dice.random()
        if throw < 0.2:
            self._fail()
        answer = await super()._request(*more, **others)
        if throw > 0.9:
            self._fail()
        return answer

    def _fail(self) -> None:
        self.failures += 1
        code, reason = self._dice.choice([(500, "InternalError"), (409, "Conflict"), (0, "Unreachable")])
        raise ApiError(code, reason, "made to fail")


async def until_in_order(kubeconfig: Path, key: Key, seed: int) -> int:
    cluster = FailingCluster(await connect(kubeconfig), random.Random(seed))
    cache = Cache()
    applier = Applier(
        cluster, cache, IMAGES, lambda: f"token-{cluster.failures}", docs_url="", log_format="json"
    )
    reconciler = Reconciler(cluster, cache, PodFailures(), applier, time.time, "tests", lambda _: None)
    try:
        for _ in range(200):
            try:
                if await reconciler.reconcile(key):
                    return cluster.failures
            except ApiError:
                continue
    finally:
        await cluster.close()
    raise AssertionError("it does not converge")


@pytest.mark.parametrize("seed", range(5))
def test_errors_in_between_change_nothing_in_the_end(
    cluster: servers.Cluster, namespace: str, seed: int
) -> None:
    cluster.admin.apply(a_model(namespace))
    assert asyncio.run(until_in_order(cluster.kubeconfig(), Key(namespace, "house-prices"), seed)) > 0
    children = managed(cluster, namespace)
    names = sorted(name for kind, name in children if kind in ("Deployment", "StatefulSet", "Secret"))
    assert names == ["house-prices", "house-prices-aggregator", "house-prices-aggregator-token"]
    assert is_applied(cluster, namespace, 1)


def test_with_controllers_pods_are_made_and_all_goes_with_the_model(
    whole_cluster: servers.Cluster, whole_namespace: str
) -> None:
    operator = RunningOperator(whole_cluster.kubeconfig(), (whole_namespace,))
    try:
        whole_cluster.admin.apply(a_model(whole_namespace, replicas=2))
        wait_for(lambda: len(whole_cluster.admin.list("v1", "Pod", whole_namespace)) == 3, "three pods")
        status = wait_for(lambda: status_with_pods(whole_cluster, whole_namespace, 2), "they are counted")
        assert status["conditions"][0]["status"] == "False", "without nodes nothing runs"
        whole_cluster.admin.delete(a_model(whole_namespace))
        wait_for(lambda: not managed(whole_cluster, whole_namespace), "all goes with the model", 60)
    finally:
        operator.stop()


def status_with_pods(cluster: servers.Cluster, namespace: str, pods: int) -> Document | None:
    status: Document = cluster.admin.get(a_model(namespace)).get("status", {})
    return status if status.get("replicas") == pods else None


def test_the_program_as_it_is_installed(cluster: servers.Cluster, namespace: str, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "tidegauge_operator", "--namespaces", namespace, "--port", str(port)]
    command += ["--kubeconfig", str(cluster.kubeconfig())]
    in_the_way: Document = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "house-prices", "namespace": namespace},
        "spec": {"ports": [{"name": "http", "port": 80}]},
    }
    cluster.admin.create(in_the_way)
    log = tmp_path / "operator.log"
    with log.open("wb") as out:
        program = subprocess.Popen(command, env=dict(os.environ), stderr=out)
    try:
        # to start takes 2 s of processor time, which can be a minute on a machine that has much else to do
        wait_for(lambda: is_ready(port), "it is ready", timeout_seconds=180)
        cluster.admin.apply(a_model(namespace))
        wait_for(lambda: "NameTaken" in log.read_text(), "it says what is in the way", timeout_seconds=180)
        cluster.admin.delete(in_the_way)
        wait_for(lambda: is_applied(cluster, namespace, 1), "the objects", timeout_seconds=180)
    finally:
        program.terminate()
        status = program.wait(60)
        print(log.read_text())
    assert status == 0, "a signal ends it in order"
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    keys = {line.get("key") for line in lines if line["message"].startswith("NameTaken")}
    assert keys == {f"{namespace}/house-prices"}


def is_ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200
    except httpx.TransportError:
        return False
