"""The Deployment: pods that serve the model, each with its drift sidecar."""

from typing import Any, Final

from tidegauge.protocol.names import PROFILE_FILE, PVC_MOUNT, SERVING_PORT, SIDECAR_PORT, Env
from tidegauge.resource import DriftMonitoredModel
from tidegauge.resource.environment import server_environment, sidecar_environment
from tidegauge_operator.children.inputs import PlanInputs
from tidegauge_operator.children.labels import Component, labels, metadata, selector, token_name

from . import pods
from .urls import aggregator_urls

__all__ = ["build"]

BUNDLE_FOLDER: Final = "/models"
LOG_FOLDER: Final = "/var/log/tidegauge"
PROFILE_MOUNT: Final = "/mnt/profile"
# A pod that is going leaves the Services' endpoints while it still answers; then it has 20 s for requests
# under way, then the sidecar up to 10 s for its last pane (docs/serving.md, docs/sidecar.md).
LEAVE_ENDPOINTS_SECONDS: Final = 5
GRACE_SECONDS: Final = 60
MEBIBYTE: Final = 1 << 20
# A model may take 5 minutes to load if nothing is answered meanwhile: liveness gives up a minute after
# its first look. A startup probe would be plainer, but the kubelet would look at readiness a round later.
FIRST_LIVENESS_SECONDS: Final = 240
LEAST_CPU: Final = "200m"  # requested for the model where its resource says nothing of cpu


def build(model: DriftMonitoredModel, inputs: PlanInputs) -> dict[str, Any]:
    """Build the Deployment; with `spec.replicas` only where nobody else decides it."""
    document = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(model, inputs, model.metadata.name, Component.MODEL),
        "spec": {
            "selector": {"matchLabels": selector(model, Component.MODEL)},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": "25%"}},
            "template": {
                "metadata": {
                    "labels": labels(model, Component.MODEL),
                    "annotations": {"kubectl.kubernetes.io/default-container": "model"},
                },
                "spec": _pod(model, inputs),
            },
        },
    }
    _set_scale(document, model, inputs)
    return document


def _set_scale(document: dict[str, Any], model: DriftMonitoredModel, inputs: PlanInputs) -> None:
    """Set `replicas` so that the number of running pods changes only when the user asks for it.

    Without the field, and while no other manager owns it, the API server resets it to 1. So the present
    value is written until an autoscaler has written its own. The version that was read guards against one
    that does so just now.
    """
    wanted = model.spec.replicas
    if wanted is None:
        if inputs.scale_owned_elsewhere:
            return
        wanted = model.spec.pods if inputs.replicas is None else inputs.replicas
        if model.spec.autoscaling is not None and inputs.deployment_version is not None:
            document["metadata"]["resourceVersion"] = inputs.deployment_version
    document["spec"]["replicas"] = wanted


def _pod(model: DriftMonitoredModel, inputs: PlanInputs) -> dict[str, Any]:
    return {
        "serviceAccountName": model.metadata.name,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "securityContext": pods.pod_security(),
        "topologySpreadConstraints": _spread(model),
        **pods.placement(model.spec.model),
        "initContainers": [_storage_initializer(model, inputs), _sidecar(model, inputs)],
        "containers": [_server(model, inputs)],
        "volumes": _volumes(model),
    }


def _storage_initializer(model: DriftMonitoredModel, inputs: PlanInputs) -> dict[str, Any]:
    """Build the container that brings the bundle, with the model's resources: it runs before the model."""
    uri, profile = model.spec.model.storage_uri, model.spec.drift.profile_uri
    options = ["--profile", pods.literal(_profile_address(model, profile))] if profile else []
    claims = [pods.mount(volume["name"], path, read_only=True) for volume, path in _claims(model)]
    return {
        "name": "storage-initializer",
        "image": inputs.images.serving,
        "command": ["python", "-m", "tidegauge_serving.storage"],
        "args": [pods.literal(uri), BUNDLE_FOLDER, *options],
        **_credentials(model),
        "resources": _server_resources(model),
        "securityContext": pods.container_security(),
        "volumeMounts": [pods.mount("bundle", BUNDLE_FOLDER), pods.mount("tmp", "/tmp"), *claims],
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }


def _credentials(model: DriftMonitoredModel) -> dict[str, Any]:
    """Return the Secret by its name alone: the operator never reads it, and the server never gets it."""
    secret = model.spec.model.storage_secret_name
    return {"envFrom": [{"secretRef": {"name": secret}}]} if secret else {}


def _sidecar(model: DriftMonitoredModel, inputs: PlanInputs) -> dict[str, Any]:
    """Build a native sidecar: it is stopped after the server, so that it counts the last row."""
    settings = sidecar_environment(
        model,
        log_folder=LOG_FOLDER,
        profile=f"{BUNDLE_FOLDER}/{PROFILE_FILE}",
        aggregator_urls=aggregator_urls(model),
        token_file=pods.token_file(),
        port=SIDECAR_PORT,
    )
    settings[Env.LOG_FORMAT] = inputs.log_format
    return {
        "name": "drift-sidecar",
        "image": inputs.images.sidecar,
        "restartPolicy": "Always",
        "command": ["python", "-m", "tidegauge_sidecar"],
        "env": [*pods.environment(settings), pods.field_variable(Env.POD.value, "metadata.name")],
        "ports": [{"name": "sidecar", "containerPort": SIDECAR_PORT, "protocol": "TCP"}],
        "livenessProbe": pods.http_probe("/healthz", SIDECAR_PORT, period_seconds=10, failures=6),
        "resources": pods.resources(model.spec.drift.sidecar.resources),
        "securityContext": pods.container_security(),
        "volumeMounts": [
            pods.mount("bundle", BUNDLE_FOLDER, read_only=True),
            pods.mount("log", LOG_FOLDER),
            pods.mount("token", pods.TOKEN_FOLDER, read_only=True),
        ],
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }


def _server(model: DriftMonitoredModel, inputs: PlanInputs) -> dict[str, Any]:
    return {
        "name": "model",
        "image": inputs.images.serving,
        "command": ["python", "-m", "tidegauge_serving"],
        "env": pods.environment(_server_settings(model, inputs)),
        "ports": [{"name": "http", "containerPort": SERVING_PORT, "protocol": "TCP"}],
        "readinessProbe": pods.http_probe("/readyz", SERVING_PORT, period_seconds=1, failures=6),
        "livenessProbe": {
            **pods.http_probe("/healthz", SERVING_PORT, period_seconds=10, failures=6),
            "initialDelaySeconds": FIRST_LIVENESS_SECONDS,
        },
        "lifecycle": {"preStop": {"sleep": {"seconds": LEAVE_ENDPOINTS_SECONDS}}},
        "resources": _server_resources(model),
        "securityContext": pods.container_security(),
        "volumeMounts": [
            pods.mount("bundle", BUNDLE_FOLDER, read_only=True),
            pods.mount("log", LOG_FOLDER),
            pods.mount("tmp", "/tmp"),
        ],
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }


def _server_settings(model: DriftMonitoredModel, inputs: PlanInputs) -> dict[Env, str]:
    settings = server_environment(model, bundle=BUNDLE_FOLDER, log_folder=LOG_FOLDER, port=SERVING_PORT)
    settings[Env.LOG_FORMAT] = inputs.log_format
    settings[Env.EXIT_ON_ERROR] = "true"  # its last words are how the operator learns what is wrong
    return {name: pods.literal(value) for name, value in settings.items()}


def _server_resources(model: DriftMonitoredModel) -> dict[str, Any]:
    """Return the server's resources, with a request for cpu: an autoscaler counts in shares of it.

    It is set without autoscaling too, so that switching that on restarts no pod.
    """
    found = pods.resources(model.spec.model.resources)
    if not any("cpu" in of for of in found.values()):
        found["requests"] = {"cpu": LEAST_CPU, **found.get("requests", {})}
    return found


def _volumes(model: DriftMonitoredModel) -> list[dict[str, Any]]:
    log = {"medium": "Memory", "sizeLimit": _log_volume_size(model.spec.drift.capture.log_bytes)}
    return [
        {"name": "bundle", "emptyDir": {}},
        {"name": "log", "emptyDir": log},
        {"name": "tmp", "emptyDir": {}},
        pods.token_volume(token_name(model)),
        *(volume for volume, _ in _claims(model)),
    ]


def _log_volume_size(log_bytes: int) -> str:
    """Return the size of the log's volume: the rows' budget, and room for the sidecar's panes.

    A log that filled its volume would leave the sidecar no room for the pane that frees space.
    """
    mebibytes = -(-log_bytes // MEBIBYTE)
    return f"{mebibytes + max(8, mebibytes // 4)}Mi"


def _claims(model: DriftMonitoredModel) -> list[tuple[dict[str, Any], str]]:
    """Return the claims that the storage initializer reads, as volumes with their paths."""
    bundle, profile = _claim(model.spec.model.storage_uri), _claim(model.spec.drift.profile_uri or "")
    found = [(_claim_volume("storage", bundle), PVC_MOUNT)] if bundle else []
    if profile and profile != bundle:
        found.append((_claim_volume("profile", profile), PROFILE_MOUNT))
    return found


def _claim_volume(name: str, claim: str) -> dict[str, Any]:
    return {"name": name, "persistentVolumeClaim": {"claimName": claim, "readOnly": True}}


def _profile_address(model: DriftMonitoredModel, uri: str) -> str:
    """Return the profile's address for the initializer: a claim that is not the bundle's has its own path."""
    claim = _claim(uri)
    if not claim or claim == _claim(model.spec.model.storage_uri):
        return uri
    return f"{PROFILE_MOUNT}/{uri.removeprefix(f'pvc://{claim}').lstrip('/')}"


def _claim(uri: str) -> str:
    """Return the claim of a ``pvc://CLAIM/PATH``; None for another address."""
    return uri.removeprefix("pvc://").partition("/")[0] if uri.startswith("pvc://") else ""


def _spread(model: DriftMonitoredModel) -> list[dict[str, Any]]:
    return [
        {
            "maxSkew": 1,
            "topologyKey": key,
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": selector(model, Component.MODEL)},
            "matchLabelKeys": ["pod-template-hash"],
        }
        for key in ("topology.kubernetes.io/zone", "kubernetes.io/hostname")
    ]
