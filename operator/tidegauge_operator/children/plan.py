"""From one resource, and what the cluster holds already, to all objects that should be there. Pure."""

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
from .facts import Facts

__all__ = ["plan"]


def plan(model: DriftMonitoredModel, facts: Facts) -> list[dict[str, Any]]:
    """The desired children, in the order in which they are applied.

    Parameters
    ----------
    model
        The resource, with defaults filled in and a namespace.
    facts
        What the cluster holds already.

    Returns
    -------
    list of dict
        Whole documents for server-side apply. What the resource owns and is not in here may go.
    """
    return [child for child in _children(model, facts) if child is not None]


def _children(model: DriftMonitoredModel, facts: Facts) -> Iterator[dict[str, Any] | None]:
    yield accounts.build_model(model, facts)
    yield accounts.build_aggregator(model, facts)
    yield secret.build(model, facts)
    yield config.build(model, facts)
    yield network.build_model(model, facts)
    yield network.build_aggregator(model, facts)
    yield services.build_aggregator(model, facts)
    yield services.build_model(model, facts)
    yield from claims.build_new(model, facts)
    yield statefulset.build(model, facts)
    yield deployment.build(model, facts)
    yield scaling.build_budget(model, facts)
    yield scaling.build_autoscaler(model, facts)
    yield monitoring.build_service_monitor(model, facts)
    yield monitoring.build_rule(model, facts)
    # Last: a storage class may refuse to grow a claim, and that must hold up nothing else.
    yield from claims.build_grown(model, facts)
