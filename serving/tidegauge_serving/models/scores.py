"""Boosters answer with numbers only: what they mean for a classifier is in the manifest's classes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tidegauge_serving.models.base import Label, Predictions

__all__ = ["ScoreReader"]


class ScoreReader:
    """Turns a booster's output into predictions.

    Parameters
    ----------
    classes
        Labels in the order of the model's classes; empty for a regressor, whose output is the prediction.
    probability
        Whether scores are class probabilities.
    """

    def __init__(self, classes: Sequence[Label], *, probability: bool) -> None:
        self._probability = probability
        self._classes = np.array(classes, dtype=object if any(isinstance(c, str) for c in classes) else None)

    def __call__(self, scores: npt.NDArray[Any]) -> Predictions:
        """Predictions from scores of shape ``(n,)`` or ``(n, classes)``."""
        if not self._classes.size:
            return Predictions(np.asarray(scores, dtype=np.float64).reshape(len(scores)))
        scores = np.asarray(scores, dtype=np.float64)
        if scores.ndim == 1:
            scores = np.column_stack([1 - scores, scores])
        return Predictions(self._classes[scores.argmax(axis=1)], scores if self._probability else None)
