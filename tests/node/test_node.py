"""The node itself: what every other test of this tier stands on."""

from support.controlplane.api import Document
from support.node import busybox
from support.node.node import Node

CONFINED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
}


def shell(name: str, script: str, **more: object) -> Document:
    """A container that runs a script."""
    return {
        "name": name,
        "image": busybox.IMAGE,
        "command": ["sh", "-c", script],
        "securityContext": CONFINED,
        **more,
    }


def pod_of(*containers: Document, **more: object) -> Document:
    """What a pod is made of, as the restricted level wants it."""
    user = {"runAsNonRoot": True, "runAsUser": 65532, "fsGroup": 65532}
    return {
        "securityContext": {**user, "seccompProfile": {"type": "RuntimeDefault"}},
        "terminationGracePeriodSeconds": 1,
        "containers": list(containers),
        **more,
    }


def test_a_pod_with_a_native_sidecar_runs_under_the_restricted_level(node: Node, namespace: str) -> None:
    shared = {"name": "shared", "mountPath": "/shared"}
    sidecar = shell(
        "sidecar", "echo ready > /shared/told; sleep 1000", restartPolicy="Always", volumeMounts=[shared]
    )
    main = shell("main", "cat /shared/told; id; sleep 1000", volumeMounts=[shared])
    volume = {"name": "shared", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}
    node.api.create(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"namespace": namespace, "name": "two"},
            "spec": pod_of(main, initContainers=[sidecar], volumes=[volume]),
        }
    )
    node.wait_for_pod(namespace, "two")
    assert node.logs(namespace, "two", "main").startswith("ready")
    assert "Uid:\t65532" in node.exec(namespace, "two", "cat", "/proc/self/status", container="main")
