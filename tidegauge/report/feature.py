"""One feature's part of a report, and what it is read from. Standard library only, as the report is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final, NamedTuple

from tidegauge.protocol.names import Extent, Severity, Verdict

__all__ = ["FeatureReport", "PodReport", "State", "published_share", "read_feature", "read_severity"]


class State(NamedTuple):
    """What is known of a feature or the model: the severity, and the pane of the alarm, only of a drift."""

    verdict: Verdict
    severity: Severity | None
    since: int | None


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
        (`docs/report-format.md` lists them). Those of Tidegauge's own statistics are properties too.
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

    @property
    def psi(self) -> float | None:
        """Population stability index; None where it does not apply."""
        return self.measures.get("psi")

    @property
    def psi_noise(self) -> float | None:
        """Mean of `psi` without drift; None where it does not apply."""
        return self.measures.get("psi_noise")

    @property
    def js(self) -> float | None:
        """Jensen-Shannon distance, natural logarithm; None where it does not apply."""
        return self.measures.get("js")

    @property
    def hellinger(self) -> float | None:
        """Hellinger distance; None where it does not apply."""
        return self.measures.get("hellinger")

    @property
    def wasserstein(self) -> float | None:
        """Wasserstein-1 distance of a numeric feature, in its unit; None where it does not apply."""
        return self.measures.get("wasserstein")

    @property
    def g(self) -> float | None:
        """G over all bins, without pooling; None where it does not apply."""
        return self.measures.get("g")

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


FEATURE_FIELDS: Final = frozenset(f.name for f in fields(FeatureReport))
_SAID_LATER = ("reference_missing_rate", "rounded_rate")


def published_share(value: float) -> float:
    """Return a share of rows as people see it, from 0 to 1: a bound below 0 shows nothing, as 0 does."""
    return min(1.0, max(0.0, value))


def read_feature(item: Mapping[str, Any]) -> FeatureReport:
    """Read a feature's part of a document; raises `KeyError`, `TypeError` or `ValueError` for another."""
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
    values["severity"] = read_severity(values["severity"])
    return FeatureReport(since=item["since_pane"], **values)


def _is_measure(name: str, value: object) -> bool:
    """Whether it is a figure that only people read: its name is no other field's."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return name not in FEATURE_FIELDS | {"since_pane"} and (value is None or is_number)


def read_severity(value: str | None) -> Severity | None:
    """Read a severity; raises `ValueError` for an unknown one."""
    return None if value is None else Severity(value)
