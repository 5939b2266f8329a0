"""Names, labels and owner references of the objects that are made for one resource."""

from enum import StrEnum
from typing import Any, Final

from tidegauge.protocol.names import API_GROUP, API_VERSION, RESOURCE_KIND
from tidegauge.resource import DriftMonitoredModel

from .inputs import PlanInputs

__all__ = [
    "COMPONENT_LABEL",
    "MANAGED_BY",
    "MODEL_LABEL",
    "SELECTOR",
    "Component",
    "aggregator_name",
    "common_labels",
    "labels",
    "metadata",
    "selector",
    "token_name",
]

MANAGED_BY: Final = "tidegauge-operator"
SELECTOR: Final = f"app.kubernetes.io/managed-by={MANAGED_BY}"
COMPONENT_LABEL: Final = "app.kubernetes.io/component"
MODEL_LABEL: Final = f"{API_GROUP}/model"


class Component(StrEnum):
    """Which of a resource's two programs an object belongs to."""

    MODEL = "model"
    AGGREGATOR = "aggregator"


def aggregator_name(model: DriftMonitoredModel) -> str:
    """Return the name of the StatefulSet, its Service, its ServiceAccount, its configuration."""
    return f"{model.metadata.name}-aggregator"


def token_name(model: DriftMonitoredModel) -> str:
    """Return the name of the Secret with the token of the write path."""
    return f"{model.metadata.name}-aggregator-token"


def common_labels(model: DriftMonitoredModel) -> dict[str, str]:
    """Return the labels of every object made for the resource, and of no object made for another."""
    return {
        "app.kubernetes.io/managed-by": MANAGED_BY,
        "app.kubernetes.io/part-of": "tidegauge",
        MODEL_LABEL: model.metadata.name,
    }


def selector(model: DriftMonitoredModel, component: Component) -> dict[str, str]:
    """Return the labels by which pods are selected. They must never change: a selector cannot."""
    return {
        "app.kubernetes.io/name": f"tidegauge-{component}",
        "app.kubernetes.io/instance": model.metadata.name,
    }


def labels(model: DriftMonitoredModel, component: Component) -> dict[str, str]:
    """Return all labels of an object."""
    return {
        **selector(model, component),
        COMPONENT_LABEL: component.value,
        **common_labels(model),
    }


def metadata(
    model: DriftMonitoredModel, inputs: PlanInputs, name: str, component: Component
) -> dict[str, Any]:
    """Return metadata with an owner: garbage collection deletes the object with the resource.

    `blockOwnerDeletion` is left out: some clusters require one more right for it.
    """
    return {
        "name": name,
        "namespace": model.metadata.namespace,
        "labels": labels(model, component),
        "ownerReferences": [
            {
                "apiVersion": API_VERSION,
                "kind": RESOURCE_KIND,
                "name": model.metadata.name,
                "uid": inputs.uid,
                "controller": True,
            }
        ],
    }
