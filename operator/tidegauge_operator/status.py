"""What is said of a model: its status and the Events of each change, from what was observed.

Pure: what was seen and the time come in as arguments. Figures that change with every report stand in
`status.drift` alone, never in a condition's message, so that a condition changes when something happened.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tidegauge.contract import Severity, Verdict
from tidegauge.report import Report
from tidegauge.resource import DriftMonitoredModel

__all__ = ["Event", "Failure", "Observed", "events", "has_happened", "status"]

Document = dict[str, Any]

TOP_FEATURES: Final = 5
ENOUGH_ROWS: Final = 0.99
_SHOWN_NAMES: Final = 5


@dataclass(frozen=True, slots=True)
class Failure:
    """Why the model's objects could not be brought to what they ought to be."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What was seen of a model.

    Parameters
    ----------
    generation
        The generation whose objects were applied last; 0 before the first.
    failure
        What went wrong when they were applied, or None.
    deployment, stateful_set
        The objects of the model and of its aggregator, with `spec` and `status`; None where there is none.
    missing_kinds
        Kinds that are asked for and that the cluster does not know.
    report
        The aggregator's newest report; None when there is none.
    silence
        Why there is no report.
    asked
        Whether the aggregator was ready and has been asked.
    url
        Where the model answers.
    """

    generation: int = 0
    failure: Failure | None = None
    deployment: Document | None = None
    stateful_set: Document | None = None
    missing_kinds: tuple[str, ...] = ()
    report: Report | None = None
    silence: str = "the aggregator has not been asked yet"
    asked: bool = False
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """An Event to be posted: `kind` is Normal or Warning."""

    kind: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class _State:
    """A condition without its times."""

    status: str
    reason: str
    message: str


def status(model: DriftMonitoredModel, observed: Observed, before: Mapping[str, Any], now: str) -> Document:
    """The status as it ought to be written; `now` is RFC 3339, `before` the status there is."""
    known = {c["type"]: c for c in before.get("conditions", ())}
    states = _states(model, observed)
    generation = model.metadata.generation
    document: Document = {
        "observedGeneration": observed.generation or before.get("observedGeneration", 0),
        "replicas": _number(observed.deployment, "status", "replicas"),
        "selector": _selector(observed.deployment),
        "conditions": [_condition(kind, states[kind], known.get(kind), generation, now) for kind in states],
    }
    if observed.url is not None:
        document["url"] = observed.url
    if observed.report is not None:
        document["drift"] = _drift(observed.report, before.get("drift", {}), now)
    elif "drift" in before:  # silence: what was known is kept, and the verdict is no longer
        document["drift"] = _silent(before["drift"], now)
    return document


def has_happened(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether more than figures changed, so that the status ought to be written at once."""
    return _without_figures(before) != _without_figures(after)


def events(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Event]:
    """The Events that tell of the way from one status to the next, one for each transition."""
    old = {c["type"]: c for c in before.get("conditions", ())}
    told = [_event(old.get(c["type"]), c) for c in after["conditions"]]
    return [event for event in told if event is not None]


# --- conditions --------------------------------------------------------------------------------------


def _states(model: DriftMonitoredModel, observed: Observed) -> dict[str, _State]:
    served = _model_available(observed.deployment)
    merged = _aggregator_available(observed.stateful_set)
    return {
        "Ready": _ready(model, observed, served, merged),
        "ModelAvailable": served,
        "AggregatorAvailable": merged,
        "MonitoringReady": _monitoring_ready(model, observed),
        "DataDriftDetected": _drift_detected(observed),
        "DriftMonitoringDegraded": _degraded(observed, merged),
    }


def _ready(model: DriftMonitoredModel, observed: Observed, served: _State, merged: _State) -> _State:
    if model.spec.paused:
        whole = "True" if served.status == merged.status == "True" else "False"
        return _State(whole, "Paused", "spec.paused is set: the objects are left as they are")
    if observed.failure is not None:
        return _State("False", observed.failure.reason, observed.failure.message)
    for part in served, merged:
        if part.status != "True":
            return _State("False", part.reason, part.message)
    return _State("True", "Available", "the model answers and its drift is measured")


def _model_available(deployment: Document | None) -> _State:
    if deployment is None:
        return _State("False", "DeploymentMissing", "there is no Deployment yet")
    conditions = {c["type"]: c for c in deployment.get("status", {}).get("conditions", ())}
    wanted = deployment.get("spec", {}).get("replicas", 1)
    available = _number(deployment, "status", "availableReplicas")
    if wanted == 0:
        return _State("False", "ScaledToZero", "no pods are asked for")
    if conditions.get("Available", {}).get("status") == "True" and available:
        return _State("True", "PodsAvailable", f"{available} of {wanted} pods answer")
    refused = conditions.get("ReplicaFailure", {})
    if refused.get("status") == "True":  # a quota, a limit range, an admission rule: its own words say which
        return _State("False", refused.get("reason", "PodsRefused"), refused.get("message", ""))
    late = conditions.get("Progressing", {})
    if late.get("status") == "False":
        message = f"{late.get('message', '')} {_LOOK_AT_PODS}".strip()
        return _State("False", late.get("reason", "NotProgressing"), message)
    return _State("False", "PodsStarting", f"{available} of {wanted} pods answer")


_LOOK_AT_PODS: Final = "Look at the pods: kubectl describe pods, kubectl logs."


def _aggregator_available(stateful_set: Document | None) -> _State:
    if stateful_set is None:
        return _State("False", "StatefulSetMissing", "the aggregator has no StatefulSet yet")
    wanted = stateful_set.get("spec", {}).get("replicas", 1)
    ready = _number(stateful_set, "status", "readyReplicas")
    if ready >= wanted:
        return _State("True", "AggregatorReady", f"{ready} of {wanted} aggregators are ready")
    return _State("False", "AggregatorStarting", f"{ready} of {wanted} aggregators are ready")


def _monitoring_ready(model: DriftMonitoredModel, observed: Observed) -> _State:
    monitoring = model.spec.monitoring
    asked = monitoring.service_monitor.enabled or monitoring.prometheus_rule.enabled
    if not asked:
        return _State("True", "NotRequested", "spec.monitoring asks for no object of the Prometheus operator")
    if observed.missing_kinds:
        kinds = " and ".join(observed.missing_kinds)
        return _State(
            "False",
            "CRDNotInstalled",
            f"this cluster does not know {kinds}: install the Prometheus operator's definitions, or switch "
            "it off in spec.monitoring; it is made as soon as they are there",
        )
    if observed.generation == 0:
        return _State("Unknown", "NotAppliedYet", "the objects have not been applied yet")
    return _State("True", "Applied", "the objects that spec.monitoring asks for are there")


def _drift_detected(observed: Observed) -> _State:
    report = observed.report
    if report is None:
        return _State("Unknown", "NoReport", observed.silence)
    if report.verdict is Verdict.DRIFTING:
        reason = "CriticalDrift" if report.severity is Severity.CRITICAL else "WarningDrift"
        names = [feature.name for feature in report.drifting]
        return _State(
            "True", reason, f"{_count(len(names), 'feature drifts', 'features drift')}: {_list(names)}"
        )
    if report.verdict is Verdict.STABLE:
        return _State("False", "Stable", "no feature has moved by more than spec.drift.minEffect")
    if report.verdict is Verdict.LEARNING:
        return _State("Unknown", "Learning", "how much live traffic varies by itself is being learnt")
    return _State("Unknown", "NoVerdict", "there are no fresh rows to judge by")


def _degraded(observed: Observed, merged: _State) -> _State:
    report = observed.report
    if report is None:
        starting = merged.status != "True" or not observed.asked
        return _State("Unknown" if starting else "True", "NoReport", observed.silence)
    coverage = report.coverage
    if report.stale:
        return _State("True", "NoFreshRows", "no pod has sent counts lately")
    if coverage is not None:
        if coverage.pods_expected is not None and coverage.pods_heard < coverage.pods_expected:
            pods = f"{coverage.pods_heard} of {coverage.pods_expected} pods"
            return _State("True", "PodsSilent", f"counts come from {pods} only: see the sidecars' logs")
        if coverage.rows_ratio is not None and coverage.rows_ratio < ENOUGH_ROWS:
            return _State(
                "True", "RowsLost", "rows are lost: see status.drift.coverage.rows, and the sidecars"
            )
    return _State("False", "Covered", "counts come from all pods")


def _condition(
    kind: str, state: _State, known: Mapping[str, Any] | None, generation: int, now: str
) -> Document:
    same = known is not None and known["status"] == state.status
    return {
        "type": kind,
        "status": state.status,
        "reason": state.reason,
        "message": state.message,
        "lastTransitionTime": known["lastTransitionTime"] if same and known is not None else now,
        "observedGeneration": generation,
    }


# --- the verdict -------------------------------------------------------------------------------------


def _drift(report: Report, before: Mapping[str, Any], now: str) -> Document:
    drifting = report.drifting
    same = before.get("verdict") == report.verdict.value
    return {
        "verdict": report.verdict.value,
        "since": report.time(report.since) or (before.get("since", now) if same else now),
        "rows": report.rows,
        "coverage": _coverage(report),
        "driftingFeatures": len(drifting),
        "topFeatures": [_top(feature) for feature in drifting[:TOP_FEATURES]],
    }


def _coverage(report: Report) -> Document:
    coverage = report.coverage
    if coverage is None:
        return {"pods": ""}
    expected = "?" if coverage.pods_expected is None else coverage.pods_expected
    document: Document = {"pods": f"{coverage.pods_heard}/{expected}"}
    if coverage.rows_ratio is not None:
        document["rows"] = round(coverage.rows_ratio, 4)
    return document


def _top(feature: Any) -> Document:
    document = {
        "name": feature.name,
        "statistic": round(feature.statistic or 0.0, 4),
        "lowerBound": round(feature.lower or 0.0, 4),
        "window": f"{round(feature.window_seconds or 0)}s",
    }
    return document | ({"severity": feature.severity.value} if feature.severity else {})


def _silent(before: Mapping[str, Any], now: str) -> Document:
    """What is left of a verdict when nothing more is heard."""
    if before["verdict"] == Verdict.UNKNOWN.value:
        return dict(before)
    return {
        "verdict": Verdict.UNKNOWN.value,
        "since": now,
        "rows": 0,
        "coverage": {"pods": ""},
        "driftingFeatures": 0,
        "topFeatures": [],
    }


def _without_figures(document: Mapping[str, Any]) -> Document:
    plain = dict(document)
    if (drift := document.get("drift")) is not None:
        coverage = {name: value for name, value in drift.get("coverage", {}).items() if name != "rows"}
        names = sorted((f["name"], f.get("severity")) for f in drift.get("topFeatures", ()))
        plain["drift"] = {**drift, "rows": 0, "coverage": coverage, "topFeatures": names}
    return plain


# --- Events ------------------------------------------------------------------------------------------

_BAD: Final[Mapping[str, str]] = {
    "Ready": "False",
    "MonitoringReady": "False",
    "DataDriftDetected": "True",
    "DriftMonitoringDegraded": "True",
}
_STARTING: Final = frozenset(
    {"DeploymentMissing", "StatefulSetMissing", "PodsStarting", "AggregatorStarting"}
)
_OVER: Final[Mapping[str, str]] = {
    "DataDriftDetected": "DataDriftEnded",
    "DriftMonitoringDegraded": "DriftMonitoringRestored",
    "MonitoringReady": "MonitoringReady",
    "Ready": "Ready",
}


def _event(old: Mapping[str, Any] | None, new: Mapping[str, Any]) -> Event | None:
    """A bad state is told when it begins or its reason changes, a good one when it ends a bad one."""
    kind = new["type"]
    if kind not in _BAD:
        return None
    if new["status"] == _BAD[kind]:
        begins = old is None or old["status"] != new["status"] or old["reason"] != new["reason"]
        first = old is None or old["status"] != _OPPOSITE[_BAD[kind]]
        if not begins or (first and new["reason"] in _STARTING):
            return None
        return Event("Warning", new["reason"], new["message"])
    was_bad = kind == "Ready" if old is None else old["status"] == _BAD[kind]
    if new["status"] == _OPPOSITE[_BAD[kind]] and was_bad:
        return Event("Normal", _OVER[kind], new["message"])
    return None


_OPPOSITE: Final = {"True": "False", "False": "True"}


# --- small parts -------------------------------------------------------------------------------------


def _number(document: Document | None, part: str, name: str) -> int:
    return int((document or {}).get(part, {}).get(name, 0))


def _selector(deployment: Document | None) -> str:
    labels = (deployment or {}).get("spec", {}).get("selector", {}).get("matchLabels", {})
    return ",".join(f"{name}={value}" for name, value in sorted(labels.items()))


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _list(names: list[str]) -> str:
    shown = ", ".join(names[:_SHOWN_NAMES])
    return shown if len(names) <= _SHOWN_NAMES else f"{shown} and {len(names) - _SHOWN_NAMES} more"
