"""The kinds of objects that the operator makes, and what the API server calls them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tidegauge.protocol.names import API_VERSION, RESOURCE_KIND

__all__ = ["CHILDREN", "EVENTS", "MODELS", "PODS", "Kind", "kind_of"]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of object.

    Parameters
    ----------
    api_version, name, plural
        As the API server has them.
    optional
        Another product brings its definition.
    watched
        Objects of the kind are kept in their wanted state, and deleted when they are no longer wanted.
    """

    api_version: str
    name: str
    plural: str
    optional: bool = False
    watched: bool = True

    @property
    def group(self) -> str:
        """The API group, empty for the core."""
        return self.api_version.rpartition("/")[0]

    @property
    def version(self) -> str:
        """The version, without its group."""
        return self.api_version.rpartition("/")[2]

    @property
    def root(self) -> str:
        """Path of the group and version on the API server."""
        return f"/apis/{self.api_version}" if self.group else f"/api/{self.api_version}"

    def path(self, namespace: str | None, name: str = "") -> str:
        """Return the path of one object, of the kind in a namespace, or of the kind in all of them."""
        where = f"/namespaces/{namespace}" if namespace else ""
        return f"{self.root}{where}/{self.plural}{f'/{name}' if name else ''}"


MODELS: Final = Kind(API_VERSION, RESOURCE_KIND, "driftmonitoredmodels")
CHILDREN: Final = (
    Kind("v1", "ServiceAccount", "serviceaccounts"),
    Kind("v1", "Secret", "secrets"),
    Kind("v1", "ConfigMap", "configmaps"),
    Kind("v1", "Service", "services"),
    Kind("apps/v1", "Deployment", "deployments"),
    Kind("apps/v1", "StatefulSet", "statefulsets"),
    Kind("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers"),
    Kind("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets"),
    Kind("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies"),
    # Claims are the StatefulSet's; they hold data, are only ever made larger here, and never deleted.
    Kind("v1", "PersistentVolumeClaim", "persistentvolumeclaims", watched=False),
    Kind("monitoring.coreos.com/v1", "ServiceMonitor", "servicemonitors", optional=True),
    Kind("monitoring.coreos.com/v1", "PrometheusRule", "prometheusrules", optional=True),
)
# Made by controllers from the Deployment and the StatefulSet; read, never written.
PODS: Final = Kind("v1", "Pod", "pods")
EVENTS: Final = Kind("v1", "Event", "events")
_BY_NAME: Final = {(kind.api_version, kind.name): kind for kind in (MODELS, *CHILDREN)}


def kind_of(document: Mapping[str, object]) -> Kind:
    """Return the kind of a document.

    Raises
    ------
    KeyError
        It is of no kind that the operator makes.
    """
    return _BY_NAME[str(document["apiVersion"]), str(document["kind"])]
