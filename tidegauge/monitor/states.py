"""Verdicts of features: an alarm first, then silence, then what is still learned."""

from __future__ import annotations

from tidegauge.arrays import BoolArray
from tidegauge.monitor.alarms import Alarms
from tidegauge.protocol.names import Severity, Verdict
from tidegauge.report.feature import State

__all__ = ["states"]

_STABLE, _LEARNING, _UNKNOWN = (
    State(verdict, None, None) for verdict in (Verdict.STABLE, Verdict.LEARNING, Verdict.UNKNOWN)
)


def states(alarms: Alarms, *, silent: BoolArray, learning: BoolArray) -> tuple[State, ...]:
    """Return each feature's verdict, and of a drift its severity and since.

    Parameters
    ----------
    alarms
        The alarms that are raised.
    silent
        Features without fresh rows, ``(features,)``.
    learning
        Features of which too little is known, ``(features,)``.
    """
    alarmed, critical, since = alarms.alarmed.tolist(), alarms.critical.tolist(), alarms.since[0].tolist()
    unsure = learning.tolist()
    calm = [
        _UNKNOWN if unheard else _LEARNING if unsure[i] else _STABLE
        for i, unheard in enumerate(silent.tolist())
    ]
    return tuple(
        _drifting(since[i], is_critical=critical[i]) if alarmed[i] else state for i, state in enumerate(calm)
    )


def _drifting(since: int, *, is_critical: bool) -> State:
    return State(Verdict.DRIFTING, Severity.CRITICAL if is_critical else Severity.WARNING, since)
