"""The report: what is known of each feature and of the model, as typed values and as JSON.

Standard library only, so that programs which only pass reports on need neither numpy nor scipy. The
document is described in `docs/report-format.md`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, Protocol

from tidegauge.errors import WireError
from tidegauge.nearest import or_nearest
from tidegauge.protocol.names import REPORT_SCHEMA, Extent, Severity, Verdict
from tidegauge.report.coverage import Coverage, worst_coverage
from tidegauge.telling import told

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


class State(NamedTuple):
    """What is known of a feature or the model: the severity, and the pane of the alarm, only of a drift."""

    verdict: Verdict
    severity: Severity | None
    since: int | None


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
class PodReport:
    """One pod whose own rows have certainly moved.

    Parameters
    ----------
    pod, instance
        Its name for people, and that of the log volume its rows came from.
    statistic, lower
        As of the feature, from this pod's rows alone and over bins, about 16 of a continuous feature: at most
        the distance over all values.
    rows
        Its rows in the window, missing values included.
    """

    pod: str
    instance: str
    statistic: float
    lower: float
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureReport:
    """One feature; figures are those of `window`, the window with the best lower bound.

    Parameters
    ----------
    verdict, severity
        What is known; the severity only of a drifting feature.
    detected
        Whether a statistic is significant at its share of the budget, whatever the effect.
    statistic
        D of a numeric feature, total variation distance of a categorical one.
    lower, upper
        Bounds of the share of rows that moved, 0 to 1, at the budget's confidence; `lower` is that of the
        statistic in `cause`.
    pvalue
        Of one look alone, design effect taken into account; not corrected for looks and features.
    cause
        Which statistic decided: one of ks, rank_mean, g, missing, unseen, exceedance; None without rows.
    window, window_seconds, window_rows
        Length of the window in panes and in seconds, and rows in it, missing values included.
    since
        Pane at whose look the alarm was raised; None unless drifting.
    floor
        Effect floor in force for a warning.
    design_effect
        Variance of the window's proportions over that of independent rows, as taken into account.
    missing_rate, unseen_rate, exceedance_rate
        Shares of missing values; of values that the reference does not name; of values with abs(z) > 3.
        None where it does not apply.
    reference_missing_rate
        Share of missing values in the reference.
    rounded_rate
        Share of values that differ from one of the reference's few by rounding alone, and count as that one.
    rank_mean
        Mean of the reference's mid-ranks; 1/2 without drift.
    measures
        Other figures of the same window by name, such as ``psi``, None where one does not apply
        (`docs/report-format.md` lists them). Each is an attribute too: ``feature.psi``.
    extent
        Whether the drift is confined to `pods` or everywhere; None where neither is certain.
    pods
        At most three pods whose own rows moved most and certainly so, the largest lower bound first; attached
        by the aggregator, only while the feature drifts.
    """

    name: str
    kind: str
    verdict: Verdict
    severity: Severity | None = None
    detected: bool = False
    statistic: float | None = None
    lower: float | None = None
    upper: float | None = None
    pvalue: float | None = None
    cause: str | None = None
    window: int | None = None
    window_seconds: float | None = None
    window_rows: int = 0
    since: int | None = None
    floor: float = 0.0
    design_effect: float = 1.0
    missing_rate: float | None = None
    reference_missing_rate: float | None = None
    rounded_rate: float | None = None
    unseen_rate: float | None = None
    exceedance_rate: float | None = None
    rank_mean: float | None = None
    measures: Mapping[str, float | None] = field(default_factory=dict, hash=False)
    extent: Extent | None = None
    pods: tuple[PodReport, ...] = ()

    def __getattr__(self, name: str) -> float | None:
        """Return a measure by its name."""
        measures: Mapping[str, float | None] = object.__getattribute__(self, "measures")
        if name in measures:
            return measures[name]
        raise AttributeError(f"a feature's report has no {name!r}; {or_nearest(name, dir(self))}")

    def __dir__(self) -> list[str]:
        return [*FEATURE_FIELDS, *self.measures, "where", "with_figures"]

    def with_figures(self, figures: Mapping[str, float | None]) -> FeatureReport:
        """Return the report with figures: those that have no field of their own are measures."""
        own: dict[str, Any] = {name: value for name, value in figures.items() if name in FEATURE_FIELDS}
        measures = {name: value for name, value in figures.items() if name not in FEATURE_FIELDS}
        return replace(self, **own, measures={**self.measures, **measures})

    @property
    def where(self) -> str:
        """``in pod a only``, ``in every pod``, ``at least in pods a, b``; empty where no pod can be named."""
        if self.extent is Extent.EVERYWHERE or not self.pods:
            return "in every pod" if self.pods else ""
        names = sorted({pod.pod for pod in self.pods})
        listed = f"in pod{'s' if len(names) > 1 else ''} {', '.join(names)}"
        return f"{listed} only" if self.extent is Extent.CONFINED else f"at least {listed}"


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
        """A pane's end as an RFC 3339 time, UTC; None for no pane."""
        if pane is None or pane < 0:
            return None
        try:
            moment = datetime.fromtimestamp((pane + 1) * self.pane_seconds, UTC)
        except (OverflowError, ValueError, OSError):
            return None
        return moment.isoformat(timespec="seconds").replace("+00:00", "Z")

    def with_coverage(self, coverage: Coverage, model: str | None = None) -> Report:
        """The report with what only the aggregator knows."""
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
        """The reports of a model's shards as one, as of the shard that is furthest behind.

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
            told = " and ".join(f"{seconds:g} s" for seconds in lengths)
            raise WireError(f"reports with panes of {told} cannot be joined: all shards need one length")
        features = [f for r in reports for f in r.features.values()]
        names = [f.name for f in features]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise WireError(f"feature {twice[0]!r} is in two reports: each shard must hold its own features")
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
        """The document; numbers that are not finite become None."""
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
        """Read a document; raises `WireError` when it is not a report of this version."""
        if not isinstance(document, Mapping) or document.get("schema") != REPORT_SCHEMA:
            schema = document.get("schema") if isinstance(document, Mapping) else document
            raise WireError(f"not a report of schema {REPORT_SCHEMA}: {told(schema)}")
        try:
            features = [_read_feature(item) for item in document["features"]]
            coverage = document["coverage"]
            return cls(
                verdict=Verdict(document["verdict"]),
                severity=_severity(document["severity"]),
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


FEATURE_FIELDS: Final = frozenset(f.name for f in fields(FeatureReport))
_SAID_LATER = ("reference_missing_rate", "rounded_rate")
_PLAIN = ("pane_seconds", "rows", "profile", "late_rows", "stale", "model", "policy")


def published_share(value: float) -> float:
    """A share of rows as people see it, from 0 to 1: a bound below 0 shows nothing, as 0 does."""
    return min(1.0, max(0.0, value))


def by_urgency(features: Iterable[FeatureReport]) -> dict[str, FeatureReport]:
    """Drifting features first, the largest lower bound first; the others stay in their order."""

    def place(item: tuple[int, FeatureReport]) -> tuple[float, int]:
        index, feature = item
        drifts = feature.verdict is Verdict.DRIFTING
        return (-1.0 - (feature.lower or 0.0) if drifts else 1.0, index)

    return {f.name: f for _, f in sorted(enumerate(features), key=place)}


def _read_feature(item: Mapping[str, Any]) -> FeatureReport:
    names = FEATURE_FIELDS - {"since", "extent", "pods", "measures", *_SAID_LATER}
    values = {name: item[name] for name in names}
    values["measures"] = {name: value for name, value in item.items() if _is_measure(name, value)}
    # An aggregator of before these were said, or a report that it stored, has none of them.
    values |= {name: item.get(name) for name in _SAID_LATER}
    extent = item.get("extent")
    values["extent"] = None if extent is None else Extent(extent)
    values["pods"] = tuple(
        PodReport(**{f.name: pod[f.name] for f in fields(PodReport)}) for pod in item.get("pods", ())
    )
    values["verdict"] = Verdict(values["verdict"])
    values["severity"] = _severity(values["severity"])
    return FeatureReport(since=item["since_pane"], **values)


def _is_measure(name: str, value: object) -> bool:
    """Whether it is a figure that only people read: its name is no other field's."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return name not in FEATURE_FIELDS | {"since_pane"} and (value is None or is_number)


def _severity(value: str | None) -> Severity | None:
    return None if value is None else Severity(value)


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
