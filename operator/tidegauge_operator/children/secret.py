"""The Secret with the token that sidecars send to the aggregators."""

import base64
from typing import Any

from tidegauge.resource import DriftMonitoredModel
from tidegauge_operator.children.inputs import PlanInputs
from tidegauge_operator.children.labels import Component, metadata, token_name

from .pods import TOKEN_KEY

__all__ = ["build"]


def build(model: DriftMonitoredModel, inputs: PlanInputs) -> dict[str, Any]:
    """Build the Secret with the token; both programs read it again when it changes."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata(model, inputs, token_name(model), Component.AGGREGATOR),
        "type": "Opaque",
        "data": {TOKEN_KEY: base64.b64encode(inputs.token.encode()).decode()},
    }
