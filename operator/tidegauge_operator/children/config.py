"""The aggregators' configuration, which they read again when it changes: policy and expected pods."""

import json
from typing import Any, Final

from tidegauge.resource import DriftMonitoredModel
from tidegauge.resource.environment import aggregator_config
from tidegauge_operator.children.inputs import PlanInputs
from tidegauge_operator.children.labels import Component, aggregator_name, metadata

__all__ = ["CONFIG_FILE", "build", "config_name"]

CONFIG_FILE: Final = "config.json"


def config_name(model: DriftMonitoredModel) -> str:
    """Return the name of the ConfigMap."""
    return aggregator_name(model)


def build(model: DriftMonitoredModel, inputs: PlanInputs) -> dict[str, Any]:
    """Build the ConfigMap."""
    config = aggregator_config(model, _expected_pods(model, inputs))
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(model, inputs, config_name(model), Component.AGGREGATOR),
        "data": {CONFIG_FILE: json.dumps(config, indent=2) + "\n"},
    }


def _expected_pods(model: DriftMonitoredModel, inputs: PlanInputs) -> int:
    """Return the wanted number of pods; if the resource leaves it open, the autoscaler's number."""
    if model.spec.replicas is not None or inputs.replicas is None:
        return model.spec.pods
    return inputs.replicas
