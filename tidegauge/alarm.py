"""Alarms over time: raised at once, cleared with hysteresis. One state for each feature and severity.

- *Raise*: a look at any scale that detects, with a lower bound above the floor, raises the alarm. Its
  *owner* is the smallest scale that has confirmed it since.
- *Clear*: only the owner decides. When its windows have been calm (point estimate minus half its half-width
  below the floor) for one full window, the alarm clears, and the pane where the calm began is remembered.
- *After*: a window counts again for that feature once all of it lies after that pane. So a long window that
  still holds the old drift cannot raise the alarm again; a drift that goes on is found again by windows
  that hold nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tidegauge.contract import Severity
from tidegauge.errors import WireError
from tidegauge.evaluation import Evaluation
from tidegauge.windows import window_panes

__all__ = ["SEVERITIES", "Alarms", "Look"]

SEVERITIES: Final = (Severity.WARNING, Severity.CRITICAL)
_NEVER: Final = -1

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]


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

    def __init__(self, features: int) -> None:
        shape = (len(SEVERITIES), features)
        self.owner: IntArray = np.full(shape, _NEVER, dtype=np.int64)
        self.since: IntArray = np.full(shape, _NEVER, dtype=np.int64)
        self.calm: IntArray = np.full(shape, _NEVER, dtype=np.int64)
        self.cleared: IntArray = np.full(shape, _NEVER, dtype=np.int64)

    @property
    def alarmed(self) -> npt.NDArray[np.bool_]:
        """Which features alarm, at either severity."""
        return np.asarray(self.owner[0] != _NEVER)

    @property
    def critical(self) -> npt.NDArray[np.bool_]:
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
        fresh = evidence & (self.owner == _NEVER)
        self.since[fresh] = look.last_pane
        smaller = evidence & (self.owner > look.scale)
        self.owner[fresh | smaller] = look.scale
        self.calm[fresh | smaller] = _NEVER
        self._clear(look, evidence, floors)

    def _clear(self, look: Look, evidence: npt.NDArray[np.bool_], floors: FloatArray) -> None:
        found = look.found
        owned = self.owner == look.scale
        # With a floor of 0 only significance counts, so calm asks for its absence.
        calm = ~evidence & (found.middle <= floors) & ~((floors == 0) & found.detected)
        self.calm[owned & ~calm] = _NEVER
        begins = owned & calm & (self.calm == _NEVER)
        self.calm[begins] = look.last_pane
        over = owned & calm & (look.last_pane - self.calm >= window_panes(look.scale))
        over[1] |= over[0] & (self.owner[1] != _NEVER)  # nothing is critical that does not alarm
        self.cleared[over] = np.where(self.calm == _NEVER, look.last_pane, self.calm)[over]
        self.owner[over] = self.since[over] = self.calm[over] = _NEVER

    def to_dict(self) -> dict[str, Any]:
        """The state as plain lists."""
        return {name: getattr(self, name).tolist() for name in self._FIELDS}

    def load(self, data: dict[str, Any]) -> None:
        """Take over a state; raises `WireError` when it is not one of as many features."""
        for name in self._FIELDS:
            try:
                array = np.array(data[name], dtype=np.int64)
            except (KeyError, TypeError, ValueError, OverflowError) as error:
                raise WireError(f"an alarm state without a readable {name!r}") from error
            if array.shape != self.owner.shape:
                raise WireError(f"an alarm state of shape {array.shape}, where {self.owner.shape} is needed")
            setattr(self, name, array)
