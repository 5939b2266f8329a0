"""The chart on a node: the operator runs, is upgraded, rolled back and taken away; models go on."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.bad_input import SMALLEST, merged
from support.controlplane.api import Document
from support.helm import older_chart
from support.installation import OPERATOR, Installation
from support.node.node import Node
from support.waiting import wait_for


@pytest.fixture
def release(free_cluster: Installation) -> Iterator[Installation]:
    """A cluster on which tidegauge is not installed yet, and is no more afterwards."""
    yield free_cluster
    free_cluster.remove()


@pytest.fixture
def model(namespace: str) -> Document:
    """One whose pods wait for a bundle that is nowhere: its objects are what matters here."""
    return merged(SMALLEST, {"metadata": {"namespace": namespace}})


def made_for(node: Node, model: Document, kind: str = "Deployment") -> Document | None:
    """The object of the model's own name that the operator made."""
    metadata = {name: model["metadata"][name] for name in ("name", "namespace")}
    return node.api.find({"apiVersion": "apps/v1", "kind": kind, "metadata": metadata})


def serving_image(node: Node, model: Document) -> str | None:
    deployment = made_for(node, model)
    return deployment and deployment["spec"]["template"]["spec"]["containers"][0]["image"]


def test_the_chart_installs_an_operator_that_manages_models(
    node: Node, release: Installation, model: Document
) -> None:
    release.install()
    node.api.apply(model)
    wait_for(lambda: made_for(node, model), "the model's Deployment")
    ready = wait_for(lambda: condition(node, model, "Ready"), "the condition")
    assert ready["status"] == "False"
    said = httpx.get(f"{node.address_of(release.namespace, OPERATOR, 8082)}/metrics").text
    assert 'tidegauge_operator_models{verdict="Unknown"} 1.0' in said
    operator = release.operator()
    assert operator
    assert operator["status"]["readyReplicas"] == 1


def condition(node: Node, model: Document, kind: str) -> dict[str, Any] | None:
    conditions = node.api.get(model).get("status", {}).get("conditions", [])
    return next((one for one in conditions if one["type"] == kind), None)


def told_of(node: Node, model: Document, reason: str) -> str:
    """What the model's condition Ready says, once it is for that reason; nothing before."""
    found = condition(node, model, "Ready")
    return found["message"] if found and found["reason"] == reason else ""


def test_an_upgrade_reaches_the_models_and_a_rollback_takes_it_back(
    node: Node, release: Installation, model: Document, tmp_path: Path
) -> None:
    """From a chart made older by hand, for want of an earlier release."""
    release.install("--set", "images.serving.tag=older", chart=older_chart(tmp_path))
    node.api.apply(model)
    before = wait_for(lambda: serving_image(node, model), "the model's Deployment")
    assert before == "localhost/tidegauge/serving:older"
    told = wait_for(lambda: told_of(node, model, "ImagePullBackOff"), "that the image is not there", 60, 0.3)
    assert f"image {before}" in told
    assert "Check its name" in told
    release.install()
    now = release.images.name("serving")
    wait_for(lambda: serving_image(node, model) == now, "the model gets the new image")
    release.helm("rollback", "tidegauge", "--namespace", release.namespace, "--wait", "--timeout", "120s")
    wait_for(lambda: serving_image(node, model) == before, "the model gets the old image again")
    operator = release.operator()
    assert operator
    assert operator["metadata"]["labels"]["app.kubernetes.io/version"] == "0.0.9"


def test_models_go_on_without_the_operator_and_are_taken_up_again(
    node: Node, release: Installation, model: Document
) -> None:
    release.install()
    node.api.apply(model)
    stood = wait_for(lambda: made_for(node, model), "the model's Deployment")
    release.uninstall()
    assert release.operator() is None
    wait_for(lambda: not release.pods(), "its pod is gone")
    left = made_for(node, model)
    assert left
    assert left["metadata"]["uid"] == stood["metadata"]["uid"]
    node.api.merge(model, {"spec": {"replicas": 2}})
    release.install()
    wait_for(lambda: (made_for(node, model) or {})["spec"]["replicas"] == 2, "what changed meanwhile is done")


def test_models_go_with_a_release_that_does_not_keep_the_definition(
    node: Node, release: Installation, model: Document
) -> None:
    release.install("--set", "crds.keep=false")
    node.api.apply(model)
    wait_for(lambda: made_for(node, model), "the model's Deployment")
    release.uninstall()
    wait_for(lambda: release.definition() is None, "the definition is gone")
    wait_for(lambda: made_for(node, model) is None, "what the model ran is gone")


def test_an_operator_of_one_namespace_serves_it_alone(
    node: Node, release: Installation, model: Document
) -> None:
    release.install("--set", f"namespaces={{{model['metadata']['namespace']}}}")
    elsewhere = merged(model, {"metadata": {"namespace": node.new_namespace()}})
    node.api.apply(elsewhere)
    node.api.apply(model)
    wait_for(lambda: made_for(node, model), "the model's Deployment")
    assert made_for(node, elsewhere) is None
    assert "status" not in node.api.get(elsewhere)


def test_the_operator_is_ready_with_network_policy_and_budget(release: Installation) -> None:
    release.install("--set", "networkPolicy.enabled=true", "--set", "podDisruptionBudget.enabled=true")
    operator = release.operator()
    assert operator
    assert operator["status"]["readyReplicas"] == 1
