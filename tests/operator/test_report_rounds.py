"""A round over the reports of all models."""

import asyncio

import pytest
from kubernetes.aio.client import ApiClient, Configuration
from support.bad_input import SMALLEST, merged
from support.operator_parts import a_child, operator_parts
from support.reports import DRIFTING, ReportServer
from tidegauge_operator.kube.cache import Key
from tidegauge_operator.kube.client import Cluster

HEARD = Key("ml", "house-prices")
UNREADABLE = Key("ml", "unreadable")


async def queued_after_a_round(address: str) -> list[Key]:
    """Ask for the reports of two models, of which one cannot be read."""
    nobody = Cluster(ApiClient(Configuration()))
    async with operator_parts(nobody, addresses=lambda _: [address]) as parts:
        for name, change in ((UNREADABLE.name, {"spec": {"replicas": "many"}}), (HEARD.name, {})):
            metadata = {"name": name, "namespace": "ml", "uid": f"uid-of-{name}", "generation": 1}
            parts.cache.update_model(merged(SMALLEST, {"metadata": metadata, **change}))
        ready = {"status": {"readyReplicas": 1}}
        parts.cache.update_child(a_child("apps/v1", "StatefulSet", "house-prices-aggregator", "ml", **ready))
        await parts.rounds.ask_for_reports()
        return parts.queued()


def test_a_model_that_cannot_be_read_keeps_no_other_from_being_heard(
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = ReportServer()
    server.say(DRIFTING)
    try:
        assert asyncio.run(queued_after_a_round(server.address)) == [HEARD]
    finally:
        server.stop()
    assert server.asked == 1
    (told,) = (record for record in caplog.records if record.name == "tidegauge_operator.controller.periodic")
    assert told.key == str(UNREADABLE)  # type: ignore[attr-defined]
    assert "replicas" in caplog.text


async def queued_without_a_stateful_set(rounds: int) -> list[list[Key]]:
    """What each round puts on the queue while no watch has told of the aggregator's StatefulSet."""
    queued = []
    async with operator_parts(Cluster(ApiClient(Configuration()))) as parts:
        metadata = {"name": HEARD.name, "namespace": "ml", "uid": "uid-of-it", "generation": 1}
        parts.cache.update_model(merged(SMALLEST, {"metadata": metadata}))
        for _ in range(rounds):
            await parts.rounds.ask_for_reports()
            queued.append(parts.queued())
    return queued


def test_an_aggregator_that_was_not_listed_yet_takes_no_verdict_away() -> None:
    """A new operator keeps what the one before it said, until it knows better."""
    assert asyncio.run(queued_without_a_stateful_set(3)) == [[], [], [HEARD]]
