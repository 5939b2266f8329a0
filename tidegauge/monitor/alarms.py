"""Alarms over time: raised at once, cleared with hysteresis. One state for each feature and severity.

- *Raise*: a look at any scale that detects, with a lower bound above the floor, raises the alarm.
- *Own*: the alarm belongs to the shortest scale with firm evidence, half a half-width more than raising asks
  for: a drift so far above it hardly ever looks calm there by chance. Until there is any, it belongs to
  the scale with four times the rows of the one that raised it, where half-widths are half as long.
- *Clear*: only the owner decides. When its windows have been calm (point estimate minus half its half-width
  below the floor) for one full window, the alarm clears, and the pane where the calm began is remembered.
  Evidence from any window after that pane ends the calm.
- *After*: a window counts again for that feature once all of it is after that pane. So a long window that
  still holds the old drift cannot raise the alarm again; a drift that goes on is found again by windows
  that hold nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from tidegauge.arrays import BoolArray, FloatArray, IntArray
from tidegauge.errors import WireError
from tidegauge.protocol.names import Severity
from tidegauge.stats.evaluation import Evaluation

__all__ = ["SEVERITIES", "Alarms", "Look"]

SEVERITIES: Final = (Severity.WARNING, Severity.CRITICAL)
_NEVER: Final = -1
_QUADRUPLE: Final = 2  # scales up to a window of four times as many rows


@dataclass(frozen=True, slots=True)
class Look:
    """One evaluated window: its scale, its panes, and what was found, arrays of shape ``(features,)``."""

    scale: int
    first_pane: int
    last_pane: int
    found: Evaluation


class Alarms:
    """Alarm state of all features, arrays of shape ``(severities, features)``.

    Attributes
    ----------
    owner
        Scale that owns the alarm, -1 where there is none.
    since
        Pane at whose look the alarm was raised.
    calm
        Pane at whose look the owner's calm began, -1 while it is not calm.
    cleared
        Windows that begin at or before this pane do not count any more.
    """

    _FIELDS: Final = ("owner", "since", "calm", "cleared")

    def __init__(self, features: int, scales: int) -> None:
        self._longest = scales - 1
        shape = (len(SEVERITIES), features)
        self.owner: IntArray = np.full(shape, _NEVER, dtype=np.int64)
        self.since: IntArray = np.full(shape, _NEVER, dtype=np.int64)
        self.calm: IntArray = np.full(shape, _NEVER, dtype=np.int64)
        self.cleared: IntArray = np.full(shape, _NEVER, dtype=np.int64)

    @property
    def alarmed(self) -> BoolArray:
        """Which features alarm, at either severity."""
        return np.asarray(self.owner[0] != _NEVER)

    @property
    def critical(self) -> BoolArray:
        """Which features alarm as critical."""
        return np.asarray(self.owner[1] != _NEVER)

    def update(self, look: Look, floors: FloatArray) -> None:
        """Take one look into account.

        Parameters
        ----------
        look
            Looks come in the order of their last panes, at one pane from short windows to long ones.
        floors
            Effect floors by severity, shape ``(severities, features)``.
        """
        found = look.found
        counts = self.cleared < look.first_pane
        above = (found.lower > floors) | (floors == 0)
        evidence = counts & found.detected & above
        if not evidence.any() and not self.alarmed.any():
            return
        self._own(look, evidence, evidence & (found.firm > floors))
        self._clear(look, evidence, floors)

    def _own(self, look: Look, evidence: BoolArray, firm: BoolArray) -> None:
        fresh = evidence & (self.owner == _NEVER)
        self.since[fresh] = look.last_pane
        self.owner[fresh] = min(look.scale + _QUADRUPLE, self._longest)
        shorter = firm & (self.owner > look.scale)
        self.owner[shorter] = look.scale
        self.calm[fresh | shorter | (evidence & (self.calm < look.first_pane))] = _NEVER

    def _clear(self, look: Look, evidence: BoolArray, floors: FloatArray) -> None:
        found = look.found
        # With a floor of 0 only significance counts, so calm asks for its absence.
        calm = ~evidence & (found.middle <= floors) & ~((floors == 0) & found.detected)
        owned = self.owner == look.scale
        self.calm[owned & ~calm] = _NEVER
        self.calm[owned & calm & (self.calm == _NEVER)] = look.last_pane
        over = owned & calm & (self.calm < look.first_pane)
        self.cleared[over] = self.calm[over]
        self.cleared[1, over[0]] = self.cleared[0, over[0]]
        over[1] |= over[0]  # nothing is critical that does not alarm
        self.owner[over] = self.since[over] = self.calm[over] = _NEVER

    def to_dict(self) -> dict[str, Any]:
        """Return the state as plain lists."""
        return {name: getattr(self, name).tolist() for name in self._FIELDS}

    def load(self, data: dict[str, Any]) -> None:
        """Take over a state; raises `WireError` when it is not one of as many features."""
        for name in self._FIELDS:
            try:
                array = np.array(data[name], dtype=np.int64)
            except (KeyError, TypeError, ValueError, OverflowError) as error:
                raise WireError(f"an alarm state without a readable {name!r}") from error
            if array.shape != self.owner.shape:
                raise WireError(f"an alarm state of {array.size} values, where {self.owner.size} are needed")
            setattr(self, name, array)
