"""The fields of a `DriftMonitoredModel`: what a user asks for.

These types are the one source of the resource's schema: names, types, defaults, ranges and the text that
``kubectl explain`` prints. Rules between fields are in `tidegauge.resource.rules`.
"""

import re
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from tidegauge.protocol.names import API_VERSION, RESOURCE_KIND
from tidegauge.resource.fields import (
    MOST,
    Count,
    Duration,
    Effect,
    FeatureName,
    HpaMetric,
    Labels,
    Name,
    ObjectName,
    Origin,
    Part,
    Quantities,
    Size,
    Tolerations,
    Uri,
    Verbatim,
    bytes_of,
    says,
    seconds_of,
)
from tidegauge.resource.monitoring import Monitoring
from tidegauge.resource.status import Status

__all__ = ["DriftMonitoredModel", "MinEffect", "PerFeature", "Spec"]


class Metadata(Struct, rename="camel", omit_defaults=True):
    """What Kubernetes keeps of every object; only the fields that Tidegauge reads."""

    name: Annotated[
        Name,
        says(
            "Name of the model in requests, metrics and reports, and of the objects made for it: "
            "lower-case letters, digits and dashes, at most 41 characters."
        ),
    ]
    namespace: str = ""
    generation: int = 0
    uid: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)


class Resources(Part):
    """Requests and limits of a container, as in a pod."""

    requests: Annotated[
        Quantities,
        says("What the container is guaranteed, for example {cpu: 200m, memory: 256Mi}."),
    ] = field(default_factory=dict)
    limits: Annotated[
        Quantities,
        says("What the container may use at most. It is killed above its memory limit."),
    ] = field(default_factory=dict)


class ModelFormat(Part):
    """What the model was made with."""

    name: Annotated[
        Literal["sklearn", "onnx", "xgboost", "lightgbm"],
        says("Framework the model was trained with. The bundle's manifest has the file's own format."),
    ] = "sklearn"


class Model(Part):
    """The model to serve, and how its server runs."""

    storage_uri: Annotated[
        Uri,
        says(
            "Address of the bundle that `tidegauge pack` wrote: file://, pvc://, http(s)://, s3://, gs:// "
            "or abfs://. A path without a scheme is relative to the YAML file and works with `tidegauge "
            "up` only."
        ),
    ]
    storage_secret_name: Annotated[
        ObjectName | None,
        says(
            "Secret in the model's namespace, for example with AWS_ACCESS_KEY_ID and AWS_ENDPOINT_URL. Its "
            "keys become environment variables of the storage initializer, and of nothing else. `tidegauge "
            "up` does not read it."
        ),
    ] = None
    model_format: Annotated[ModelFormat, says("What the model was made with.")] = field(
        default_factory=ModelFormat
    )
    resources: Annotated[
        Resources,
        says(
            "Requests and limits of the model's container. If neither has cpu, 200m are requested, because "
            "an autoscaler counts in shares of the request."
        ),
    ] = field(default_factory=Resources)
    node_selector: Annotated[Labels, says("Labels that a node must have to run the model's pods.")] = field(
        default_factory=dict
    )
    tolerations: Annotated[
        Tolerations, says("Taints of nodes that the model's pods tolerate, as in a pod; passed on unchanged.")
    ] = ()
    allow_pickle: Annotated[
        bool,
        says(
            "Whether a bundle may hold a pickle or joblib file. Loading one runs the code in it: allow it "
            "only for files you made yourself."
        ),
    ] = False
    trusted_types: Annotated[
        tuple[FeatureName, ...],
        says(
            "Full names of Python types that a skops file may hold in addition to scikit-learn's own.",
            max_length=256,
        ),
    ] = ()
    request_log: Annotated[bool, says("Whether the server writes one JSON line per request to its log.")] = (
        False
    )
    cors_origins: Annotated[
        tuple[Origin, ...],
        says(
            "Origins whose pages may call the server from a browser, as https://shop.example; * is any. "
            "Default: none. It costs speed: docs/serving.md.",
            max_length=64,
        ),
    ] = ()


class Autoscaling(Part):
    """A HorizontalPodAutoscaler for the model's pods."""

    max_replicas: Annotated[int, says("Largest number of pods.", ge=1, le=MOST)]
    min_replicas: Annotated[int, says("Smallest number of pods.", ge=1, le=MOST)] = 1
    metrics: Annotated[
        tuple[HpaMetric, ...],
        says(
            "Metrics as in autoscaling/v2, passed on unchanged. Default: 70 % of the cpu that the model's "
            "container requests.",
            max_length=32,
        ),
    ] = ()
    behavior: Annotated[Verbatim, says("Scaling behaviour as in autoscaling/v2, passed on unchanged.")] = (
        field(default_factory=dict)
    )


class Features(Part):
    """Which features are watched."""

    exclude: Annotated[
        tuple[FeatureName, ...],
        says("Features that are counted but raise no alarm, for example identifiers.", max_length=256),
    ] = ()


class Budget(Part):
    """How many false alarms are acceptable."""

    false_alarms: Annotated[
        float,
        says("False alarms to expect per period, at most, over all features of this model together.", gt=0),
    ] = 1.0
    period: Annotated[Duration, says("The period the budget is for, for example 720h (30 days).")] = "720h"

    @property
    def period_seconds(self) -> int:
        """The period in seconds."""
        return seconds_of(self.period)


class MinEffect(Part):
    """How large a change must be to matter. It must be significant as well."""

    warning: Annotated[
        Effect,
        says("Warn when at least this share of rows has certainly moved (the lower bound of D, 0 to 1)."),
    ] = 0.05
    critical: Annotated[
        Effect, says("Critical from this share of rows on (the lower bound of D, 0 to 1).")
    ] = 0.15


class FeatureMinEffect(Part):
    """Like `MinEffect`; a field left out comes from `spec.drift.minEffect`."""

    warning: Annotated[
        Effect | None, says("Warn for this feature when at least this share of rows has certainly moved.")
    ] = None
    critical: Annotated[Effect | None, says("Critical for this feature from this share of rows on.")] = None


class PerFeature(Part):
    """Settings of one feature."""

    name: Annotated[FeatureName, says("The feature's name, as in the profile.")]
    min_effect: Annotated[FeatureMinEffect, says("This feature's own effect floors.")]


class Capture(Part):
    """The log that carries answered rows from the server to the sidecar."""

    sample_rate: Annotated[
        float,
        says("Share of requests whose rows are counted; 1 counts every row.", gt=0, le=1),
    ] = 1.0
    log_size: Annotated[
        Size,
        says(
            "Memory for rows that wait for the sidecar. When it is full the server goes on answering, and "
            "further rows are reported as lost."
        ),
    ] = "64Mi"

    @property
    def log_bytes(self) -> int:
        """The log's size in bytes."""
        return bytes_of(self.log_size)


class Sidecar(Part):
    """The drift sidecar's container."""

    resources: Annotated[Resources, says("Requests and limits of the sidecar's container.")] = field(
        default_factory=lambda: Resources(requests={"cpu": "50m", "memory": "96Mi"})
    )


class Drift(Part):
    """What is watched, and when a change counts as drift."""

    profile_uri: Annotated[
        Uri | None,
        says("Address of the reference profile, like storageUri. Default: profile.json beside the model."),
    ] = None
    features: Annotated[Features, says("Which features are watched.")] = field(default_factory=Features)
    budget: Annotated[Budget, says("How many false alarms are acceptable.")] = field(default_factory=Budget)
    min_effect: Annotated[
        MinEffect, says("How large a change must be to matter. It must be significant as well.")
    ] = field(default_factory=MinEffect)
    per_feature: Annotated[tuple[PerFeature, ...], says("Settings of single features.", max_length=256)] = ()
    row_score_threshold: Annotated[
        float,
        says("A row is unusual from this mean |z| over its features on.", gt=0),
    ] = 2.0
    capture: Annotated[
        Capture, says("The log that carries answered rows from the server to the sidecar.")
    ] = field(default_factory=Capture)
    sidecar: Annotated[Sidecar, says("The drift sidecar's container.")] = field(default_factory=Sidecar)


class Storage(Part):
    """The aggregator's volume."""

    size: Annotated[Size, says("Size of each replica's volume; it may grow, not shrink.")] = "1Gi"
    storage_class_name: Annotated[
        str | None, says("StorageClass of the volume, fixed once made. Default: the cluster's own.")
    ] = None
    when_deleted: Annotated[
        Literal["Delete", "Retain"],
        says(
            "What happens to the volumes' claims when the model, or its StatefulSet, is deleted. Retain "
            "keeps them, and a later model of the same name continues with their counts."
        ),
    ] = "Delete"


class Aggregator(Part):
    """The program that merges all pods' counts into the verdict."""

    replicas: Annotated[
        int,
        says(
            "Replicas over which the features are divided; at most as many as there are monitored features. "
            "A change divides them again, and every replica begins with an empty record.",
            ge=1,
            le=64,
        ),
    ] = 1
    storage: Annotated[Storage, says("The volume of each replica.")] = field(default_factory=Storage)
    retention: Annotated[
        Duration, says("How long counts and history are kept; at least the longest window, 12h.")
    ] = "720h"
    resources: Annotated[
        Resources,
        says(
            "Requests and limits of the aggregator's container. It holds counts in memory: 5 features need "
            "less than 128Mi, 50 features took 390Mi."
        ),
    ] = field(default_factory=lambda: Resources(requests={"cpu": "50m", "memory": "128Mi"}))
    node_selector: Annotated[Labels, says("Labels that a node must have to run the aggregators.")] = field(
        default_factory=dict
    )
    tolerations: Annotated[
        Tolerations, says("Taints of nodes that the aggregators tolerate, as in a pod; passed on unchanged.")
    ] = ()

    @property
    def retention_seconds(self) -> int:
        """The retention in seconds."""
        return seconds_of(self.retention)


class Spec(Part):
    """What the user asks for."""

    model: Annotated[Model, says("The model to serve, and how its server runs.")]
    replicas: Annotated[
        Count | None,
        says("Pods that serve the model; 1 if left out. Not together with autoscaling."),
    ] = None
    autoscaling: Annotated[
        Autoscaling | None,
        says("Let the number of pods follow the load. Not together with replicas."),
    ] = None
    drift: Annotated[
        Drift,
        says(
            "What is watched, and when a change counts as drift. The live values of each feature are "
            "counted between the cut points of the reference profile, over all pods and over windows from "
            "10 s to 11 h. D, 0 to 1, is the largest distance between the live and the reference "
            "distribution (Kolmogorov-Smirnov). A feature drifts when the lower bound of D, at the "
            "budget's confidence, is above minEffect."
        ),
    ] = field(default_factory=Drift)
    aggregator: Annotated[Aggregator, says("The program that merges all pods' counts into the verdict.")] = (
        field(default_factory=Aggregator)
    )
    monitoring: Annotated[Monitoring, says("Objects for Prometheus and Grafana.")] = field(
        default_factory=Monitoring
    )
    paused: Annotated[
        bool, says("Whether the operator leaves all objects unchanged until this is false again.")
    ] = False

    @property
    def pods(self) -> int:
        """Return the number of pods at the start."""
        if self.autoscaling is not None:
            return self.autoscaling.min_replicas
        return 1 if self.replicas is None else self.replicas


class DriftMonitoredModel(Part):
    """A served model whose live data is compared with its training data."""

    api_version: Annotated[str, Meta(pattern=f"^{re.escape(API_VERSION)}$")]
    kind: Annotated[str, Meta(pattern=f"^{RESOURCE_KIND}$")]
    metadata: Metadata
    spec: Annotated[Spec, says("What the user asks for.")]
    status: Annotated[Status | None, says("What the cluster answers.")] = None
