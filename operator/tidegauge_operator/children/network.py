"""NetworkPolicies: the ports that answer, and no connections from an aggregator."""

from typing import Any

from tidegauge.protocol.names import AGGREGATOR_PORT, SERVING_PORT, SIDECAR_PORT
from tidegauge.resource import DriftMonitoredModel
from tidegauge_operator.children.inputs import PlanInputs
from tidegauge_operator.children.labels import Component, aggregator_name, metadata, selector

__all__ = ["build_aggregator", "build_model"]


def build_model(model: DriftMonitoredModel, inputs: PlanInputs) -> dict[str, Any]:
    """Allow requests and metrics in. Egress stays open: the bundle's storage may be anywhere."""
    head = metadata(model, inputs, model.metadata.name, Component.MODEL)
    return _policy(head, selector(model, Component.MODEL), ["Ingress"], SERVING_PORT, SIDECAR_PORT)


def build_aggregator(model: DriftMonitoredModel, inputs: PlanInputs) -> dict[str, Any]:
    """Allow panes, reports and metrics in, and nothing out. The token decides who may write."""
    head = metadata(model, inputs, aggregator_name(model), Component.AGGREGATOR)
    return _policy(head, selector(model, Component.AGGREGATOR), ["Ingress", "Egress"], AGGREGATOR_PORT)


def _policy(head: dict[str, Any], pods: dict[str, str], limited: list[str], *ports: int) -> dict[str, Any]:
    """Build a policy: only these ports take connections; a direction without a rule is closed."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": head,
        "spec": {
            "podSelector": {"matchLabels": pods},
            "policyTypes": limited,
            "ingress": [{"ports": [{"protocol": "TCP", "port": port} for port in ports]}],
        },
    }
