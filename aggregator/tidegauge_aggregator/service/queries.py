"""Answers to reads: models, reports, features, history."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from tidegauge.kit.refusal import Refusal
from tidegauge.monitor.policy import Policy
from tidegauge.nearest import or_nearest
from tidegauge.profile.profile import Profile
from tidegauge.protocol.names import PANE_SECONDS, Verdict
from tidegauge.protocol.transition import Transition
from tidegauge.report.model import Baseline, FeatureReport, Report
from tidegauge.stats.registry import unknown_figures
from tidegauge_aggregator.evaluation.distribution import describe_feature
from tidegauge_aggregator.store import jobs

from .aggregator import Aggregator
from .coverage import coverage_of
from .series import Series
from .validation import known

__all__ = ["Queries"]

LEVEL_SECONDS: Final = 30  # series whose newest panes end this close to each other are level


class Queries:
    """Answers questions about what an aggregator knows.

    Parameters
    ----------
    aggregator
        Whose knowledge it is.
    """

    def __init__(self, aggregator: Aggregator) -> None:
        self._aggregator = aggregator

    # --- which one is meant ----------------------------------------------------------------------------

    def names(self) -> list[str]:
        """Return all models that were seen."""
        return sorted(self._sending() | set(self._aggregator.config.models))

    def _sending(self) -> set[str]:
        """Models that sent a profile."""
        return {model for model, _ in self._aggregator.profiles}

    def _model(self, model: str | None) -> str:
        self._aggregator.check_ready()
        names = self.names()
        # Of some models only the config is known: they do not count beside others.
        meant = sorted(self._sending()) or names
        if model is None and len(meant) == 1:
            return meant[0]
        if model is None and names:
            raise Refusal(
                400,
                "model_needed",
                f"{len(meant)} models are watched ({', '.join(meant[:5])}): say which with ?model=",
            )
        if model is None:
            raise Refusal(
                404,
                "model_unknown",
                "no model has sent a profile yet: ask again when its sidecars have started",
            )
        if model not in names:
            near = or_nearest(model, names)
            raise Refusal(404, "model_unknown", f"model {model} has sent no profile to this address; {near}")
        return model

    def current(self, model: str) -> Series | None:
        """Return the series that most recently brought a pane; of several, the one that began last."""
        found = [series for key, series in self._aggregator.all_series.items() if key.model == model]
        return max(found, key=_recency, default=None)

    def _series(self, model: str, profile: str | None) -> Series | None:
        if profile is None:
            return self.current(model)
        known(self._aggregator.profiles, model, profile)
        found = [
            w
            for key, w in self._aggregator.all_series.items()
            if (key.model, key.profile) == (model, profile)
        ]
        return max(found, key=_recency, default=None)

    # --- answers ---------------------------------------------------------------------------------------

    def profile(self, model: str, profile: str) -> Profile:
        """Return a profile; raise a `Refusal` (404) when it is not here."""
        self._aggregator.check_ready()
        return known(self._aggregator.profiles, model, profile)

    def models(self) -> list[dict[str, Any]]:
        """Return all models with their profiles and verdicts."""
        self._aggregator.check_ready()
        return [self._summary(model) for model in self.names()]

    def _summary(self, model: str) -> dict[str, Any]:
        series = self.current(model)
        report = series.report if series else None
        return {
            "name": model,
            "profiles": sorted(name for owner, name in self._aggregator.profiles if owner == model),
            "profile": series.row.key.profile if series else None,
            "verdict": (report.verdict if report else Verdict.UNKNOWN).value,
            "severity": report.severity.value if report and report.severity else None,
        }

    def report(self, model: str | None, profile: str | None) -> dict[str, Any]:
        """Return the report of a model, with its coverage as it is now."""
        name = self._model(model)
        series = self._series(name, profile)
        shard = {"index": self._aggregator.shard.index, "of": self._aggregator.shard.of}
        return self.report_of(name, series, profile).to_dict() | {"shard": shard}

    def report_of(self, model: str, series: Series | None, profile: str | None = None) -> Report:
        """Return the last report of a series, `Unknown` before the first."""
        config = self._aggregator.config.model(model)
        policy = config.policy
        if series is None:
            return _nothing(self._any_profile(model, profile), policy, model)
        report = series.report or _nothing(series.profile, policy, model, series.pane_seconds)
        coverage = coverage_of(series, config.expected_pods, self._aggregator.clock())
        return replace(report, profile=series.row.key.profile).with_coverage(coverage, model)

    def _any_profile(self, model: str, profile: str | None) -> Profile | None:
        found = [
            held
            for (owner, name), held in self._aggregator.profiles.items()
            if owner == model and profile in (None, name)
        ]
        return found[-1].shard(self._aggregator.shard.index, self._aggregator.shard.of) if found else None

    async def feature(self, name: str, model: str | None, profile: str | None) -> dict[str, Any]:
        """Return one feature: its part of the report, distributions and timeline."""
        owner = self._model(model)
        series = self._series(owner, profile)
        document = self.report_of(owner, series, profile).to_dict()
        feature = next((item for item in document["features"] if item["name"] == name), None)
        if feature is None:
            raise Refusal(404, "feature_unknown", f"model {owner!r} has no feature {name!r} here")
        head = {key: document[key] for key in ("model", "profile", "pane", "time", "pane_seconds")}
        if series is None or series.monitor is None:
            return head | {"feature": feature, "distribution": [], "timeline": []}
        shown = await self._aggregator.evaluator.run(
            describe_feature, series.monitor.monitor, name, feature["window"]
        )
        return head | {"feature": feature} | shown

    async def history(
        self, model: str | None, profile: str | None, since: str | None, limit: int
    ) -> list[dict[str, Any]]:
        """Return changes of verdict, newest first, over all of the model's profiles unless one is named."""
        name = self._model(model)
        moment = _moment(since)
        if profile is not None:
            known(self._aggregator.profiles, name, profile)
        ids = [
            series.row.id
            for key, series in self._aggregator.all_series.items()
            if key.model == name and profile in (None, key.profile)
        ]
        rows = await self._aggregator.read(jobs.read_history, ids, moment, limit)
        newest = sorted(rows, key=lambda row: row.time_seconds, reverse=True)[:limit]
        return [Transition.from_dict(json.loads(row.body)).to_dict() for row in newest]


def _recency(series: Series) -> tuple[int, float]:
    """Newest pane's end first; of series level with each other (a rollout), the one that began last."""
    return (series.newest + 1) * series.pane_seconds // LEVEL_SECONDS, series.row.created_seconds


def _nothing(
    profile: Profile | None, policy: Policy, model: str, pane_seconds: float = PANE_SECONDS
) -> Report:
    """The report before anything is known."""
    features = profile.monitored if profile else ()
    figures = unknown_figures()
    return Report(
        verdict=Verdict.UNKNOWN,
        severity=None,
        since=None,
        pane=-1,
        pane_seconds=pane_seconds,
        rows=0,
        profile=profile.hash if profile else "",
        features={
            f.name: FeatureReport(name=f.name, kind=f.kind, verdict=Verdict.UNKNOWN).with_figures(figures)
            for f in features
        },
        baseline=Baseline(state="learning", seconds=0.0, of_seconds=policy.learning_seconds),
        stale=True,
        model=model,
        policy=policy.to_dict(),
    )


def _moment(since: str | None) -> float:
    """Seconds since the epoch of a number or an RFC 3339 time."""
    if since is None:
        return 0.0
    try:
        return float(since)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(since)
    except ValueError as error:
        raise Refusal(
            422, "bad_query", f"since={since!r}: seconds since the epoch or an RFC 3339 time"
        ) from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
