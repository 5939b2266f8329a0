"""The operator sees its own writes, at times before their answers; nothing is looked at again for that."""

import asyncio
import time

import pytest
from support.bad_input import SMALLEST, merged
from support.controlplane import cluster as servers
from support.controlplane.api import Document
from support.operator_rig import IMAGES, CountingCluster
from tidegauge_operator.controller.applier import Applier
from tidegauge_operator.controller.pod_failures import PodFailures
from tidegauge_operator.controller.reconciler import Reconciler
from tidegauge_operator.kube.cache import Cache, Key
from tidegauge_operator.kube.client import connect

KEY_NAME = "house-prices"


def a_model(namespace: str) -> Document:
    scaled = {"autoscaling": {"minReplicas": 2, "maxReplicas": 5}}
    return merged(SMALLEST, {"metadata": {"namespace": namespace}, "spec": scaled})


def the_service(namespace: str) -> Document:
    metadata = {"name": KEY_NAME, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata}


def test_what_the_watches_tell_of_an_own_write_asks_nothing_and_an_edit_is_undone(
    cluster: servers.Cluster, namespace: str
) -> None:
    async def live() -> tuple[int, list[tuple[str, str]]]:
        client, cache = CountingCluster(await connect(cluster.kubeconfig())), Cache()
        applier = Applier(client, cache, IMAGES, lambda: "a-token", docs_url="", log_format="json")
        reconciler = Reconciler(client, cache, PodFailures(), applier, time.time, "tests", pytest.fail)
        key = Key(namespace, KEY_NAME)
        try:
            cache.update_model(cluster.admin.get(a_model(namespace)))
            assert await reconciler.reconcile(key)
            before = len(client.requests)
            reconciler.mark_changed(key)
            assert await reconciler.reconcile(key)
            asked = len(client.requests) - before
            cluster.admin.merge(the_service(namespace), {"spec": {"sessionAffinity": "ClientIP"}})
            cache.update_child(cluster.admin.get(the_service(namespace)))
            reconciler.mark_changed(key)
            assert await reconciler.reconcile(key)
            return asked, client.writes[-1:]
        finally:
            await client.close()

    cluster.admin.apply(a_model(namespace))
    asked, last_write = asyncio.run(live())
    assert asked == 0
    assert [path.rpartition("/services/")[2] for _, path in last_write] == [KEY_NAME]
