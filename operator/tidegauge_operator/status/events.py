"""The Events of a model, from one status to the next. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["Event", "bad_reasons", "events"]

_BAD: Final[Mapping[str, str]] = {
    "Ready": "False",
    "ModelAvailable": "False",
    "AggregatorAvailable": "False",
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
    "ModelAvailable": "ModelAvailable",
    "AggregatorAvailable": "AggregatorAvailable",
}
_PARTS: Final = frozenset({"ModelAvailable", "AggregatorAvailable"})  # parts of Ready, which reports first
_OPPOSITE: Final = {"True": "False", "False": "True"}


@dataclass(frozen=True, slots=True)
class Event:
    """An Event to be posted: `kind` is Normal or Warning."""

    kind: str
    reason: str
    message: str


def events(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Event]:
    """Return the Events between one status and the next, one for each transition."""
    old = {c["type"]: c for c in before.get("conditions", ())}
    since, was_bad = after.get("drift", {}).get("since", ""), bad_reasons(before)
    found = {
        c["type"]: _event(old.get(c["type"]), c, was_bad.get(c["type"], ""), since)
        for c in after["conditions"]
    }
    whole = found.get("Ready")
    for kind in _PARTS & set(found):
        found[kind] = _unless_reported(found[kind], whole) if _is_news(old.get(kind), found[kind]) else None
    return [event for event in found.values() if event is not None]


def _is_news(old: Mapping[str, Any] | None, event: Event | None) -> bool:
    """Return whether it is more than a step of a normal start or, for the aggregator, of a rollout."""
    if event is None or event.reason in ("AggregatorStarting", "StatefulSetMissing"):
        return False
    return event.kind == "Warning" or (old or {}).get("reason") not in _STARTING


def _unless_reported(event: Event | None, whole: Event | None) -> Event | None:
    """Return the Event of a part, unless Ready reports the same at the same time."""
    if event is None or whole is None or whole.kind != event.kind:
        return event
    return None if event.kind == "Normal" or event.reason == whole.reason else event


def _event(
    old: Mapping[str, Any] | None, new: Mapping[str, Any], bad_reason: str, drifts_since: str
) -> Event | None:
    """Report a bad state when it begins or its reason changes, a good one when it ends a bad one."""
    kind = new["type"]
    if kind not in _BAD:
        return None
    if new["status"] == _BAD[kind]:
        goes_on = bad_reason == new["reason"] and not _is_new_drift(old, new, drifts_since)
        first = old is None or old["status"] != _OPPOSITE[_BAD[kind]]
        if goes_on or (first and new["reason"] in _STARTING) or new["reason"] == "RollingOut":
            return None
        return Event("Warning", new["reason"], new["message"])
    was_bad = kind == "Ready" if old is None else bad_reason != ""
    if new["status"] == _OPPOSITE[_BAD[kind]] and was_bad:
        return Event("Normal", _OVER[kind], new["message"])
    return None


def bad_reasons(status: Mapping[str, Any]) -> dict[str, str]:
    """Return the reason of each condition's bad state, or of the one before an Unknown."""
    now = {c["type"]: c["reason"] for c in status.get("conditions", ()) if c["status"] == _BAD.get(c["type"])}
    return {each["type"]: each["reason"] for each in status.get("reasonsBefore", ())} | now


def _is_new_drift(old: Mapping[str, Any] | None, new: Mapping[str, Any], since: str) -> bool:
    """Return whether this drift began after the verdict was lost: it is another drift than before."""
    unknown = old is not None and old["status"] == "Unknown"
    return unknown and new["type"] == "DataDriftDetected" and since > (old or {})["lastTransitionTime"]
