"""Where the programs of one resource answer inside the cluster."""

from tidegauge.protocol.names import AGGREGATOR_PORT
from tidegauge.resource import DriftMonitoredModel
from tidegauge_operator.children.labels import aggregator_name

__all__ = ["aggregator_urls", "model_url"]


def model_url(model: DriftMonitoredModel) -> str:
    """Return the address of the model's Service."""
    return f"http://{model.metadata.name}.{model.metadata.namespace}.svc"


def aggregator_urls(model: DriftMonitoredModel) -> list[str]:
    """Return one address per aggregator replica, in the order of their shards."""
    name, namespace = aggregator_name(model), model.metadata.namespace
    return [
        f"http://{name}-{shard}.{name}.{namespace}.svc:{AGGREGATOR_PORT}"
        for shard in range(model.spec.aggregator.replicas)
    ]
