"""The report: what is known of each feature and of the model, as typed values and as JSON.

Standard library only, so that programs which only pass reports on need neither numpy nor scipy. The
document is described in `docs/report-format.md`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from tidegauge.errors import WireError
from tidegauge.protocol.names import REPORT_SCHEMA, Extent, Severity, Verdict
from tidegauge.protocol.versions import Step, brought_forward
from tidegauge.report.coverage import Coverage, worst_coverage
from tidegauge.report.feature import (
    FeatureReport,
    PodReport,
    State,
    published_share,
    read_feature,
    read_severity,
)
from tidegauge.telling import found, told

__all__ = [
    "Baseline",
    "Coverage",
    "FeatureReport",
    "PodReport",
    "Report",
    "State",
    "by_urgency",
    "published_share",
]

_SEVERITY_RANK = {None: 0, Severity.WARNING: 1, Severity.CRITICAL: 2}


class _Judged(Protocol):
    """What has a state."""

    @property
    def verdict(self) -> Verdict: ...
    @property
    def severity(self) -> Severity | None: ...
    @property
    def since(self) -> int | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """How far the design effect is known: ``learning`` for `seconds` of `of_seconds`, then ``ready``."""

    state: str
    seconds: float
    of_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The report at the end of pane `pane`.

    Parameters
    ----------
    verdict, severity, since
        Of the model: see `Report.judge`.
    pane, pane_seconds
        Newest pane taken into account (-1 before the first), and the length of a pane.
    rows
        Rows in the newest long window, over all features' own rows the largest number.
    profile
        Hash of the profile.
    features
        By name; drifting ones first, the largest lower bound first.
    baseline
        State of the learning phase.
    late_rows
        Rows of panes that came too late for every window.
    coverage
        Attached by the aggregator.
    hours_of_day
        Whether live rows are compared with the reference of their own hour of the day; None if not known.
    """

    verdict: Verdict
    severity: Severity | None
    since: int | None
    pane: int
    pane_seconds: float
    rows: int
    profile: str
    features: Mapping[str, FeatureReport]
    baseline: Baseline
    late_rows: int = 0
    stale: bool = False
    model: str | None = None
    policy: Mapping[str, Any] = field(default_factory=dict)
    coverage: Coverage | None = None
    hours_of_day: bool | None = None

    @property
    def drifting(self) -> list[FeatureReport]:
        """The drifting features, the largest lower bound first."""
        found = [f for f in self.features.values() if f.verdict is Verdict.DRIFTING]
        return sorted(found, key=lambda f: (-(f.lower or 0.0), f.name))

    def time(self, pane: int | None) -> str | None:
        """Return a pane's end as an RFC 3339 time, UTC; None for no pane."""
        if pane is None or pane < 0:
            return None
        try:
            moment = datetime.fromtimestamp((pane + 1) * self.pane_seconds, UTC)
        except (OverflowError, ValueError, OSError):
            return None
        return moment.isoformat(timespec="seconds").replace("+00:00", "Z")

    def with_coverage(self, coverage: Coverage, model: str | None = None) -> Report:
        """Return the report with what only the aggregator knows."""
        return replace(self, coverage=coverage, model=model or self.model)

    @property
    def states(self) -> dict[str | None, State]:
        """The model's state under None, then each feature's under its name."""
        states: dict[str | None, State] = {None: State(self.verdict, self.severity, self.since)}
        for name, feature in self.features.items():
            states[name] = State(feature.verdict, feature.severity, feature.since)
        return states

    @staticmethod
    def judge(features: Iterable[_Judged], *, stale: bool) -> State:
        """Return the model's state.

        Drifting if any feature drifts, as severe as the worst, since the earliest; else Unknown without
        rows or without fresh rows; else Learning while any feature is learning; else Stable. Features
        without any row are left out.
        """
        known = [f for f in features if f.verdict is not Verdict.UNKNOWN]
        drifting = [f for f in known if f.verdict is Verdict.DRIFTING]
        if drifting:
            worst = max((f.severity for f in drifting), key=lambda severity: _SEVERITY_RANK[severity])
            return State(Verdict.DRIFTING, worst, min(f.since for f in drifting if f.since is not None))
        if stale or not known:
            return State(Verdict.UNKNOWN, None, None)
        if any(f.verdict is Verdict.LEARNING for f in known):
            return State(Verdict.LEARNING, None, None)
        return State(Verdict.STABLE, None, None)

    @staticmethod
    def join(reports: Sequence[Report], silent: int = 0) -> Report:
        """Return the reports of a model's shards as one, as of the shard that is furthest behind.

        Parameters
        ----------
        reports
            Those that there are.
        silent
            Shards whose report there is not: what they would say of their features is not known, so the
            verdict is Drifting or Unknown.

        Raises
        ------
        WireError
            No report, panes of different lengths, or a feature that two reports hold.
        """
        if not reports:
            raise WireError("no report to join: at least one shard's is needed")
        if len(lengths := sorted({r.pane_seconds for r in reports})) > 1:
            both = " and ".join(f"{seconds:g} s" for seconds in lengths)
            said = found("reports", lengths, f"reports with panes of {both} cannot be joined", "pane_seconds")
            raise WireError("all shards need one length", argument=said)
        features = [f for r in reports for f in r.features.values()]
        names = [f.name for f in features]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            said = found("reports", twice[0], f"feature {twice[0]!r} is in two reports", "features")
            raise WireError("each shard must hold its own features", argument=said)
        first = reports[0]
        stale = any(r.stale for r in reports)
        # A shard that knows nothing yet must not hide behind one that is stable.
        unknown = stale or silent > 0 or any(r.verdict is Verdict.UNKNOWN for r in reports)
        verdict, severity, since = Report.judge(features, stale=unknown)
        return replace(
            first,
            verdict=verdict,
            severity=severity,
            since=since,
            pane=min(r.pane for r in reports),
            rows=max(r.rows for r in reports),
            features=by_urgency(features),
            baseline=max((r.baseline for r in reports), key=lambda b: b.of_seconds - b.seconds),
            late_rows=max(r.late_rows for r in reports),
            stale=stale,
            coverage=worst_coverage([r.coverage for r in reports if r.coverage is not None]),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the document; numbers that are not finite become None."""
        document = {
            "schema": REPORT_SCHEMA,
            "model": self.model,
            "profile": self.profile,
            "verdict": self.verdict.value,
            "severity": self.severity and self.severity.value,
            "since_pane": self.since,
            "since": self.time(self.since),
            "pane": self.pane if self.pane >= 0 else None,
            "time": self.time(self.pane),
            "pane_seconds": self.pane_seconds,
            "rows": self.rows,
            "late_rows": self.late_rows,
            "stale": self.stale,
            "drifting": [f.name for f in self.drifting],
            "baseline": asdict(self.baseline),
            "hours_of_day": self.hours_of_day,
            "coverage": self.coverage and asdict(self.coverage),
            "policy": dict(self.policy),
            "features": [self._feature(f) for f in self.features.values()],
        }
        return {name: _plain(value) for name, value in document.items()}

    def _feature(self, feature: FeatureReport) -> dict[str, Any]:
        values = asdict(feature)
        since, measures = values.pop("since"), values.pop("measures")
        return {**values, **measures, "since_pane": since, "since": self.time(since)}

    @classmethod
    def from_dict(cls, document: object) -> Report:
        """Read a document of this or an earlier version; raises `WireError` when it is none."""
        document = as_newest(document)
        try:
            features = [read_feature(item) for item in document["features"]]
            coverage = document["coverage"]
            return cls(
                verdict=Verdict(document["verdict"]),
                severity=read_severity(document["severity"]),
                since=document["since_pane"],
                pane=-1 if document["pane"] is None else document["pane"],
                features={f.name: f for f in features},
                baseline=Baseline(**document["baseline"]),
                coverage=None if coverage is None else Coverage(**coverage),
                hours_of_day=document.get("hours_of_day"),
                **{name: document[name] for name in _PLAIN},
            )
        except (KeyError, TypeError, ValueError) as error:
            raise WireError(f"a report that cannot be read: {type(error).__name__}: {error}") from error


_SCHEMA: Final = re.compile(re.escape(REPORT_SCHEMA.rstrip("0123456789")) + "([0-9]{1,9})")
_STEPS: Final[tuple[Step, ...]] = ()  # from version 1 to 2, from 2 to 3, ...


def as_newest(document: object, steps: Sequence[Step] = _STEPS) -> Mapping[str, Any]:
    """Return a report's document in the newest version; raises `WireError` when it is no report."""
    schema = document.get("schema") if isinstance(document, Mapping) else document
    matched = _SCHEMA.fullmatch(schema) if isinstance(schema, str) else None
    if matched is None or not isinstance(document, Mapping):
        said = found("schema", schema, f"a report's schema is {told(schema)}")
        raise WireError(f"this version reads {REPORT_SCHEMA}", argument=said)
    return brought_forward(document, int(matched[1]), steps, "a report")


_PLAIN = ("pane_seconds", "rows", "profile", "late_rows", "stale", "model", "policy")


def by_urgency(features: Iterable[FeatureReport]) -> dict[str, FeatureReport]:
    """Return drifting features first, the largest lower bound first; the others stay in their order."""

    def place(item: tuple[int, FeatureReport]) -> tuple[float, int]:
        index, feature = item
        drifts = feature.verdict is Verdict.DRIFTING
        return (-1.0 - (feature.lower or 0.0) if drifts else 1.0, index)

    return {f.name: f for _, f in sorted(enumerate(features), key=place)}


def _plain(value: Any) -> Any:
    """Enums to texts and numbers that JSON cannot hold to None, all the way down."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Verdict | Severity | Extent):
        return value.value
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
