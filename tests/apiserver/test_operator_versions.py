"""A definition that is newer than the operator: while an upgrade rolls, and after a roll back."""

import copy
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from support.bad_input import SMALLEST, merged
from support.controlplane.api import Document
from support.controlplane.cluster import Cluster
from support.operator_rig import RunningOperator, managed
from support.waiting import wait_for

DEFINITION = yaml.safe_load(
    (Path(__file__).parents[2] / "crds/driftmonitoredmodels.tidegauge.io.yaml").read_text()
)


@pytest.fixture
def newer_definition(cluster: Cluster, namespace: str) -> Iterator[None]:
    """Fields with defaults, at the top and deep inside, that stand in every model that is read."""
    newer = copy.deepcopy(DEFINITION)
    spec = newer["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    field = {"type": "string", "default": "new"}
    for part in (spec, spec["aggregator"]["properties"]["storage"]["properties"]):
        part["ofTomorrow"] = field
    cluster.admin.apply(newer)
    probe = merged(SMALLEST, {"metadata": {"name": "probe", "namespace": namespace}})

    def served() -> bool:
        cluster.admin.apply(probe)
        return bool(cluster.admin.get(probe)["spec"].get("ofTomorrow") == "new")

    wait_for(served, "the newer definition is served")
    cluster.admin.delete(probe)
    yield
    cluster.admin.apply(DEFINITION)
    wait_for(lambda: "ofTomorrow" not in _spec_of(cluster, probe), "the definition is as it was")
    cluster.admin.delete(probe)


def _spec_of(cluster: Cluster, model: Document) -> Document:
    spec: Document = cluster.admin.apply(model)["spec"]
    return spec


@pytest.mark.usefixtures("newer_definition")
def test_a_definition_newer_than_the_operator_holds_nothing_up(cluster: Cluster, namespace: str) -> None:
    operator = RunningOperator(cluster.kubeconfig(), (namespace,))
    try:
        model = merged(SMALLEST, {"metadata": {"namespace": namespace}})
        cluster.admin.apply(model)
        wait_for(lambda: ("Deployment", "house-prices") in managed(cluster, namespace), "the objects")
        wait_for(lambda: cluster.admin.get(model).get("status", {}).get("conditions"), "the status")
    finally:
        operator.stop()
