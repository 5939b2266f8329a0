"""Pods as a kubelet and a scheduler describe them, for tests without either."""

from typing import Any

Document = dict[str, Any]


def waiting(reason: str, message: str = "") -> Document:
    """State of a container that has not begun."""
    return {"waiting": {"reason": reason, "message": message}}


def ended(code: int, message: str = "", reason: str = "Error") -> Document:
    """State of a container that has ended."""
    return {"terminated": {"exitCode": code, "message": message, "reason": reason}}


RUNNING: Document = {"running": {"startedAt": "2026-11-22T12:00:00Z"}}
DONE = ended(0, reason="Completed")


def container(name: str, state: Document, last: Document | None = None, ready: bool = False) -> Document:
    """What the kubelet says of one container."""
    return {
        "name": name,
        "image": f"example.com/{name}:1",
        "imageID": "",
        "ready": ready,
        "restartCount": 0 if last is None else 1,
        "state": state,
        "lastState": last or {},
    }


def a_pod(
    *containers: Document, name: str = "iris-7d9f-x2x4p", component: str = "model", **status: Any
) -> Document:
    """A pod of the model `iris` of which the kubelet says this of its containers."""
    first = ("storage-initializer", "drift-sidecar")
    status["initContainerStatuses"] = [each for each in containers if each["name"] in first]
    status["containerStatuses"] = [each for each in containers if each["name"] not in first]
    labels = {"tidegauge.io/model": "iris", "app.kubernetes.io/component": component}
    metadata = {"name": name, "namespace": "ml", "uid": f"uid-of-{name}", "labels": labels}
    metadata["creationTimestamp"] = "2026-11-22T12:00:00Z"
    return {"metadata": metadata, "spec": {"serviceAccountName": "iris"}, "status": status}


def unscheduled(message: str, component: str = "model") -> Document:
    """A pod that the scheduler finds no place for."""
    condition = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": message,
    }
    return a_pod(component=component, phase="Pending", conditions=[condition])
