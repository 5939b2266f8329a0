"""A change of verdict: the same in a replay and in an aggregator's history. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Any, Final

from tidegauge.protocol.names import Severity, Verdict

__all__ = ["Transition", "pane_end"]

_LAST_SECOND: Final = 253_402_300_799.0  # of the year 9999: what RFC 3339 can write


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """A change of verdict or severity, of a feature or of the model.

    Parameters
    ----------
    row
        Rows replayed when it was seen, in order of time; None in an aggregator's history.
    pane, time
        The pane at whose end it was seen, and that end, RFC 3339, UTC; of panes of so many rows the time of
        the last row, or None.
    profile
        Hash of the profile.
    feature
        Name of the feature, None for the model.
    verdict, severity
        What is known from here on.
    before
        The verdict before.
    statistic, lower, window, window_rows, cause
        Of the leading window then, its length in panes. For the model those of the drifting feature with the
        largest lower bound, of all features if none drifts. None without rows.
    """

    row: int | None
    pane: int
    time: str | None
    profile: str
    feature: str | None
    verdict: Verdict
    severity: Severity | None
    before: Verdict
    statistic: float | None
    lower: float | None
    window: int | None
    window_rows: int
    cause: str | None

    def to_dict(self) -> dict[str, Any]:
        """Return the same fields as plain values."""
        severity = self.severity and self.severity.value
        return asdict(self) | {
            "verdict": self.verdict.value,
            "severity": severity,
            "before": self.before.value,
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Transition:
        """Read plain values; raises `KeyError`, `TypeError` or `ValueError` for others.

        A history written by version 0.1 has no `row`.
        """
        values = {field.name: document[field.name] for field in fields(cls) if field.name != "row"}
        severity = values["severity"]
        values |= {"verdict": Verdict(values["verdict"]), "before": Verdict(values["before"])}
        return cls(
            **{**values, "severity": None if severity is None else Severity(severity)},
            row=document.get("row"),
        )


def pane_end(seconds: float | None) -> str | None:
    """Return a time as RFC 3339 in UTC, at most the last second of the year 9999; None for no time."""
    if seconds is None:
        return None
    moment = datetime.fromtimestamp(min(seconds, _LAST_SECOND), UTC)
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
