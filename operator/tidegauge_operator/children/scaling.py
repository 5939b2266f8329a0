"""The HorizontalPodAutoscaler and the PodDisruptionBudget of the model's pods."""

from typing import Any, Final

from tidegauge.resource import DriftMonitoredModel
from tidegauge_operator.children.inputs import PlanInputs
from tidegauge_operator.children.labels import Component, metadata, selector

__all__ = ["build_autoscaler", "build_budget"]

# Of the model's container, not of the pod: a sidecar that idles would hide a model that is busy.
DEFAULT_METRIC: Final = {
    "type": "ContainerResource",
    "containerResource": {
        "name": "cpu",
        "container": "model",
        "target": {"type": "Utilization", "averageUtilization": 70},
    },
}


def build_autoscaler(model: DriftMonitoredModel, inputs: PlanInputs) -> dict[str, Any] | None:
    """Build the autoscaler, if one is wanted; metrics and behaviour as the resource has them."""
    scaling = model.spec.autoscaling
    if scaling is None:
        return None
    spec: dict[str, Any] = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": model.metadata.name},
        "minReplicas": scaling.min_replicas,
        "maxReplicas": scaling.max_replicas,
        "metrics": list(scaling.metrics) or [DEFAULT_METRIC],
    }
    if scaling.behavior:
        spec["behavior"] = scaling.behavior
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": metadata(model, inputs, model.metadata.name, Component.MODEL),
        "spec": spec,
    }


def build_budget(model: DriftMonitoredModel, inputs: PlanInputs) -> dict[str, Any] | None:
    """Build a budget where there may be more than one pod; a single one must not block a node's drain."""
    scaling = model.spec.autoscaling
    most = model.spec.pods if scaling is None else scaling.max_replicas
    if most < 2:
        return None
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata(model, inputs, model.metadata.name, Component.MODEL),
        "spec": {
            "maxUnavailable": 1,
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
            "selector": {"matchLabels": selector(model, Component.MODEL)},
        },
    }
