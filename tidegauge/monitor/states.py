"""Verdicts of features: an alarm first, then silence, then what is still learned."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from tidegauge.monitor.alarms import Alarms
from tidegauge.protocol.names import Severity, Verdict
from tidegauge.report.feature import State

__all__ = ["states"]

_CALM: Final = {
    verdict.value: State(verdict, None, None) for verdict in Verdict if verdict is not Verdict.DRIFTING
}

BoolArray = npt.NDArray[np.bool_]


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
    verdicts = np.select(
        [alarms.alarmed, silent, learning],
        [Verdict.DRIFTING.value, Verdict.UNKNOWN.value, Verdict.LEARNING.value],
        Verdict.STABLE.value,
    )
    critical, since = alarms.critical.tolist(), alarms.since[0].tolist()
    return tuple(
        _CALM.get(verdict) or _drifting(since[i], is_critical=critical[i])
        for i, verdict in enumerate(verdicts.tolist())
    )


def _drifting(since: int, *, is_critical: bool) -> State:
    return State(Verdict.DRIFTING, Severity.CRITICAL if is_critical else Severity.WARNING, since)
