"""Namespaces of the `restricted` Pod Security level, and pods that they admit."""

from typing import Any

Document = dict[str, Any]

RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
USER = 65532
CONFINED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
}


def namespace(name: str, labels: dict[str, str] | None = None) -> Document:
    """A namespace's document, with these labels if any."""
    metadata = {"name": name, "labels": labels} if labels else {"name": name}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


def container(name: str, image: str, *command: str, **more: object) -> Document:
    """A container that runs a command."""
    return {"name": name, "image": image, "command": list(command), "securityContext": CONFINED, **more}


def pod_spec(*containers: Document, **more: object) -> Document:
    """What a pod is made of."""
    user = {"runAsNonRoot": True, "runAsUser": USER, "fsGroup": USER}
    return {
        "securityContext": {**user, "seccompProfile": {"type": "RuntimeDefault"}},
        "terminationGracePeriodSeconds": 1,
        "containers": list(containers),
        **more,
    }


def pod(namespace: str, name: str, *containers: Document, **more: object) -> Document:
    """A pod, labelled ``app=NAME``."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"namespace": namespace, "name": name, "labels": {"app": name}},
        "spec": pod_spec(*containers, **more),
    }
