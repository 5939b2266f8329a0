"""The aggregator's volume claims, when they must grow.

A StatefulSet makes its claims from a template that cannot be changed. So the template stays as it was made,
and larger claims are written directly. Those of new replicas are written before the StatefulSet makes them.
Those of existing replicas are written last, because their storage class may refuse it.
"""

from typing import Any, Final

from tidegauge.resource import DriftMonitoredModel, bytes_of
from tidegauge.resource.schema import Storage
from tidegauge_operator.children.inputs import PlanInputs
from tidegauge_operator.children.labels import Component, aggregator_name, metadata

__all__ = ["TEMPLATE_NAME", "build_grown", "build_new", "claim_spec"]

TEMPLATE_NAME: Final = "data"


def build_new(model: DriftMonitoredModel, inputs: PlanInputs) -> list[dict[str, Any]]:
    """Build the claims of replicas to come, if the resource asks for more than the template."""
    return _build(model, inputs, range(inputs.aggregators, model.spec.aggregator.replicas))


def build_grown(model: DriftMonitoredModel, inputs: PlanInputs) -> list[dict[str, Any]]:
    """Build the claims of existing replicas, if the resource asks for more than the template."""
    return _build(model, inputs, range(min(inputs.aggregators, model.spec.aggregator.replicas)))


def _build(model: DriftMonitoredModel, inputs: PlanInputs, numbers: range) -> list[dict[str, Any]]:
    aggregator = model.spec.aggregator
    size = aggregator.storage.size
    if inputs.claim_size is None or bytes_of(size) <= bytes_of(inputs.claim_size):
        return []
    return [
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": _metadata(model, inputs, index),
            "spec": claim_spec(aggregator.storage, size),
        }
        for index in numbers
    ]


def _metadata(model: DriftMonitoredModel, inputs: PlanInputs, index: int) -> dict[str, Any]:
    """Return metadata without an owner: the StatefulSet controls its claims, and one is the most."""
    name = f"{TEMPLATE_NAME}-{aggregator_name(model)}-{index}"
    head = metadata(model, inputs, name, Component.AGGREGATOR)
    return {field: value for field, value in head.items() if field != "ownerReferences"}


def claim_spec(storage: Storage, size: str) -> dict[str, Any]:
    """Return the spec of a claim of that size."""
    spec: dict[str, Any] = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}
    if storage.storage_class_name is not None:
        spec["storageClassName"] = storage.storage_class_name
    return spec
