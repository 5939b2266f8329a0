"""The common parts of both programs' pods: the restricted security profile, probes, environment."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from tidegauge.protocol.names import Env
from tidegauge.resource.schema import Aggregator, Model, Resources

__all__ = [
    "CONFIG_FOLDER",
    "TOKEN_FOLDER",
    "container_security",
    "environment",
    "field_variable",
    "http_probe",
    "literal",
    "mount",
    "placement",
    "pod_security",
    "resources",
    "token_file",
    "token_volume",
]

USER: Final = 65532  # "nonroot" of distroless images; a number, so that runAsNonRoot can be checked
TOKEN_FOLDER: Final = "/etc/tidegauge/token"
CONFIG_FOLDER: Final = "/etc/tidegauge/config"
TOKEN_KEY: Final = "token"
READABLE_BY_GROUP: Final = 0o440


def pod_security() -> dict[str, Any]:
    """Return a pod's security context, as the restricted Pod Security Standard asks."""
    return {
        "runAsNonRoot": True,
        "runAsUser": USER,
        "runAsGroup": USER,
        "fsGroup": USER,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def container_security() -> dict[str, Any]:
    """Return a container's security context."""
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def resources(given: Resources) -> dict[str, Any]:
    """Return requests and limits as the resource has them; quantities are text, as in the API server."""
    found: dict[str, dict[str, Any]] = msgspec.to_builtins(given)
    return {kind: {name: str(amount) for name, amount in of.items()} for kind, of in found.items()}


def placement(of: Model | Aggregator) -> dict[str, Any]:
    """Return the nodes that a pod may run on; fields that the resource leaves out are absent."""
    found = {"nodeSelector": of.node_selector, "tolerations": list(of.tolerations)}
    return {field: value for field, value in found.items() if value}


def environment(settings: Mapping[Env, object]) -> list[dict[str, Any]]:
    """Return environment variables in the order given; empty ones are left out."""
    return [{"name": name.value, "value": str(value)} for name, value in settings.items() if value != ""]


def literal(text: str) -> str:
    """Escape a text, so that ``$(NAME)`` in arguments and environment is not expanded."""
    return text.replace("$", "$$")


def field_variable(name: str, path: str) -> dict[str, Any]:
    """Return an environment variable that holds a field of the pod itself."""
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}


def http_probe(path: str, port: int, period_seconds: int, failures: int) -> dict[str, Any]:
    """Return a probe by port number: named ports of sidecar containers are not known everywhere."""
    return {
        "httpGet": {"path": path, "port": port},
        "periodSeconds": period_seconds,
        "timeoutSeconds": 2,
        "failureThreshold": failures,
    }


def mount(name: str, path: str, *, read_only: bool = False) -> dict[str, Any]:
    """Return a volume's mount."""
    return {"name": name, "mountPath": path} | ({"readOnly": True} if read_only else {})


def token_volume(secret: str) -> dict[str, Any]:
    """Return the Secret with the token as files that the programs' group may read."""
    return {"name": "token", "secret": {"secretName": secret, "defaultMode": READABLE_BY_GROUP}}


def token_file() -> str:
    """Return the token's path in a container that mounts the volume."""
    return f"{TOKEN_FOLDER}/{TOKEN_KEY}"
