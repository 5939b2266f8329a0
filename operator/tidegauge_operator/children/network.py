"""NetworkPolicies: the ports that answer, and an aggregator that calls nobody."""

from typing import Any

from tidegauge.contract import AGGREGATOR_PORT, SERVING_PORT, SIDECAR_PORT
from tidegauge.resource import DriftMonitoredModel
from tidegauge_operator.facts import Facts
from tidegauge_operator.labels import Component, aggregator_name, metadata, selector

__all__ = ["build_aggregator", "build_model"]


def build_model(model: DriftMonitoredModel, facts: Facts) -> dict[str, Any]:
    """Requests and metrics come in. What goes out stays open: the bundle's storage may be anywhere."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(model, facts, model.metadata.name, Component.MODEL),
        "spec": {
            "podSelector": {"matchLabels": selector(model, Component.MODEL)},
            "policyTypes": ["Ingress"],
            "ingress": [_ports(SERVING_PORT, SIDECAR_PORT)],
        },
    }


def build_aggregator(model: DriftMonitoredModel, facts: Facts) -> dict[str, Any]:
    """Panes, reports and metrics come in, and nothing goes out. Who writes is decided by the token."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(model, facts, aggregator_name(model), Component.AGGREGATOR),
        "spec": {
            "podSelector": {"matchLabels": selector(model, Component.AGGREGATOR)},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [_ports(AGGREGATOR_PORT)],
        },
    }


def _ports(*ports: int) -> dict[str, Any]:
    return {"ports": [{"protocol": "TCP", "port": port} for port in ports]}
