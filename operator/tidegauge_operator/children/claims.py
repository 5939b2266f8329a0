"""The aggregator's volume claims, when they must grow.

A StatefulSet makes its claims from a template that cannot be changed. So the template stays as it was made,
and claims that shall be larger are written directly; the storage class must allow expansion.
"""

from typing import Any, Final

from tidegauge.resource import DriftMonitoredModel, bytes_of
from tidegauge.resource.schema import Storage
from tidegauge_operator.facts import Facts
from tidegauge_operator.labels import Component, aggregator_name, metadata

__all__ = ["TEMPLATE_NAME", "build", "claim_spec"]

TEMPLATE_NAME: Final = "data"


def build(model: DriftMonitoredModel, facts: Facts) -> list[dict[str, Any]]:
    """One claim per replica if the resource asks for more than the StatefulSet's template; else none."""
    aggregator = model.spec.aggregator
    size = aggregator.storage.size
    if facts.claim_size is None or bytes_of(size) <= bytes_of(facts.claim_size):
        return []
    return [
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": _metadata(model, facts, index),
            "spec": claim_spec(aggregator.storage, size),
        }
        for index in range(aggregator.replicas)
    ]


def _metadata(model: DriftMonitoredModel, facts: Facts, index: int) -> dict[str, Any]:
    """Without an owner: the StatefulSet controls its claims, and an object has one controller at most."""
    name = f"{TEMPLATE_NAME}-{aggregator_name(model)}-{index}"
    head = metadata(model, facts, name, Component.AGGREGATOR)
    return {field: value for field, value in head.items() if field != "ownerReferences"}


def claim_spec(storage: Storage, size: str) -> dict[str, Any]:
    """The spec of a claim of that size."""
    spec: dict[str, Any] = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}
    if storage.storage_class_name is not None:
        spec["storageClassName"] = storage.storage_class_name
    return spec
