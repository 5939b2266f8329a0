"""Learning the design effect from the live baseline, and guessing at it meanwhile.

While it is learned, a *guess* keeps bursts and wandering levels from alarming all the time. The panes are
taken in chunks, each as long as all before it; the guess is the smaller one of what the last two chunks say,
less two standard errors. So independent rows keep 1, dependent ones soon get most of their own, and a step
from one level to another, which one chunk alone takes for variation, does not hide itself.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from tidegauge.arrays import BoolArray, FloatArray
from tidegauge.stats.design_effect import WindowSums
from tidegauge.stats.tables import Reference

__all__ = ["Learner"]

_FIRST_CHUNK_PANES: Final = 16


class Learner:
    """The baseline so far.

    Parameters
    ----------
    reference
        The reference's tables.
    scales
        Number of window lengths, shortest first.

    Attributes
    ----------
    panes
        Panes with rows so far.
    done
        Whether nothing more is learned.
    guess
        Design effects while it is not, shape ``(scales, features)``.
    """

    def __init__(self, reference: Reference, scales: int) -> None:
        self.panes = 0
        self.done = False
        self.guess: FloatArray = np.ones((scales, len(reference.features)))
        self._chunk: FloatArray = np.ones_like(self.guess)
        self._sums = WindowSums(reference, scales)
        self._mark = WindowSums(reference, scales)  # the sums as they were when the chunk began

    def add(self, scale: int, bins: FloatArray, expected: FloatArray, alarmed: BoolArray) -> None:
        """Take a window, as `WindowSums.add` does."""
        self._sums.add(scale, bins, expected, alarmed)

    def end_pane(self) -> bool:
        """Return one more pane with rows is over, and its windows are added.

        Whether the guess is a new one.
        """
        self.panes += 1
        if self.panes < _FIRST_CHUNK_PANES or self.panes.bit_count() > 1:
            return False
        chunk = self._sums.since(self._mark).values(sure=True)
        self.guess, self._chunk = np.minimum(chunk, self._chunk), chunk
        self._mark = self._sums.since(None)
        return True

    def values(self) -> FloatArray:
        """Return design effects that all of it gives, shape ``(scales, features)``."""
        return self._sums.values()

    def to_dict(self) -> dict[str, Any]:
        """Return its state as values that JSON can hold."""
        return {
            "panes": self.panes,
            "done": self.done,
            "guess": self.guess.tolist(),
            "chunk": self._chunk.tolist(),
            "sums": self._sums.to_dict(),
            "mark": self._mark.to_dict(),
        }

    def load(self, data: dict[str, Any]) -> None:
        """Take over a state; raises `KeyError`, `TypeError` or `ValueError` when it is not one."""
        shape = self.guess.shape
        self._sums.load(data["sums"])
        self._mark.load(data["mark"])
        self.guess = np.array(data["guess"], dtype=np.float64).reshape(shape)
        self._chunk = np.array(data["chunk"], dtype=np.float64).reshape(shape)
        self.panes, self.done = int(data["panes"]), bool(data["done"])
