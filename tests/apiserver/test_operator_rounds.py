"""What the operator's rounds find against a real API server."""

import asyncio
from contextlib import suppress

from support.controlplane.cluster import Cluster
from support.operator_parts import Parts, a_child, operator_parts
from support.operator_rig import crd_of
from support.pods import unscheduled
from tidegauge_operator.kube.cache import Key
from tidegauge_operator.kube.client import ApiError, connect

MONITOR = "ServiceMonitor"


def test_objects_that_went_with_their_definition_hold_up_nothing_and_are_missed_when_it_is_back(
    cluster: Cluster, namespace: str
) -> None:
    key, definition = Key(namespace, "house-prices"), crd_of("servicemonitors", MONITOR)

    async def live() -> None:
        asked = await connect(cluster.kubeconfig())
        async with operator_parts(asked, (namespace,)) as parts:
            for api_version, kind in (("monitoring.coreos.com/v1", MONITOR), ("v1", "Service")):
                parts.cache.update_child(a_child(api_version, kind, "house-prices", namespace))
            parts.pods.update(unscheduled("no room"))
            await parts.rounds.find_missed_deletions()
            assert {ref.kind for ref in parts.cache.children(key)} == {MONITOR}
            assert not parts.pods.uids()
            parts.queued()
            cluster.admin.apply(definition)
            await until_known(parts)
            assert not parts.cache.children(key)
            assert parts.queued() == [key]

    try:
        asyncio.run(live())
    finally:
        cluster.admin.delete(definition)


async def until_known(parts: Parts) -> None:
    async with asyncio.timeout(60):
        while MONITOR not in parts.reconciler.known_kinds:
            with suppress(ApiError):  # its objects may not be served yet
                await parts.rounds.look_for_definitions()
            await asyncio.sleep(0.02)
