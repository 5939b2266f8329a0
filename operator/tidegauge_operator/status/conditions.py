"""Compute a model's status from what was observed.

Pure: observations and the time come in as arguments. Figures that change with every report are in
`status.drift` alone, never in a condition's message. So a condition only changes when something happened.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from tidegauge.protocol.names import Severity, Verdict
from tidegauge.report.model import Coverage, Report
from tidegauge.resource import DriftMonitoredModel
from tidegauge_operator.status.availability import (
    State,
    aggregator_available,
    aggregator_complete,
    count_of,
    is_settling,
    last_progress,
    model_available,
    model_complete,
)
from tidegauge_operator.status.drift import by_severity, drift, expected_pods, located, shards, silent
from tidegauge_operator.status.events import Event, bad_reasons, events
from tidegauge_operator.status.pod_reasons import Failure

__all__ = ["Event", "Failure", "Observed", "events", "has_happened", "monitoring_kinds", "status"]

Document = dict[str, Any]

ENOUGH_ROWS_RATIO: Final = 0.99
AGAIN_ENOUGH_ROWS_RATIO: Final = 0.995  # so that a share around the bound does not flap
FIRST_PANE_SECONDS: Final = 60.0  # a pod that has begun to answer sends its first pane within this
NAMING_SECONDS: Final = (
    120.0  # after a rollout profile and policy may be of two specs: a ConfigMap is read late
)
_SHOWN_NAMES: Final = 5
_NO_FRESH_ROWS: Final = (
    "no pod has sent counts lately. See that pods run and are asked for predictions; if so, read a pod's log "
    "(kubectl logs POD -c drift-sidecar) and see that no NetworkPolicy keeps it from the aggregator"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """The observations of a model.

    Parameters
    ----------
    generation
        Generation of the spec that was applied last; 0 before the first.
    failure
        The failure of applying them, or None.
    deployment, stateful_set
        The objects of the model and of its aggregator, with `spec` and `status`; None where there is none.
    model_pods, aggregator_pods
        What is wrong with one of their pods; None if nothing is.
    missing_kinds
        Wanted kinds that the cluster does not know.
    applied_kinds
        Those kinds of other products that were applied; None before the first pass.
    report
        The aggregator's newest report; None when there is none.
    silence
        Why there is no report, or not all of it; empty where nothing is missing.
    asked
        Whether the aggregator was ready and has been asked.
    silent_shards
        How many of the aggregator's replicas gave no report while others did.
    url
        Where the model answers.
    """

    generation: int = 0
    failure: Failure | None = None
    deployment: Document | None = None
    stateful_set: Document | None = None
    model_pods: Failure | None = None
    aggregator_pods: Failure | None = None
    missing_kinds: tuple[str, ...] = ()
    applied_kinds: frozenset[str] | None = None
    report: Report | None = None
    silence: str = ""
    asked: bool = False
    silent_shards: int = 0
    url: str | None = None


def status(model: DriftMonitoredModel, observed: Observed, before: Mapping[str, Any], now: str) -> Document:
    """Return the status to write; `now` is RFC 3339, `before` the present status."""
    known = {c["type"]: c for c in before.get("conditions", ())}
    states = _states(model, observed, before, now)
    generation = model.metadata.generation
    reasons = bad_reasons(before)
    was_bad = {k: reasons[k] for k, state in states.items() if state.status == "Unknown" and k in reasons}
    conditions = [
        _condition(kind, _after(states[kind], was_bad.get(kind)), known.get(kind), generation, now)
        for kind in states
    ]
    if "Ready" in known and states["Ready"].status == "True" and _is_settling(model, observed, before):
        conditions[0] = dict(known["Ready"])  # a spec that was just edited has not been looked at yet
    document: Document = {
        "observedGeneration": _applied_generation(observed, before),
        "replicas": count_of(observed.deployment, "replicas"),
        "selector": _selector(observed.deployment),
        "conditions": conditions,
    }
    if was_bad:
        document["reasonsBefore"] = [{"type": kind, "reason": was_bad[kind]} for kind in was_bad]
    if observed.url is not None:
        document["url"] = observed.url
    if observed.report is not None:
        document["drift"] = drift(observed.report, observed.deployment, before.get("drift", {}), now)
        document["drift"]["coverage"] |= shards(model.spec.aggregator.replicas, observed.silent_shards)
    elif "drift" in before:  # silence: what was known is kept, and the verdict is no longer
        document["drift"] = silent(before["drift"], now)
    return document


def has_happened(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Return whether more than figures changed, so that the status should be written at once."""
    return _without_figures(before) != _without_figures(after)


# --- conditions --------------------------------------------------------------------------------------


def _applied_generation(observed: Observed, before: Mapping[str, Any]) -> int:
    """Return the generation applied last, by this operator or by one before it."""
    return observed.generation or int(before.get("observedGeneration", 0))


def _is_settling(model: DriftMonitoredModel, observed: Observed, before: Mapping[str, Any]) -> bool:
    """Return whether the observations belong to an older spec: the new one is not applied or not seen yet."""
    if not model.spec.paused and _applied_generation(observed, before) < model.metadata.generation:
        return True
    return is_settling(observed.deployment) or is_settling(observed.stateful_set)


def _states(
    model: DriftMonitoredModel, observed: Observed, before: Mapping[str, Any], now: str
) -> dict[str, State]:
    merged = aggregator_available(observed.stateful_set, observed.aggregator_pods)
    lacked = any(c["reason"] == "RowsLost" for c in before.get("conditions", ()))
    return {
        "Ready": _ready(model, observed),
        "ModelAvailable": model_available(observed.deployment, observed.model_pods),
        "AggregatorAvailable": merged,
        "MonitoringReady": _monitoring_ready(model, observed, _applied_generation(observed, before)),
        "DataDriftDetected": _drift_detected(observed),
        "DriftMonitoringDegraded": _degraded(observed, merged, lacked, now),
    }


def _ready(model: DriftMonitoredModel, observed: Observed) -> State:
    served = model_complete(observed.deployment, observed.model_pods)
    merged = aggregator_complete(observed.stateful_set, observed.aggregator_pods)
    if model.spec.paused:
        whole = "True" if served.status == merged.status == "True" else "False"
        return State(whole, "Paused", "spec.paused is set: the objects are left as they are")
    if observed.failure is not None:
        return State("False", observed.failure.reason, observed.failure.message)
    for part in served, merged:
        if part.status != "True":
            return State("False", part.reason, part.message)
    return State("True", "Available", "the model answers and its drift is measured")


def _monitoring_ready(model: DriftMonitoredModel, observed: Observed, applied_generation: int) -> State:
    monitoring = model.spec.monitoring
    asked = monitoring_kinds(model)
    but = "; spec.monitoring.dashboard has no effect yet" if monitoring.dashboard.enabled else ""
    if not asked:
        none = "spec.monitoring asks for no object of the Prometheus operator"
        return State("True", "NotRequested", f"{none}{but}")
    if observed.missing_kinds:
        kinds = " and ".join(observed.missing_kinds)
        return State(
            "False",
            "CRDNotInstalled",
            f"this cluster does not know {kinds}: install the Prometheus operator's definitions, or switch "
            "it off in spec.monitoring; it is made as soon as they exist",
        )
    applied = observed.applied_kinds
    if applied_generation == 0 if applied is None else not applied.issuperset(asked):
        return State("Unknown", "NotAppliedYet", "the objects have not been applied yet")
    return State("True", "Applied", f"the objects that spec.monitoring asks for exist{but}")


def monitoring_kinds(model: DriftMonitoredModel) -> tuple[str, ...]:
    """Return the kinds of the Prometheus operator that a model wants."""
    monitoring = model.spec.monitoring
    asked = {
        "ServiceMonitor": monitoring.service_monitor.enabled,
        "PrometheusRule": monitoring.prometheus_rule.enabled,
    }
    return tuple(kind for kind, wanted in asked.items() if wanted)


def _drift_detected(observed: Observed) -> State:
    report = observed.report
    if report is None:
        return State("Unknown", "NoReport", observed.silence)
    if report.verdict is Verdict.DRIFTING:
        reason = "CriticalDrift" if report.severity is Severity.CRITICAL else "WarningDrift"
        names = [located(feature) for feature in sorted(report.drifting, key=by_severity)]
        return State(
            "True", reason, f"{_count(len(names), 'feature drifts', 'features drift')}: {_list(names)}"
        )
    if observed.silence:
        return State("Unknown", "ShardsSilent", observed.silence)
    if report.verdict is Verdict.STABLE:
        return State("False", "Stable", "no feature has moved by more than spec.drift.minEffect")
    if report.verdict is Verdict.LEARNING:
        return State(
            "Unknown", "Learning", "the aggregator still learns how much live traffic varies by itself"
        )
    return State("Unknown", "NoVerdict", "there are no fresh rows to judge by")


def _degraded(observed: Observed, merged: State, lacked_rows: bool, now: str) -> State:
    report = observed.report
    if report is None:
        starting = merged.status != "True" or not observed.asked
        return State("Unknown" if starting else "True", "NoReport", observed.silence)
    if observed.silence:
        return State(
            "True",
            "ShardsSilent",
            f"{observed.silence}: the features it holds are not watched, see condition AggregatorAvailable",
        )
    coverage = report.coverage
    if report.stale:
        return State("True", "NoFreshRows", _NO_FRESH_ROWS)
    if coverage is not None:
        answering = _answering_pods(coverage, observed.deployment, now)
        if answering is not None and coverage.pods_heard < answering:
            pods = f"{coverage.pods_heard} of {answering} pods"
            return State("True", "PodsSilent", f"counts come from {pods} only: see the sidecars' logs")
        if _lacks_rows(coverage, lacked_rows):
            return State("True", "RowsLost", "rows of the last minutes are lost: see the sidecars' logs")
    if (unknown := _unknown_features(report)) and not _is_rolling(observed, now):
        return State(
            "True",
            "UnknownFeatures",
            f"spec.drift names {_list(unknown)}, which the profile does not have: that has no effect. "
            "Correct spec.drift.features.exclude or spec.drift.perFeature",
        )
    return State("False", "Covered", "counts come from all pods that answer")


def _unknown_features(report: Report) -> list[str]:
    """Return the features that the policy names and the profile does not have."""
    return [str(name) for name in report.policy.get("unknown_features", ())]


def _is_rolling(observed: Observed, now: str) -> bool:
    """Return whether a rollout goes on, or ended a moment ago."""
    deployment = observed.deployment
    if deployment is None or model_complete(deployment, observed.model_pods).status != "True":
        return True
    progress = last_progress(deployment)
    return bool(progress) and _seconds_between(progress, now) < NAMING_SECONDS


def _answering_pods(coverage: Coverage, deployment: Document | None, now: str) -> int | None:
    """Return how many pods should have sent a pane by now; None if that is unknown.

    A pod that does not answer has nothing to count, and one that has just begun has sent no pane yet.
    """
    expected = expected_pods(coverage, deployment)
    if expected is None or deployment is None:
        return expected
    progress = last_progress(deployment)
    if progress and _seconds_between(progress, now) < FIRST_PANE_SECONDS:
        return None
    return min(expected, count_of(deployment, "availableReplicas"))


def _seconds_between(earlier: str, later: str) -> float:
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()


def _lacks_rows(coverage: Coverage, lacked: bool) -> bool:
    """Return whether rows were lost in the last panes: older losses do not count."""
    counted, lost = coverage.recent_rows_counted, coverage.recent_rows_lost
    enough = AGAIN_ENOUGH_ROWS_RATIO if lacked else ENOUGH_ROWS_RATIO
    return counted < enough * (counted + lost)


def _condition(
    kind: str, state: State, known: Mapping[str, Any] | None, generation: int, now: str
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


def _after(state: State, was_bad: str | None) -> State:
    """Return an Unknown with the bad state before it, whose end alone is an Event."""
    if was_bad is None:
        return state
    return State(state.status, state.reason, f"{state.message}; {was_bad} before that")


# --- small parts -------------------------------------------------------------------------------------


def _without_figures(document: Mapping[str, Any]) -> Document:
    plain = dict(document)
    if (drift_status := document.get("drift")) is not None:
        coverage = {name: value for name, value in drift_status.get("coverage", {}).items() if name != "rows"}
        top = drift_status.get("topFeatures", ())
        # Which are the first of many is a matter of figures; the condition's message names them otherwise.
        all_named = drift_status.get("driftingFeatures", 0) <= len(top)
        names = sorted((f["name"], f.get("severity"), *f.get("pods", ())) for f in top if all_named)
        plain["drift"] = {**drift_status, "rows": 0, "coverage": coverage, "topFeatures": names}
    return plain


def _selector(deployment: Document | None) -> str:
    labels = (deployment or {}).get("spec", {}).get("selector", {}).get("matchLabels", {})
    return ",".join(f"{name}={value}" for name, value in sorted(labels.items()))


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _list(names: list[str]) -> str:
    shown = ", ".join(names[:_SHOWN_NAMES])
    return shown if len(names) <= _SHOWN_NAMES else f"{shown} and {len(names) - _SHOWN_NAMES} more"
