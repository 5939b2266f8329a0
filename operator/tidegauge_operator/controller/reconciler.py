"""One model at a time: its objects, its status, its Events."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from tidegauge.report.model import Report
from tidegauge.resource import DriftMonitoredModel, of_stored
from tidegauge_operator.children.labels import Component, aggregator_name
from tidegauge_operator.children.urls import model_url
from tidegauge_operator.controller.applier import Applier, NameTakenError, ObjectError
from tidegauge_operator.controller.failures import FailureStatus
from tidegauge_operator.controller.pod_failures import PodFailures
from tidegauge_operator.kube.cache import Cache, Child, Key, Ref
from tidegauge_operator.kube.client import ApiError, Cluster
from tidegauge_operator.kube.kinds import MODELS
from tidegauge_operator.status.availability import lacks_pods
from tidegauge_operator.status.conditions import (
    Event,
    Failure,
    Observed,
    events,
    has_happened,
    monitoring_kinds,
    status,
)
from tidegauge_operator.status.pod_reasons import creation_failure

__all__ = ["NO_REPORT_YET", "Reconciler", "ReportResult"]

Document = dict[str, Any]

logger = logging.getLogger(__name__)

FIGURES_SECONDS: Final = 300.0  # how often figures are written that changed while nothing happened
NOT_MADE_SECONDS: Final = 300.0  # how long the reason is kept why an aggregator has no pods
REPORTER: Final = "tidegauge.io/operator"
_OF_DRIFT: Final = ("DataDriftDetected", "DriftMonitoringDegraded")


@dataclass(frozen=True, slots=True)
class ReportResult:
    """The result of the last request to a model's aggregators."""

    report: Report | None
    silence: str = ""
    asked: bool = True
    silent_shards: int = 0


NO_REPORT_YET: Final = "the aggregator is asked for its report once it is ready"
_NOT_ASKED: Final = ReportResult(None, NO_REPORT_YET, asked=False)


@dataclass(frozen=True, slots=True)
class _CreationFailure:
    """Why a StatefulSet, as it was then, has not made its pods; asked for again after a while."""

    uid: str
    part: Document
    failure: Failure
    until: float


@dataclass(slots=True)
class _ModelState:
    """The memory about one model between two reconciles; all of it may be lost."""

    uid: str = ""
    stale: bool = True  # its wanted objects may have changed, or not all were applied
    changed: bool = False  # one of its objects was written, by others or by us
    applied_generation: int = 0
    applied_kinds: frozenset[str] | None = None  # those of other products among what was applied
    failures: FailureStatus = field(default_factory=FailureStatus)
    last_result: ReportResult = _NOT_ASKED
    written_at: float = float("-inf")
    not_made: _CreationFailure | None = None


class Reconciler:
    """Brings one model in order; level-based: it reads the present state, never what happened.

    Parameters
    ----------
    cluster, cache, pods, applier
        The API server, what the watches have shown, the pods that fail, and what applies objects.
    wall_clock
        Seconds since 1970.
    identity
        Name of this operator's pod, for Events.
    count_error
        Called with the reason of each failure.
    """

    def __init__(
        self,
        cluster: Cluster,
        cache: Cache,
        pods: PodFailures,
        applier: Applier,
        wall_clock: Callable[[], float],
        identity: str,
        count_error: Callable[[str], None],
    ) -> None:
        self._cluster, self._cache, self._pods, self._applier = cluster, cache, pods, applier
        self._wall_clock, self._identity = wall_clock, identity
        self._count_error = count_error
        self._states: dict[Key, _ModelState] = {}
        self.known_kinds: frozenset[str] = frozenset()

    def mark_stale(self, key: Key) -> None:
        """Have the objects of a model applied with the next reconcile, if they differ."""
        self._state(key).stale = True

    def mark_changed(self, key: Key) -> None:
        """Record that an object of a model was written, by others or by this operator itself."""
        self._state(key).changed = True

    def record_report(self, key: Key, result: ReportResult) -> None:
        """Record the report of a model, or why there is none."""
        self._state(key).last_result = result

    def verdict(self, key: Key) -> str:
        """Return the verdict in the model's status."""
        drift: Document = self._cache.models.get(key, {}).get("status", {}).get("drift", {})
        return str(drift.get("verdict", "Unknown"))

    def _state(self, key: Key) -> _ModelState:
        return self._states.setdefault(key, _ModelState())

    def _state_of(self, key: Key, uid: str) -> _ModelState:
        """Return the state, a new one if another model has taken the name."""
        state = self._state(key)
        if state.uid not in ("", uid):
            state = self._states[key] = _ModelState()
        state.uid = uid
        return state

    async def reconcile(self, key: Key, is_try: bool = True) -> bool:
        """Bring one model in order; False asks for another try later.

        Without a try nothing is applied, because the last try failed; the status is still written.
        """
        document = await self._model(key)
        if document is None or "deletionTimestamp" in document["metadata"]:
            self._forget(key)
            return True
        state = self._state_of(key, document["metadata"]["uid"])
        model = of_stored(document)
        if state.changed and not self._applier.is_applied(key):
            state.stale = True
        state.changed = False
        stale = state.stale and not model.spec.paused
        in_order = await self._apply_objects(key, model, state) if stale and is_try else not stale
        await self._write_status(key, model, document, state)
        return in_order and state.failures.failure is None

    async def _model(self, key: Key) -> Document | None:
        seen = self._cache.models.get(key)
        return seen if seen is not None else await self._cluster.find(MODELS, *key)

    def _forget(self, key: Key) -> None:
        self._states.pop(key, None)
        self._applier.forget(key)
        self._cache.remove_model(key)

    async def _apply_objects(self, key: Key, model: DriftMonitoredModel, state: _ModelState) -> bool:
        state.stale, kinds = False, self.known_kinds  # what changes from here on is seen again
        try:
            failed = await self._applier.apply(key, model, kinds)
        except ApiError as error:
            return self._fail(key, state, state.failures.fail(error))
        except BaseException:
            state.stale = True
            raise
        state.applied_kinds = _applied_kinds(state.applied_kinds, kinds, failed)
        if failed:
            return self._fail(key, state, state.failures.fail_all(failed))
        state.failures.succeed()
        state.applied_generation = model.metadata.generation
        return True

    def _fail(self, key: Key, state: _ModelState, failure: Failure) -> bool:
        state.stale = True
        self._count_error(failure.reason)
        logger.warning("%s: %s", failure.reason, failure.message, extra={"key": str(key)})
        return False

    # --- status and Events ----------------------------------------------------------------------------

    async def _write_status(
        self, key: Key, model: DriftMonitoredModel, document: Document, state: _ModelState
    ) -> None:
        """Write the status if something happened, or figures changed a while ago; Events after it."""
        before = document.get("status") or {}
        now = self._wall_clock()
        after = status(model, await self._observed(key, model, state), before, _time(now))
        if state.last_result is _NOT_ASKED:
            after = _with_known_drift(before, after)
        if after == before:
            return
        happened = has_happened(before, after)
        if not happened and now - state.written_at < FIGURES_SECONDS:
            return
        await self._apply_status(document, after)
        state.written_at = now
        _log_verdict(key, before, after)
        for event in events(before, after):
            await self._post(document, event, now)

    async def _observed(self, key: Key, model: DriftMonitoredModel, state: _ModelState) -> Observed:
        children = self._cache.children(key)
        deployment = children.get(Ref("apps/v1", "Deployment", key.name))
        stateful_set = children.get(Ref("apps/v1", "StatefulSet", aggregator_name(model)))
        return Observed(
            generation=state.applied_generation,
            failure=state.failures.failure,
            deployment=None if deployment is None else deployment.part,
            stateful_set=None if stateful_set is None else stateful_set.part,
            model_pods=self._pods.of(key, Component.MODEL),
            aggregator_pods=await self._aggregator_pods(key, stateful_set, state),
            missing_kinds=tuple(kind for kind in monitoring_kinds(model) if kind not in self.known_kinds),
            applied_kinds=state.applied_kinds,
            report=state.last_result.report,
            silence=state.last_result.silence,
            asked=state.last_result.asked,
            silent_shards=state.last_result.silent_shards,
            url=model_url(model),
        )

    async def _aggregator_pods(
        self, key: Key, stateful_set: Child | None, state: _ModelState
    ) -> Failure | None:
        """Return the failure of the aggregators' pods, or why there are none, which only Events say."""
        failing = self._pods.of(key, Component.AGGREGATOR)
        if failing is not None or stateful_set is None or not lacks_pods(stateful_set.part):
            return failing
        known, now = state.not_made, self._wall_clock()
        if (
            known is None
            or (known.uid, known.part) != (stateful_set.uid, stateful_set.part)
            or now >= known.until
        ):
            message = await self._cluster.last_event(key.namespace, stateful_set.uid, "FailedCreate")
            if message is None:
                return None
            until = now + NOT_MADE_SECONDS
            known = _CreationFailure(stateful_set.uid, stateful_set.part, creation_failure(message), until)
            state.not_made = known
        return known.failure

    async def _apply_status(self, document: Document, after: Document) -> None:
        metadata = {name: document["metadata"][name] for name in ("name", "namespace", "uid")}
        named = {"apiVersion": document["apiVersion"], "kind": document["kind"], "metadata": metadata}
        written = await self._cluster.apply({**named, "status": after}, subresource="status")
        self._cache.update_status(written)

    async def _post(self, document: Document, event: Event, now: float) -> None:
        try:
            await self._cluster.post_event(_event_document(document, event, now, self._identity))
        except ApiError as error:  # an Event is a courtesy: the status says the same
            logger.warning("an Event was not posted: %s", error)


def _applied_kinds(
    before: frozenset[str] | None, kinds: frozenset[str], failed: Sequence[ObjectError]
) -> frozenset[str]:
    """Return the kinds of other products that were applied; none that follow a taken name."""
    if any(isinstance(error, NameTakenError) for _, error in failed):
        return (before or frozenset()) & kinds
    return kinds - {ref.kind for ref, _ in failed}


def _log_verdict(key: Key, before: Mapping[str, Any], after: Document) -> None:
    """Log one line where the verdict changed."""
    was, is_now = (status.get("drift", {}).get("verdict", "Unknown") for status in (before, after))
    if was != is_now:
        (why,) = (c["message"] for c in after["conditions"] if c["type"] == "DataDriftDetected")
        logger.info("verdict %s, was %s: %s", is_now, was, why, extra={"key": str(key)})


def _with_known_drift(before: Mapping[str, Any], after: Document) -> Document:
    """Keep the drift status of an earlier operator until the aggregators have been asked."""
    known = {c["type"]: c for c in before.get("conditions", ()) if c["type"] in _OF_DRIFT}
    conditions = [known.get(c["type"], c) for c in after["conditions"]]
    drift = {"drift": before["drift"]} if "drift" in before else {}
    return {**after, **drift, "conditions": conditions}


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _event_document(model: Document, event: Event, now: float, identity: str) -> Document:
    metadata, time = model["metadata"], _time(now)
    about = f"{metadata['uid']} {event.reason} {now}"
    mark = hashlib.blake2b(about.encode(), digest_size=8).hexdigest()
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{metadata['name']}.{mark}", "namespace": metadata["namespace"]},
        "involvedObject": {
            "apiVersion": model["apiVersion"],
            "kind": model["kind"],
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "uid": metadata["uid"],
        },
        "type": event.kind,
        "reason": event.reason,
        "message": event.message[:1024],
        "action": "Reconcile",
        "source": {"component": REPORTER},
        "reportingComponent": REPORTER,
        "reportingInstance": identity,
        "firstTimestamp": time,
        "lastTimestamp": time,
        "count": 1,
    }
