"""The inputs of a plan besides the resource: the state of the cluster and the operator's settings."""

from dataclasses import dataclass, field

__all__ = ["Images", "PlanInputs"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Images:
    """Container images, one per program, and the Secrets by which pods may pull them."""

    serving: str
    sidecar: str
    aggregator: str
    pull_secrets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanInputs:
    """The observations when one reconcile began.

    Parameters
    ----------
    uid
        The resource's uid, for owner references.
    images
        Images of the programs.
    token
        Token of the aggregators' write path: the existing Secret's, or a new random one.
    replicas
        `spec.replicas` of the present Deployment; None if there is none yet.
    scale_owned_elsewhere
        Whether another field manager owns that field: an autoscaler or ``kubectl scale`` wrote it last.
    deployment_version
        `metadata.resourceVersion` of the Deployment that `replicas` was read from; None where there is none.
        An apply that must not overtake an autoscaler's first write carries it: it fails with 409 instead.
    aggregators
        `spec.replicas` of the present StatefulSet; 0 if there is none yet.
    claim_size
        Size in the existing StatefulSet's claim template; None where there is none yet.
    monitoring_kinds
        Which of ``ServiceMonitor`` and ``PrometheusRule`` the cluster knows.
    docs_url
        Address of the documentation that alerts point to; empty if none is set.
    log_format
        Format of the programs' logs, which is the operator's own: ``json`` or ``text``.
    """

    uid: str
    images: Images
    token: str
    replicas: int | None = None
    scale_owned_elsewhere: bool = False
    deployment_version: str | None = None
    aggregators: int = 0
    claim_size: str | None = None
    monitoring_kinds: frozenset[str] = field(default_factory=frozenset)
    docs_url: str = ""
    log_format: str = "json"
