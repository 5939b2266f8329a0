"""ServiceAccounts without rights and without tokens: the pods never speak to the API server."""

from typing import Any

from tidegauge.resource import DriftMonitoredModel
from tidegauge_operator.children.facts import Facts
from tidegauge_operator.children.labels import Component, aggregator_name, metadata

__all__ = ["build_aggregator", "build_model"]


def build_model(model: DriftMonitoredModel, facts: Facts) -> dict[str, Any]:
    """The model pods' own; annotate it where a cloud grants storage by ServiceAccount."""
    return _account(metadata(model, facts, model.metadata.name, Component.MODEL), facts)


def build_aggregator(model: DriftMonitoredModel, facts: Facts) -> dict[str, Any]:
    """The aggregators' own."""
    return _account(metadata(model, facts, aggregator_name(model), Component.AGGREGATOR), facts)


def _account(of: dict[str, Any], facts: Facts) -> dict[str, Any]:
    # Without Secrets of ours the field is left out, so that those which others wrote there stay.
    secrets = [{"name": name} for name in facts.images.pull_secrets]
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": of,
        "automountServiceAccountToken": False,
    } | ({"imagePullSecrets": secrets} if secrets else {})
