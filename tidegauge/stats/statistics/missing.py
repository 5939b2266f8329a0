"""The rate of missing values: it may rise, and it may fall.

A rate that falls is the rate of rows with a value that rises. Values that begin to come are drift too, for
example behind a new imputation.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tidegauge.stats.evidence import Evidence, Limits, Sums
from tidegauge.stats.rates import Rate, reference_bound
from tidegauge.stats.statistic import Statistic
from tidegauge.stats.tables import Kind, Reference, Sample

__all__ = ["STATISTIC"]


class MissingRate(Statistic):
    """Decides for every feature, also where the reference has no values.

    Examples
    --------
    30 of 100 rows have no value, where 1 of 1,000 reference rows has none.

    >>> from tidegauge.profile.features import CategoricalFeature
    >>> known = CategoricalFeature(name="x", categories=("a",), counts=np.array([999, 0]), missing=1)
    >>> MissingRate.figures(Sample.of(known, np.array([70, 0]), missing=30))
    {'missing_rate': 0.3, 'reference_missing_rate': 0.001}
    """

    name = "missing"
    kinds = frozenset(Kind)
    leads = frozenset({Kind.EMPTY})
    reads = frozenset({"n", "missing"})
    publishes = ("missing_rate", "reference_missing_rate")

    def __init__(self, reference: Reference, pairs: int) -> None:
        super().__init__(reference, pairs)
        rows, present = reference.rows, reference.total
        self._missing = reference_bound((rows - present) / np.maximum(rows, 1), rows, pairs)
        self._present = reference_bound(present / np.maximum(rows, 1), rows, pairs)

    def decide(self, sums: Sums, limits: Limits) -> Evidence:
        """Return the rate's excess over the reference's, of missing or of present values."""
        rows = sums.n + sums.missing
        missing, present = Rate.of(sums.missing, rows), Rate.of(sums.n, rows)
        fell = present.rate - self._present > missing.rate - self._missing
        if fell.all():  # as where nothing is missing
            return present.above(self._present, limits)
        more, fewer = missing.above(self._missing, limits), present.above(self._present, limits)
        return Evidence(
            np.where(fell, fewer.point, more.point),
            np.where(fell, fewer.lower, more.lower),
            np.where(fell, fewer.detected, more.detected),
            limits.half_width,
        )

    @staticmethod
    def figures(sample: Sample) -> Mapping[str, float | None]:
        """Return the live rate and the reference's."""
        feature, rows = sample.feature, sample.n + sample.missing
        return {
            "missing_rate": sample.missing / rows if rows else None,
            "reference_missing_rate": feature.missing / (feature.total + feature.missing),
        }


STATISTIC = MissingRate
