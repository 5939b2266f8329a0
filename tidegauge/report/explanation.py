"""A feature's drift in words: what moved, and which way. Standard library only, as the report is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tidegauge.report.model import FeatureReport

__all__ = ["rounding", "why"]

_ROUNDED: Final = 0.01  # a share of rounded values worth a line


def why(feature: FeatureReport) -> str:
    """Return what moved, by the deciding statistic; empty if nothing did or figures are unknown.

    Examples
    --------
    >>> from tidegauge.protocol.names import Verdict
    >>> known = {"cause": "missing", "missing_rate": 0.0, "reference_missing_rate": 0.4}
    >>> why(FeatureReport(name="income", kind="numeric", verdict=Verdict.DRIFTING, detected=True, **known))
    "missing in 0.0 % of the rows, in 40.0 % of the reference's: values come that did not come before"
    """
    words = _WORDS.get(feature.cause or "")
    return words(feature) if words and feature.detected else ""


def rounding(feature: FeatureReport) -> str:
    """Return what to do about values that differ only by rounding; empty if few do."""
    rate = feature.rounded_rate or 0.0
    if rate < _ROUNDED:
        return ""
    return (
        f"{_percent(rate)} of the values differ from the reference's by rounding alone, which is no drift: "
        "cast them as the training data were, or fit as float32"
    )


def _missing(feature: FeatureReport) -> str:
    live, reference = feature.missing_rate, feature.reference_missing_rate
    if live is None or reference is None:
        return ""
    fills = ": values come that did not come before" if live < reference else ""
    return f"missing in {_percent(live)} of the rows, in {_percent(reference)} of the reference's{fills}"


def _unseen(feature: FeatureReport) -> str:
    rate = feature.unseen_rate
    return "" if rate is None else f"{_percent(rate)} of the values are none that the reference names"


def _exceedance(feature: FeatureReport) -> str:
    rate = feature.exceedance_rate
    return "" if rate is None else f"{_percent(rate)} of the values are beyond 3 sd of the reference"


def _order(feature: FeatureReport) -> str:
    rank, distance = feature.rank_mean, feature.statistic
    if rank is None or distance is None:
        return ""
    if abs(rank - 0.5) < distance / 4:
        return f"values are spread otherwise than in the reference (D {distance:.3f})"
    return f"values are {'larger' if rank > 0.5 else 'smaller'} than in the reference (D {distance:.3f})"


def _shares(feature: FeatureReport) -> str:
    if feature.kind == "numeric":
        return _order(feature)
    return (
        ""
        if feature.statistic is None
        else f"categories have other shares: {_percent(feature.statistic)} moved"
    )


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


_WORDS: Final[dict[str, Callable[[FeatureReport], str]]] = {
    "ks": _order,
    "rank_mean": _order,
    "g": _shares,
    "missing": _missing,
    "unseen": _unseen,
    "exceedance": _exceedance,
}
