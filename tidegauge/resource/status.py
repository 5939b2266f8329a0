"""What the cluster answers: the status of a `DriftMonitoredModel`."""

from typing import Annotated, Literal

from msgspec import field

from tidegauge.protocol.names import Severity, Verdict
from tidegauge.resource.fields import Duration, Part, Time, says

__all__ = ["Condition", "Coverage", "DriftStatus", "ReasonBefore", "Status", "TopFeature"]


class Coverage(Part):
    """How much of the traffic the verdict has seen."""

    pods: Annotated[str, says("Pods heard from, of pods expected, for example 3/3.")] = ""
    shards: Annotated[
        str | None,
        says(
            "Aggregators that answer, of spec.aggregator.replicas, for example 1/2; only if there are "
            "several. The features of a silent one are not watched."
        ),
    ] = None
    rows: Annotated[float | None, says("Rows counted, of rows answered, 0 to 1.")] = None


class TopFeature(Part):
    """One drifting feature."""

    name: Annotated[str, says("The feature's name.")]
    statistic: Annotated[float, says("D of the window with the largest lower bound.")]
    lower_bound: Annotated[float, says("Lower bound of D at the budget's confidence.")]
    window: Annotated[Duration, says("Length of that window.")]
    severity: Annotated[Severity | None, says("warning or critical.")] = None
    pods: Annotated[
        tuple[str, ...],
        says("Names of the pods, if the drift is certainly confined to at most three of several."),
    ] = ()


class DriftStatus(Part):
    """The verdict."""

    verdict: Annotated[Verdict, says("Learning, Stable, Drifting or Unknown.")] = Verdict.UNKNOWN
    since: Annotated[Time | None, says("When the verdict became this, RFC 3339.")] = None
    rows: Annotated[int, says("Rows behind the verdict.", ge=0)] = 0
    coverage: Annotated[Coverage, says("How much of the traffic the verdict has seen.")] = field(
        default_factory=Coverage
    )
    drifting_features: Annotated[int, says("Number of features that drift.", ge=0)] = 0
    top_features: Annotated[
        tuple[TopFeature, ...], says("The features that drift most, the worst first.")
    ] = ()


class Condition(Part):
    """A condition as in metav1.Condition."""

    type: Annotated[
        Literal[
            "Ready",
            "ModelAvailable",
            "AggregatorAvailable",
            "MonitoringReady",
            "DataDriftDetected",
            "DriftMonitoringDegraded",
        ],
        says("What the condition is about."),
    ]
    status: Annotated[Literal["True", "False", "Unknown"], says("Whether it holds.")]
    reason: Annotated[str, says("Why, in one CamelCase word.")]
    last_transition_time: Annotated[Time, says("When the status changed last, RFC 3339.")]
    message: Annotated[str, says("Why, in words.")] = ""
    observed_generation: Annotated[int, says("metadata.generation that it describes.", ge=0)] = 0


class ReasonBefore(Part):
    """The reason of a bad state that became Unknown."""

    type: Annotated[str, says("Type of the condition.")]
    reason: Annotated[str, says("The reason that it had then.")]


class Status(Part):
    """What the cluster answers."""

    observed_generation: Annotated[int, says("metadata.generation that this status describes.", ge=0)] = 0
    url: Annotated[str | None, says("Address of the model inside the cluster.")] = None
    replicas: Annotated[int, says("Present pods; read by the scale subresource.", ge=0)] = 0
    selector: Annotated[str, says("Label selector of the pods; read by the scale subresource.")] = ""
    drift: Annotated[DriftStatus | None, says("The verdict.")] = None
    conditions: Annotated[tuple[Condition, ...], says("State in the usual form.")] = ()
    reasons_before: Annotated[
        tuple[ReasonBefore, ...], says("The reasons of conditions that were bad before they became Unknown.")
    ] = ()
