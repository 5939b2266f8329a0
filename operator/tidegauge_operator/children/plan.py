"""The plan: all objects of one resource, from the resource and what the cluster holds. Pure."""

from collections.abc import Iterator
from typing import Any

from tidegauge.resource import DriftMonitoredModel

from . import (
    accounts,
    claims,
    config,
    deployment,
    monitoring,
    network,
    scaling,
    secret,
    services,
    statefulset,
)
from .inputs import PlanInputs

__all__ = ["plan"]


def plan(model: DriftMonitoredModel, inputs: PlanInputs) -> list[dict[str, Any]]:
    """Return the wanted objects, in the order in which they are applied.

    Parameters
    ----------
    model
        The resource, with defaults filled in and a namespace.
    inputs
        What the cluster holds already.

    Returns
    -------
    list of dict
        Whole documents for server-side apply. Objects of the resource that are not in here may be deleted.
    """
    return [child for child in _children(model, inputs) if child is not None]


def _children(model: DriftMonitoredModel, inputs: PlanInputs) -> Iterator[dict[str, Any] | None]:
    yield accounts.build_model(model, inputs)
    yield accounts.build_aggregator(model, inputs)
    yield secret.build(model, inputs)
    yield config.build(model, inputs)
    yield network.build_model(model, inputs)
    yield network.build_aggregator(model, inputs)
    yield services.build_aggregator(model, inputs)
    yield services.build_model(model, inputs)
    yield from claims.build_new(model, inputs)
    yield statefulset.build(model, inputs)
    yield deployment.build(model, inputs)
    yield scaling.build_budget(model, inputs)
    yield scaling.build_autoscaler(model, inputs)
    yield monitoring.build_service_monitor(model, inputs)
    yield monitoring.build_rule(model, inputs)
    # Last: a storage class may refuse to grow a claim, and that must hold up nothing else.
    yield from claims.build_grown(model, inputs)
