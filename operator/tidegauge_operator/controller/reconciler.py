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
from tidegauge_operator.controller.applier import Applier, NameTaken, Refused
from tidegauge_operator.controller.failures import FailureStatus
from tidegauge_operator.controller.pod_failures import PodFailures
from tidegauge_operator.kube.cache import Cache, Child, Key, Ref
from tidegauge_operator.kube.client import Cluster, Refusal
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

__all__ = ["NO_REPORT_YET", "Reconciler", "SeenReport"]

Document = dict[str, Any]

logger = logging.getLogger(__name__)

FIGURES_SECONDS: Final = 300.0  # how often figures are written that changed while nothing happened
NOT_MADE_SECONDS: Final = 300.0  # how long it is believed why an aggregator's pods are not made
REPORTER: Final = "tidegauge.io/operator"
_OF_DRIFT: Final = ("DataDriftDetected", "DriftMonitoringDegraded")


@dataclass(frozen=True, slots=True)
class SeenReport:
    """The result of the last request to a model's aggregators."""

    report: Report | None
    silence: str = ""
    asked: bool = True
    silent_shards: int = 0


NO_REPORT_YET: Final = "the aggregator is asked for its report once it is ready"
_UNSEEN: Final = SeenReport(None, NO_REPORT_YET, asked=False)


@dataclass(frozen=True, slots=True)
class _NotMade:
    """Why a StatefulSet, as it was then, has not made its pods; asked for again after a while."""

    uid: str
    part: Document
    failure: Failure
    until: float


@dataclass(slots=True)
class _Account:
    """The memory about one model between two reconciles; all of it may be lost."""

    uid: str = ""
    stale: bool = True  # its wanted objects may have changed, or not all were applied
    changed: bool = False  # somebody, and be it ourselves, wrote one of its objects
    applied_generation: int = 0
    applied_kinds: frozenset[str] | None = None  # those of other products among what was applied
    failures: FailureStatus = field(default_factory=FailureStatus)
    seen: SeenReport = _UNSEEN
    written_at: float = float("-inf")
    not_made: _NotMade | None = None


class Reconciler:
    """Level-based: each call looks at how things are, never at what happened.

    Parameters
    ----------
    cluster, store, pods, applier
        The API server, what the watches have seen, also of pods that fail, and what applies objects.
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
        self._accounts: dict[Key, _Account] = {}
        self.known_kinds: frozenset[str] = frozenset()

    def mark_stale(self, key: Key) -> None:
        """Have the objects of a model looked at with the next reconcile."""
        self._account(key).stale = True

    def mark_changed(self, key: Key) -> None:
        """The same, if what was seen of them is not what was applied last: our own writes are seen too."""
        self._account(key).changed = True

    def see_report(self, key: Key, heard: SeenReport) -> None:
        """Take what came of asking the aggregators."""
        self._account(key).seen = heard

    def verdict(self, key: Key) -> str:
        """The verdict that the model's status holds."""
        drift: Document = self._cache.models.get(key, {}).get("status", {}).get("drift", {})
        return str(drift.get("verdict", "Unknown"))

    def _account(self, key: Key) -> _Account:
        return self._accounts.setdefault(key, _Account())

    def _account_of(self, key: Key, uid: str) -> _Account:
        """Return the account, a new one if another model has taken the name."""
        account = self._account(key)
        if account.uid not in ("", uid):
            account = self._accounts[key] = _Account()
        account.uid = uid
        return account

    async def reconcile(self, key: Key, is_try: bool = True) -> bool:
        """Bring one model in order; False asks for another try later.

        Without a try nothing is applied, because the last try failed; the status is still written.
        """
        document = await self._model(key)
        if document is None or "deletionTimestamp" in document["metadata"]:
            self._forget(key)
            return True
        account = self._account_of(key, document["metadata"]["uid"])
        model = of_stored(document)
        if account.changed and not self._applier.is_applied(key):
            account.stale = True
        account.changed = False
        stale = account.stale and not model.spec.paused
        in_order = await self._apply_objects(key, model, account) if stale and is_try else not stale
        await self._tell(key, model, document, account)
        return in_order and account.failures.failure is None

    async def _model(self, key: Key) -> Document | None:
        seen = self._cache.models.get(key)
        return seen if seen is not None else await self._cluster.find(MODELS, *key)

    def _forget(self, key: Key) -> None:
        self._accounts.pop(key, None)
        self._applier.forget(key)
        self._cache.lose_model(key)

    async def _apply_objects(self, key: Key, model: DriftMonitoredModel, account: _Account) -> bool:
        account.stale, kinds = False, self.known_kinds  # what changes from here on is seen again
        try:
            refused = await self._applier.apply_all(key, model, kinds)
        except Refusal as error:
            return self._fail(key, account, account.failures.fail(error))
        except BaseException:
            account.stale = True
            raise
        account.applied_kinds = _applied_kinds(account.applied_kinds, kinds, refused)
        if refused:
            return self._fail(key, account, account.failures.fail_all(refused))
        account.failures.succeed()
        account.applied_generation = model.metadata.generation
        return True

    def _fail(self, key: Key, account: _Account, failure: Failure) -> bool:
        account.stale = True
        self._count_error(failure.reason)
        logger.warning("%s: %s", failure.reason, failure.message, extra={"key": str(key)})
        return False

    # --- telling --------------------------------------------------------------------------------------

    async def _tell(
        self, key: Key, model: DriftMonitoredModel, document: Document, account: _Account
    ) -> None:
        """Write the status if something happened, or figures changed a while ago; Events after it."""
        before = document.get("status") or {}
        now = self._wall_clock()
        after = status(model, await self._observed(key, model, account), before, _time(now))
        if account.seen is _UNSEEN:
            after = _with_known_drift(before, after)
        if after == before:
            return
        happened = has_happened(before, after)
        if not happened and now - account.written_at < FIGURES_SECONDS:
            return
        await self._write(document, after)
        account.written_at = now
        _log_verdict(key, before, after)
        for event in events(before, after):
            await self._post(document, event, now)

    async def _observed(self, key: Key, model: DriftMonitoredModel, account: _Account) -> Observed:
        children = self._cache.children(key)
        deployment = children.get(Ref("apps/v1", "Deployment", key.name))
        stateful_set = children.get(Ref("apps/v1", "StatefulSet", aggregator_name(model)))
        return Observed(
            generation=account.applied_generation,
            failure=account.failures.failure,
            deployment=None if deployment is None else deployment.part,
            stateful_set=None if stateful_set is None else stateful_set.part,
            model_pods=self._pods.of(key, Component.MODEL),
            aggregator_pods=await self._aggregator_pods(key, stateful_set, account),
            missing_kinds=tuple(kind for kind in monitoring_kinds(model) if kind not in self.known_kinds),
            applied_kinds=account.applied_kinds,
            report=account.seen.report,
            silence=account.seen.silence,
            asked=account.seen.asked,
            silent_shards=account.seen.silent_shards,
            url=model_url(model),
        )

    async def _aggregator_pods(
        self, key: Key, stateful_set: Child | None, account: _Account
    ) -> Failure | None:
        """Return the failure of the aggregators' pods, or why there are none, which only Events say."""
        failing = self._pods.of(key, Component.AGGREGATOR)
        if failing is not None or stateful_set is None or not lacks_pods(stateful_set.part):
            return failing
        known, now = account.not_made, self._wall_clock()
        if (
            known is None
            or (known.uid, known.part) != (stateful_set.uid, stateful_set.part)
            or now >= known.until
        ):
            said = await self._cluster.last_event(key.namespace, stateful_set.uid, "FailedCreate")
            if said is None:
                return None
            until = now + NOT_MADE_SECONDS
            known = _NotMade(stateful_set.uid, stateful_set.part, creation_failure(said), until)
            account.not_made = known
        return known.failure

    async def _write(self, document: Document, after: Document) -> None:
        metadata = {name: document["metadata"][name] for name in ("name", "namespace", "uid")}
        named = {"apiVersion": document["apiVersion"], "kind": document["kind"], "metadata": metadata}
        written = await self._cluster.apply({**named, "status": after}, subresource="status")
        self._cache.see_status(written)

    async def _post(self, document: Document, event: Event, now: float) -> None:
        try:
            await self._cluster.post_event(_event_document(document, event, now, self._identity))
        except Refusal as refusal:  # an Event is a courtesy: the status says the same
            logger.warning("an Event was not posted: %s", refusal)


def _applied_kinds(
    before: frozenset[str] | None, kinds: frozenset[str], refused: Sequence[Refused]
) -> frozenset[str]:
    """The kinds of other products that were applied; what comes after a taken name was not looked at."""
    if any(isinstance(error, NameTaken) for _, error in refused):
        return (before or frozenset()) & kinds
    return kinds - {ref.kind for ref, _ in refused}


def _log_verdict(key: Key, before: Mapping[str, Any], after: Document) -> None:
    """One line where the verdict changed."""
    was, is_now = (status.get("drift", {}).get("verdict", "Unknown") for status in (before, after))
    if was != is_now:
        (why,) = (c["message"] for c in after["conditions"] if c["type"] == "DataDriftDetected")
        logger.info("verdict %s, was %s: %s", is_now, was, why, extra={"key": str(key)})


def _with_known_drift(before: Mapping[str, Any], after: Document) -> Document:
    """Until the aggregators have been asked, the drift status of an earlier operator stays."""
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
