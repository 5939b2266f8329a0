"""The Services: one in front of the model, a headless one that gives each aggregator replica its name."""

from typing import Any

from tidegauge.protocol.names import AGGREGATOR_PORT, SERVING_PORT, SIDECAR_PORT
from tidegauge.resource import DriftMonitoredModel
from tidegauge_operator.children.inputs import PlanInputs
from tidegauge_operator.children.labels import Component, aggregator_name, metadata, selector

__all__ = ["build_aggregator", "build_model"]


def build_model(model: DriftMonitoredModel, inputs: PlanInputs) -> dict[str, Any]:
    """Build the Service of the model on port 80, and of the sidecars' metrics for Prometheus."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(model, inputs, model.metadata.name, Component.MODEL),
        "spec": {
            "type": "ClusterIP",
            "selector": selector(model, Component.MODEL),
            "ports": [_port("http", 80, SERVING_PORT), _port("sidecar", SIDECAR_PORT, SIDECAR_PORT)],
        },
    }


def build_aggregator(model: DriftMonitoredModel, inputs: PlanInputs) -> dict[str, Any]:
    """Build the Service that names the replicas: a pane is sent to the one with its shard, ready or not."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(model, inputs, aggregator_name(model), Component.AGGREGATOR),
        "spec": {
            "type": "ClusterIP",
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": selector(model, Component.AGGREGATOR),
            "ports": [_port("aggregator", AGGREGATOR_PORT, AGGREGATOR_PORT)],
        },
    }


def _port(name: str, port: int, target: int) -> dict[str, Any]:
    return {"name": name, "port": port, "targetPort": target, "protocol": "TCP"}
