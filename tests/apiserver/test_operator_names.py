"""The operator on a real API server: whose an object is, and that nobody else's is ever touched."""

import asyncio
import time
from collections.abc import Iterator

import pytest
from support.bad_input import SMALLEST, merged
from support.controlplane.api import Api, Document
from support.controlplane.cluster import Cluster
from support.operator_rig import IMAGES, CountingCluster, RunningOperator, quiet
from support.waiting import wait_for
from tidegauge_operator.controller.applier import Applier
from tidegauge_operator.controller.pod_failures import PodFailures
from tidegauge_operator.controller.reconciler import Reconciler
from tidegauge_operator.kube import client
from tidegauge_operator.kube.cache import Cache, Key
from tidegauge_operator.kube.client import connect
from tidegauge_operator.kube.kinds import MODELS, Kind


def a_model(namespace: str, name: str = "house-prices", **spec: object) -> Document:
    return merged(SMALLEST, {"metadata": {"namespace": namespace, "name": name}, "spec": spec})


def an_object(kind: str, namespace: str, name: str, **more: object) -> Document:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": namespace}, **more}


@pytest.fixture
def operator(cluster: Cluster, namespace: str) -> Iterator[RunningOperator]:
    running = RunningOperator(cluster.kubeconfig(), (namespace,))
    yield running
    running.stop()


def ready_of(cluster: Cluster, model: Document) -> Document:
    """The condition Ready; empty where there is none yet."""
    conditions: list[Document] = cluster.admin.get(model).get("status", {}).get("conditions", [])
    return next((c for c in conditions if c["type"] == "Ready"), {})


def is_applied(cluster: Cluster, model: Document) -> bool:
    there = cluster.admin.get(model)
    return bool(there.get("status", {}).get("observedGeneration") == there["metadata"]["generation"])


def applied(cluster: Cluster, operator: RunningOperator, model: Document) -> str:
    """Apply a model and wait until the operator is quiet; returns the model's uid."""
    cluster.admin.apply(model)
    wait_for(lambda: is_applied(cluster, model), "the model is applied")
    quiet(lambda: len(operator.cluster.writes), 0.4)
    return str(cluster.admin.get(model)["metadata"]["uid"])


@pytest.mark.usefixtures("operator")
@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("ServiceAccount", "default"),
        ("ConfigMap", "default-aggregator"),
        ("Secret", "default-aggregator-token"),
    ],
)
def test_an_object_that_differs_in_nothing_we_set_is_still_its_owners(
    cluster: Cluster, namespace: str, kind: str, name: str
) -> None:
    stood = cluster.admin.create(an_object(kind, namespace, name))
    model = a_model(namespace, "default")
    cluster.admin.apply(model)
    wait_for(lambda: ready_of(cluster, model).get("reason") == "NameTaken", "the condition")
    assert f"{kind} {name} is there already" in ready_of(cluster, model)["message"]
    assert cluster.admin.get(stood)["metadata"]["resourceVersion"] == stood["metadata"]["resourceVersion"]


def test_of_two_models_the_later_one_takes_nothing_from_the_earlier_one(
    cluster: Cluster, namespace: str, operator: RunningOperator
) -> None:
    uid = applied(cluster, operator, a_model(namespace, "a"))
    service = an_object("Service", namespace, "a-aggregator")
    before = cluster.admin.get(service)
    later = a_model(namespace, "a-aggregator")
    cluster.admin.apply(later)
    wait_for(lambda: ready_of(cluster, later).get("reason") == "NameTaken", "the condition")
    assert "the model a, which owns it" in ready_of(cluster, later)["message"]
    after = cluster.admin.get(service)
    assert after["metadata"]["ownerReferences"][0]["uid"] == uid
    assert after["spec"] == before["spec"]


def test_of_two_models_that_come_together_one_gets_the_name(
    cluster: Cluster, namespace: str, operator: RunningOperator
) -> None:
    models = [a_model(namespace, "a"), a_model(namespace, "a-aggregator")]
    for model in models:
        cluster.admin.apply(model)

    def told() -> list[object]:
        return [is_applied(cluster, m) or ready_of(cluster, m).get("reason") == "NameTaken" for m in models]

    wait_for(lambda: all(told()), "both are told")
    quiet(lambda: len(operator.cluster.writes), 0.4)
    shared = ("ServiceAccount", "Service")
    there = [cluster.admin.find(an_object(kind, namespace, "a-aggregator")) for kind in shared]
    owners = {document["metadata"]["ownerReferences"][0]["name"] for document in there if document}
    taken = [ready_of(cluster, m)["reason"] for m in models].count("NameTaken")
    assert (taken, len(owners)) == (1, 1), (taken, owners)


class LateCluster(client.Cluster):
    """A cluster client before whose first write of a name somebody else makes an object of that name."""

    def __init__(self, other: client.Cluster, admin: Api, theirs: Document) -> None:
        super().__init__(other._api)
        self._admin, self._theirs = admin, theirs

    def _come(self, kind: str, name: str) -> None:
        if (kind, name) == (self._theirs["kind"], self._theirs["metadata"]["name"]):
            self._admin.create(self._theirs)
            self._theirs = {"kind": None, "metadata": {"name": None}}

    async def apply(self, document: Document, *, force: bool = True, subresource: str = "") -> Document:
        self._come(document["kind"], document["metadata"]["name"])
        return await super().apply(document, force=force, subresource=subresource)


class LaterCluster(LateCluster):
    """One to an API server that makes nothing by a version; the object comes between look and write."""

    code, reason = 409, "Conflict"

    async def find(self, kind: Kind, namespace: str, name: str) -> Document | None:
        found = await super().find(kind, namespace, name)
        if found is None and kind is not MODELS:
            self._come(kind.name, name)
        return found

    async def apply(self, document: Document, *, force: bool = True, subresource: str = "") -> Document:
        if not force and "resourceVersion" in document["metadata"]:
            raise client.ApiError(self.code, self.reason, "not by a version")
        return await client.Cluster.apply(self, document, force=force, subresource=subresource)


class StricterCluster(LaterCluster):
    """One to an API server that finds the version itself invalid."""

    code, reason = 422, "Invalid"


async def reconciled(cluster: client.Cluster, namespace: str) -> bool:
    """One look of an operator that knows nothing yet."""
    cache = Cache()
    applier = Applier(cluster, cache, IMAGES, lambda: "a-token", docs_url="", log_format="json")
    reconciler = Reconciler(cluster, cache, PodFailures(), applier, time.time, "tests", lambda _: None)
    try:
        return await reconciler.reconcile(Key(namespace, "house-prices"))
    finally:
        await cluster.close()


@pytest.mark.parametrize("late", [LateCluster, LaterCluster, StricterCluster])
@pytest.mark.parametrize("data", [{"theirs": "1"}, {"config.json": "theirs"}])
def test_an_object_made_a_moment_before_ours_is_left_as_it_was_made(
    cluster: Cluster, namespace: str, data: dict[str, str], late: type[LateCluster]
) -> None:
    model = a_model(namespace)
    cluster.admin.apply(model)
    theirs = an_object("ConfigMap", namespace, "house-prices-aggregator", data=data)

    async def look() -> bool:
        connected = await connect(cluster.kubeconfig())
        return await reconciled(late(connected, cluster.admin, theirs), namespace)

    assert not asyncio.run(look())
    assert ready_of(cluster, model)["reason"] == "NameTaken"
    after = cluster.admin.get(theirs)
    assert after["data"] == data
    assert not {"ownerReferences", "labels"} & set(after["metadata"])


def test_an_object_that_lost_its_owner_is_set_right(
    cluster: Cluster, namespace: str, operator: RunningOperator
) -> None:
    uid = applied(cluster, operator, a_model(namespace))
    service = cluster.admin.get(an_object("Service", namespace, "house-prices"))
    broken = {"metadata": {"ownerReferences": None}, "spec": {"selector": {"app": "broken"}}}
    cluster.admin.merge(service, broken)

    def is_right() -> bool:
        there = cluster.admin.get(service)
        owners = [owner["uid"] for owner in there["metadata"].get("ownerReferences", ())]
        return owners == [uid] and there["spec"]["selector"] == service["spec"]["selector"]

    wait_for(is_right, "owner and selector are back")


def test_an_object_that_another_controller_took_is_left_to_it(
    cluster: Cluster, namespace: str, operator: RunningOperator
) -> None:
    applied(cluster, operator, a_model(namespace))
    theirs = cluster.admin.create(an_object("ConfigMap", namespace, "theirs"))
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "theirs", "controller": True}
    owners = [{**owner, "uid": theirs["metadata"]["uid"]}]
    taken = cluster.admin.merge(
        an_object("ConfigMap", namespace, "house-prices-aggregator"),
        {"metadata": {"ownerReferences": owners}},
    )
    wait_for(lambda: ready_of(cluster, a_model(namespace)).get("reason") == "NameTaken", "the condition")
    assert cluster.admin.get(taken)["metadata"]["resourceVersion"] == taken["metadata"]["resourceVersion"]


def test_a_model_made_again_under_its_name_has_its_objects_at_once(
    cluster: Cluster, namespace: str, operator: RunningOperator
) -> None:
    model = a_model(namespace)
    applied(cluster, operator, model)
    cluster.admin.delete(model)  # no controller collects what it left behind
    uid = applied(cluster, operator, model)
    for kind in "ServiceAccount", "Service", "Secret", "ConfigMap":
        name = {"Secret": "house-prices-aggregator-token", "ConfigMap": "house-prices-aggregator"}.get(kind)
        there = cluster.admin.get(an_object(kind, namespace, name or "house-prices"))
        assert [owner["uid"] for owner in there["metadata"]["ownerReferences"]] == [uid], kind


def test_a_new_model_costs_one_request_for_each_object_and_three_looks(
    cluster: Cluster, namespace: str
) -> None:
    cluster.admin.apply(a_model(namespace))

    async def look() -> CountingCluster:
        counting = CountingCluster(await connect(cluster.kubeconfig()))
        assert await reconciled(counting, namespace)
        return counting

    counting = asyncio.run(look())
    made = [path for method, path in counting.writes if method == "PATCH" and "/status" not in path]
    looks = [path for method, path in counting.requests if method == "GET" and MODELS.plural not in path]
    assert len(made) == len(set(made)) >= 10
    kinds = sorted(path.partition("?")[0].rpartition("/")[2] for path in looks)
    assert kinds == ["deployments", "secrets", "statefulsets"], "what decisions rest on"
