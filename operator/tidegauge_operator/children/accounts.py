"""ServiceAccounts without rights and without tokens: the pods never speak to the API server."""

from typing import Any

from tidegauge.resource import DriftMonitoredModel
from tidegauge_operator.children.inputs import PlanInputs
from tidegauge_operator.children.labels import Component, aggregator_name, metadata

__all__ = ["build_aggregator", "build_model"]


def build_model(model: DriftMonitoredModel, inputs: PlanInputs) -> dict[str, Any]:
    """Build the model pods' ServiceAccount; annotate it where a cloud grants storage by ServiceAccount."""
    return _account(metadata(model, inputs, model.metadata.name, Component.MODEL), inputs)


def build_aggregator(model: DriftMonitoredModel, inputs: PlanInputs) -> dict[str, Any]:
    """Build the aggregators' ServiceAccount."""
    return _account(metadata(model, inputs, aggregator_name(model), Component.AGGREGATOR), inputs)


def _account(of: dict[str, Any], inputs: PlanInputs) -> dict[str, Any]:
    # Without Secrets of ours the field is left out, so that the Secrets that others wrote there stay.
    secrets = [{"name": name} for name in inputs.images.pull_secrets]
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": of,
        "automountServiceAccountToken": False,
    } | ({"imagePullSecrets": secrets} if secrets else {})
