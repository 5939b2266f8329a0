"""`USE_EXISTING_CLUSTER` on a real cluster: the node made here, looked at as one that others made."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml
from support.controlplane.api import Document
from support.images import Images
from support.node.existing_node import ExistingNode
from support.node.node import Node
from support.node.own_node import OwnNode
from support.node.web import page_server, replicated, service
from support.restricted import container, pod
from support.waiting import wait_for


@pytest.fixture
def others(node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ExistingNode]:
    """The node through nothing but a kubeconfig; the public shell image lies there under its own name."""
    if not isinstance(node, OwnNode):
        pytest.skip("the whole tier shows it on this cluster")
    config = yaml.safe_load(node.cluster.kubeconfig().read_text())
    config["contexts"][0]["name"] = config["current-context"] = "tidegauge-others"
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(config))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    node.prepare_volumes()
    node.name_image(node.shell_image, ExistingNode.shell_image)
    existing = ExistingNode(node.cluster.kubectl_program, tmp_path)
    yield existing
    made = existing.made
    existing.stop()
    left = node.kubectl("get", "namespaces", "-o", "name")
    assert made
    assert not [name for name in made if name in left]


def test_a_claim_is_filled_a_service_reached_and_all_removed(others: ExistingNode, tmp_path: Path) -> None:
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages/index.html").write_text("from the claim")
    namespace = others.new_namespace()
    others.claim_with(namespace, "pages", tmp_path / "pages")
    others.api.create(server(namespace))
    others.api.create(service(namespace, "web"))
    others.wait_for_pod(namespace, "web")
    address = others.address_of(namespace, "web", 80)
    wait_for(lambda: httpx.get(f"{address}/index.html").text == "from the claim", "the page")


def test_each_connection_to_the_relay_is_one_to_the_service_also_when_its_pods_change(
    others: ExistingNode, images: Images
) -> None:
    namespace = others.new_namespace()
    others.api.create(replicated("Deployment", namespace, "web", page_server(others), replicas=2))
    others.api.create(service(namespace, "web"))
    roll_out(others, namespace)
    port = others.connections_to(namespace, "web", 80, images.name("serving"))
    told: set[str] = set()

    def pods() -> set[str]:
        found = others.api.list("v1", "Pod", namespace, labelSelector="app=web")
        return {one["metadata"]["name"] for one in found}

    def is_told_by_all() -> bool:
        told.add(httpx.get(f"http://127.0.0.1:{port}/").text.strip())
        return told >= pods()

    wait_for(is_told_by_all, "both pods answer")
    before = set(told)
    others.kubectl("rollout", "restart", "-n", namespace, "deployment/web")
    roll_out(others, namespace)
    wait_for(lambda: len(pods()) == 2, "the pods of before are gone", 60)
    wait_for(is_told_by_all, "both new pods answer by the same port")
    assert len(told - before) == 2


def roll_out(node: Node, namespace: str) -> None:
    node.kubectl("rollout", "status", "-n", namespace, "deployment/web", "--timeout=60s", timeout_seconds=70)


def server(namespace: str) -> Document:
    """A pod that serves what the claim holds."""
    web = container(
        "web",
        ExistingNode.shell_image,
        *("httpd", "-f", "-p", "8080", "-h", "/pages"),
        volumeMounts=[{"name": "pages", "mountPath": "/pages"}],
    )
    volume = {"name": "pages", "persistentVolumeClaim": {"claimName": "pages"}}
    return pod(namespace, "web", web, volumes=[volume])
