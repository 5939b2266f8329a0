"""An operator that dies after any single write leaves nothing that the next one does not set right."""

import asyncio
import base64
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.bad_input import SMALLEST, merged
from support.controlplane import cluster as servers
from support.controlplane.api import Document
from support.operator_rig import IMAGES, managed
from tidegauge_operator.controller.applier import Applier
from tidegauge_operator.controller.pod_failures import PodFailures
from tidegauge_operator.controller.reconciler import Reconciler
from tidegauge_operator.kube.cache import Cache, Key
from tidegauge_operator.kube.client import Cluster, connect

SPEC = {
    "autoscaling": {"minReplicas": 2, "maxReplicas": 5},
    "aggregator": {"replicas": 2},
}
FIRST, SECOND = "token-of-the-first-life", "token-of-the-second-life"
OWN_TO_EACH = ("uid", "resourceVersion", "creationTimestamp", "managedFields", "namespace", "generation")


class Crash(BaseException):
    """The process dies here."""


class MortalCluster(Cluster):
    """A cluster client whose process dies after so many writes."""

    def __init__(self, other: Cluster, lives: int) -> None:
        super().__init__(other._api)
        self.lives = lives

    async def _request(self, method: str, *more: Any, **others: Any) -> Document:
        answer = await super()._request(method, *more, **others)
        if method != "GET":
            self.lives -= 1
            if self.lives == 0:
                raise Crash
        return answer


async def one_life(kubeconfig: Path, key: Key, lives: int, token: str = FIRST) -> int:
    """Reconcile once with an operator that knows nothing; returns the writes it still had to live."""
    cluster = MortalCluster(await connect(kubeconfig), lives)
    cache = Cache()
    applier = Applier(cluster, cache, IMAGES, lambda: token, docs_url="", log_format="json")
    reconciler = Reconciler(
        cluster, cache, PodFailures(), applier, time.time, "tests", lambda reason: pytest.fail(reason)
    )
    try:
        assert await reconciler.reconcile(key)
    finally:
        await cluster.close()
    return cluster.lives


def model(namespace: str) -> Document:
    return merged(SMALLEST, {"metadata": {"namespace": namespace}, "spec": SPEC})


def plain(cluster: servers.Cluster, namespace: str) -> dict[str, str]:
    """All objects without what is each one's own."""
    found = {}
    for (kind, name), child in managed(cluster, namespace).items():
        metadata = {n: v for n, v in child["metadata"].items() if n not in OWN_TO_EACH}
        for owner in metadata["ownerReferences"]:
            del owner["uid"]
        for addresses in ("clusterIP", "clusterIPs"):
            child.get("spec", {}).pop(addresses, None)
        text = json.dumps({**child, "metadata": metadata, "status": None}, sort_keys=True)
        found[f"{kind} {name}"] = text.replace(namespace, "NAMESPACE")
    return found


def secret_of(namespace: str) -> Document:
    named = {"name": "house-prices-aggregator-token", "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": named}


def token_in(cluster: servers.Cluster, namespace: str) -> str | None:
    """The token that the aggregators and the sidecars are given; None before there is one."""
    secret = cluster.admin.find(secret_of(namespace))
    return None if secret is None else base64.b64decode(secret["data"]["token"]).decode()


def test_dead_after_any_write_it_ends_the_same(
    cluster: servers.Cluster, another_namespace: Callable[[], str]
) -> None:
    kubeconfig = cluster.kubeconfig()
    whole = another_namespace()
    cluster.admin.apply(model(whole))
    key = Key(whole, "house-prices")
    writes = 1000 - asyncio.run(one_life(kubeconfig, key, 1000))
    expected = {FIRST: plain(cluster, whole)}
    assert writes >= len(expected[FIRST]) > 8
    cluster.admin.delete(secret_of(whole))
    asyncio.run(one_life(kubeconfig, key, 1000, SECOND))
    expected[SECOND] = plain(cluster, whole)
    kept = 0
    for lives in range(1, writes + 1):
        namespace = another_namespace()
        cluster.admin.apply(model(namespace))
        key = Key(namespace, "house-prices")
        with pytest.raises(Crash):
            asyncio.run(one_life(kubeconfig, key, lives))
        token = token_in(cluster, namespace)
        asyncio.run(one_life(kubeconfig, key, 1000, SECOND))
        assert token_in(cluster, namespace) == (token or SECOND), "a token once given stays"
        assert plain(cluster, namespace) == expected[token or SECOND], f"dead after write {lives}"
        kept += token is not None
        assert cluster.admin.get(model(namespace))["status"]["observedGeneration"] == 1
    assert 0 < kept < writes, "it died before the token was written, and after"
