"""The aggregator: a StatefulSet whose replicas share the features, each with a volume of its own."""

from typing import Any, Final

from tidegauge.protocol.names import AGGREGATOR_PORT, Env
from tidegauge.resource import DriftMonitoredModel
from tidegauge.resource.environment import aggregator_environment
from tidegauge_operator.children.inputs import PlanInputs
from tidegauge_operator.children.labels import (
    Component,
    aggregator_name,
    labels,
    metadata,
    selector,
    token_name,
)

from . import pods
from .claims import TEMPLATE_NAME, claim_spec
from .config import CONFIG_FILE, config_name

__all__ = ["build"]

DATA_FOLDER: Final = "/var/lib/tidegauge"


def build(model: DriftMonitoredModel, inputs: PlanInputs) -> dict[str, Any]:
    """Build the StatefulSet. Its claims go with it unless the spec keeps them; they stay when replicas go."""
    storage = model.spec.aggregator.storage
    size = inputs.claim_size or storage.size  # a template cannot be changed: see claims
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": metadata(model, inputs, aggregator_name(model), Component.AGGREGATOR),
        "spec": {
            "replicas": model.spec.aggregator.replicas,
            "serviceName": aggregator_name(model),
            "podManagementPolicy": "Parallel",
            "persistentVolumeClaimRetentionPolicy": {
                "whenDeleted": storage.when_deleted,
                "whenScaled": "Retain",
            },
            "selector": {"matchLabels": selector(model, Component.AGGREGATOR)},
            "template": {
                "metadata": {"labels": labels(model, Component.AGGREGATOR)},
                "spec": _pod(model, inputs),
            },
            "volumeClaimTemplates": [
                {
                    "apiVersion": "v1",
                    "kind": "PersistentVolumeClaim",
                    "metadata": {"name": TEMPLATE_NAME},
                    "spec": claim_spec(storage, size),
                }
            ],
        },
    }


def _pod(model: DriftMonitoredModel, inputs: PlanInputs) -> dict[str, Any]:
    return {
        "serviceAccountName": aggregator_name(model),
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 30,
        "securityContext": pods.pod_security(),
        **pods.placement(model.spec.aggregator),
        "containers": [_container(model, inputs)],
        "volumes": [
            {"name": "config", "configMap": {"name": config_name(model)}},
            pods.token_volume(token_name(model)),
            {"name": "tmp", "emptyDir": {}},
        ],
    }


def _container(model: DriftMonitoredModel, inputs: PlanInputs) -> dict[str, Any]:
    settings = aggregator_environment(
        model,
        host="0.0.0.0",
        port=AGGREGATOR_PORT,
        data_folder=DATA_FOLDER,
        config=f"{pods.CONFIG_FOLDER}/{CONFIG_FILE}",
        token_file=pods.token_file(),
        shard=f"$(POD_INDEX)/{model.spec.aggregator.replicas}",
    )
    settings[Env.LOG_FORMAT] = inputs.log_format
    index = pods.field_variable("POD_INDEX", "metadata.labels['apps.kubernetes.io/pod-index']")
    return {
        "name": "aggregator",
        "image": inputs.images.aggregator,
        "command": ["python", "-m", "tidegauge_aggregator"],
        "env": [index, *pods.environment(settings)],  # in this order: the shard refers to the index
        "ports": [{"name": "aggregator", "containerPort": AGGREGATOR_PORT, "protocol": "TCP"}],
        "startupProbe": pods.http_probe("/readyz", AGGREGATOR_PORT, period_seconds=1, failures=600),
        "readinessProbe": pods.http_probe("/readyz", AGGREGATOR_PORT, period_seconds=5, failures=3),
        "livenessProbe": pods.http_probe("/healthz", AGGREGATOR_PORT, period_seconds=10, failures=6),
        "resources": pods.resources(model.spec.aggregator.resources),
        "securityContext": pods.container_security(),
        "volumeMounts": [
            pods.mount(TEMPLATE_NAME, DATA_FOLDER),
            pods.mount("config", pods.CONFIG_FOLDER, read_only=True),
            pods.mount("token", pods.TOKEN_FOLDER, read_only=True),
            pods.mount("tmp", "/tmp"),
        ],
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
