"""The operator in a thread of the test, against a real API server, and what a test asks of it."""

import asyncio
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from support.controlplane.api import Document
from support.controlplane.cluster import Cluster as Servers
from support.waiting import wait_for
from tidegauge_operator.children.inputs import Images
from tidegauge_operator.controller.main import Operator
from tidegauge_operator.kube.client import Cluster, connect
from tidegauge_operator.kube.kinds import CHILDREN
from tidegauge_operator.settings import Settings

from tidegauge.kit.backoff import Backoff
from tidegauge.resource import DriftMonitoredModel

IMAGES = Images(serving="serving:test", sidecar="sidecar:test", aggregator="aggregator:test")
EAGER = Backoff(first_seconds=0.5, most_seconds=2.0)  # many failures in a row end no test by their waits
Addresses = Callable[[DriftMonitoredModel], list[str]]


def nowhere(model: DriftMonitoredModel) -> list[str]:
    """Addresses at which nobody answers."""
    return ["http://127.0.0.1:9"] * model.spec.aggregator.replicas


class CountingCluster(Cluster):
    """A cluster client that remembers its requests."""

    def __init__(self, other: Cluster) -> None:
        super().__init__(other._api)
        self.requests: list[tuple[str, str]] = []

    async def _request(self, method: str, path: str, *more: Any, **others: Any) -> Document:
        self.requests.append((method, path))
        return await super()._request(method, path, *more, **others)

    @property
    def writes(self) -> list[tuple[str, str]]:
        """All requests that change something."""
        return [request for request in self.requests if request[0] != "GET"]


class RunningOperator:
    """An operator that runs until `stop`.

    Parameters
    ----------
    kubeconfig
        Whom it acts as.
    namespaces
        What it serves.
    addresses
        Where aggregators answer.
    report_seconds, definitions_seconds
        How often it asks them, and looks for definitions of other products.
    """

    def __init__(
        self,
        kubeconfig: Path,
        namespaces: tuple[str, ...],
        addresses: Addresses = nowhere,
        report_seconds: float = 0.2,
        definitions_seconds: float = 0.3,
    ) -> None:
        self._settings = Settings(
            serving_image=IMAGES.serving,
            sidecar_image=IMAGES.sidecar,
            aggregator_image=IMAGES.aggregator,
            pull_secrets=IMAGES.pull_secrets,
            namespaces=namespaces,
            kubeconfig=kubeconfig,
            port=0,
            report_seconds=report_seconds,
        )
        self._addresses = addresses
        self._definitions_seconds = definitions_seconds
        self._stop: Callable[[], object]
        self._failure: BaseException | None = None
        self.cluster: CountingCluster
        self.operator: Operator | None = None
        self._thread = threading.Thread(target=self._main, name="operator")
        self._thread.start()
        wait_for(lambda: self._failure or (self.operator and self.operator.address), "the operator runs")
        if self._failure is not None:
            raise self._failure

    def _main(self) -> None:
        try:
            asyncio.run(self._run())
        except BaseException as error:
            self._failure = error

    async def _run(self) -> None:
        assert self._settings.kubeconfig
        self.cluster = CountingCluster(await connect(self._settings.kubeconfig))
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        self._stop = lambda: loop.call_soon_threadsafe(stop.set)
        self.operator = Operator(
            self._settings, self.cluster, self._addresses, self._definitions_seconds, EAGER
        )
        await self.operator.run(stop)

    @property
    def address(self) -> str:
        """Where its own pages are."""
        assert self.operator
        return self.operator.address

    def stop(self) -> None:
        """End it, and fail if it had failed."""
        if self._thread.is_alive():
            self._stop()
        self._thread.join(30)
        assert not self._thread.is_alive(), "the operator does not end"
        if self._failure is not None:
            raise self._failure


def crd_of(plural: str, kind: str) -> Document:
    """A definition as the Prometheus operator brings it, open in its fields."""
    group = "monitoring.coreos.com"
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": kind.lower(), "listKind": f"{kind}List"},
            "versions": [
                {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
            ],
        },
    }


def quiet(writes: Callable[[], int], seconds: float, timeout_seconds: float = 20.0) -> int:
    """Wait until nothing was written for so long; returns how many writes there were."""
    deadline, last, since = time.monotonic() + timeout_seconds, writes(), time.monotonic()
    while time.monotonic() - since < seconds:
        assert time.monotonic() < deadline, f"still writing after {timeout_seconds} s: {writes()} writes"
        time.sleep(0.02)
        if (now := writes()) != last:
            last, since = now, time.monotonic()
    return last


def managed(cluster: Servers, namespace: str) -> dict[tuple[str, str], Document]:
    """All objects in a namespace that the operator made and keeps as they ought to be, by kind and name."""
    found = {}
    for kind in CHILDREN:
        if kind.optional or not kind.watched:
            continue
        selector = "app.kubernetes.io/managed-by=tidegauge-operator"
        for item in cluster.admin.list(kind.api_version, kind.name, namespace, labelSelector=selector):
            document = {"apiVersion": kind.api_version, "kind": kind.name, **item}
            found[kind.name, item["metadata"]["name"]] = document
    return found
