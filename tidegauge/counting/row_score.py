"""Drift score of one row: the mean absolute z over its numeric features.

``z = (x - mean) / sd`` against the profile. Features whose reference has no spread, and missing values,
are left out. A quick look at one row, not a test: 0.8 is usual for normal data (``sqrt(2 / pi)``), more
than 2 is far out.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tidegauge.profile.features import NumericFeature
from tidegauge.profile.profile import Profile

__all__ = ["RowScorer"]


class RowScorer:
    """Scores rows against a profile.

    Parameters
    ----------
    profile
        Gives mean and standard deviation of each numeric feature.
    """

    def __init__(self, profile: Profile) -> None:
        self._terms = [
            (index, feature.mean, 1.0 / feature.sd)
            for index, feature in enumerate(profile.features)
            if isinstance(feature, NumericFeature) and feature.sd > 0
        ]
        self._columns = np.array([index for index, _, _ in self._terms], dtype=np.intp)
        self._means = np.array([mean for _, mean, _ in self._terms])
        self._scales = np.array([scale for _, _, scale in self._terms])

    def score(self, values: Sequence[float]) -> float:
        """Score of one row.

        Parameters
        ----------
        values
            The model's features in profile order; NaN is missing, categorical ones are not looked at.

        Returns
        -------
        float
            Mean ``|z|``, at least 0; 0 where no feature can be scored.
        """
        total, number = 0.0, 0
        for index, mean, scale in self._terms:
            value = values[index]
            if value == value:
                total += abs(value - mean) * scale
                number += 1
        return total / number if number else 0.0

    def score_matrix(self, matrix: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float64]:
        """Return scores of many rows.

        Parameters
        ----------
        matrix
            Shape ``(n, features)`` or more columns, as `score` takes them.

        Returns
        -------
        numpy.ndarray
            Shape ``(n,)``.
        """
        z = np.abs(matrix[:, self._columns].astype(np.float64) - self._means) * self._scales
        present = ~np.isnan(z)
        number = present.sum(axis=1)
        total = np.where(present, z, 0.0).sum(axis=1)
        return np.asarray(total / np.maximum(number, 1))
