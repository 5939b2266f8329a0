"""Objects for the Prometheus operator: what is scraped, and the alerts."""

from typing import Any

from tidegauge.resource import DriftMonitoredModel
from tidegauge.resource.monitoring import Monitored
from tidegauge_operator.children.inputs import PlanInputs
from tidegauge_operator.children.labels import Component, common_labels, metadata

from .alerts import alerts

__all__ = ["build_rule", "build_service_monitor"]

PORTS = ("http", "sidecar", "aggregator")


def build_service_monitor(model: DriftMonitoredModel, inputs: PlanInputs) -> dict[str, Any] | None:
    """Build the ServiceMonitor over both Services, if it is wanted and the cluster knows the kind."""
    asked = model.spec.monitoring.service_monitor
    if not asked.enabled or "ServiceMonitor" not in inputs.monitoring_kinds:
        return None
    return _document(model, inputs, "ServiceMonitor", asked) | {
        "spec": {
            "selector": {"matchLabels": common_labels(model)},
            "endpoints": [{"port": port, "path": "/metrics"} for port in PORTS],
        },
    }


def build_rule(model: DriftMonitoredModel, inputs: PlanInputs) -> dict[str, Any] | None:
    """Build the PrometheusRule with the alerts, if it is wanted and the cluster knows the kind."""
    asked = model.spec.monitoring.prometheus_rule
    if not asked.enabled or "PrometheusRule" not in inputs.monitoring_kinds:
        return None
    rules = [alert.to_dict(model, inputs.docs_url) for alert in alerts(model)]
    group = f"tidegauge-{model.metadata.namespace}-{model.metadata.name}"
    return _document(model, inputs, "PrometheusRule", asked) | {
        "spec": {"groups": [{"name": group, "rules": rules}]},
    }


def _document(model: DriftMonitoredModel, inputs: PlanInputs, kind: str, asked: Monitored) -> dict[str, Any]:
    """Return the object's head. The user's labels never replace ours, which the operator prunes by."""
    head = metadata(model, inputs, model.metadata.name, Component.MODEL)
    head["labels"] = asked.labels | head["labels"]
    return {"apiVersion": "monitoring.coreos.com/v1", "kind": kind, "metadata": head}
