"""The rate of values beyond three standard deviations of the reference, on either side."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from tidegauge.profile.features import NumericFeature
from tidegauge.stats.evidence import Evidence, Limits, Sums
from tidegauge.stats.rates import Rate, reference_bound
from tidegauge.stats.statistic import Statistic
from tidegauge.stats.tables import Kind, Reference, Sample

__all__ = ["STATISTIC"]


class ExceedanceRate(Statistic):
    """Decides for numeric features with many distinct values, if these differ at all.

    Examples
    --------
    Of 100 values 4 are beyond.

    >>> ends = np.array([-1.0, 1.0])
    >>> known = NumericFeature(
    ...     name="x", dtype="float64", cut_points=ends, counts=np.array([0, 500, 0, 500, 0]),
    ...     missing=0, mean=0.0, sd=1.0, min=-1.0, max=1.0, beyond=0,
    ... )
    >>> ExceedanceRate.figures(Sample.of(known, np.array([0, 48, 0, 48, 4]), beyond=4))
    {'exceedance_rate': 0.04}
    """

    name = "exceedance"
    kinds = frozenset({Kind.CONTINUOUS})
    reads = frozenset({"n", "beyond"})
    publishes = ("exceedance_rate",)

    def __init__(self, reference: Reference, pairs: int) -> None:
        super().__init__(reference, pairs)
        beyond = np.array([f.beyond if isinstance(f, NumericFeature) else 0 for f in reference.features])
        total = reference.total
        self._bound = reference_bound(beyond / np.maximum(total, 1), total, pairs)

    @classmethod
    def applies(cls, reference: Reference) -> npt.NDArray[np.bool_]:
        """Return the features of its kinds whose values differ: nothing is beyond the others."""
        spread = np.array([isinstance(f, NumericFeature) and f.sd > 0 for f in reference.features])
        applies: npt.NDArray[np.bool_] = super().applies(reference) & spread
        return applies

    def decide(self, sums: Sums, limits: Limits) -> Evidence:
        """Return the rate's excess over the reference's."""
        return Rate.of(sums.beyond, sums.n).above(self._bound, limits)

    @staticmethod
    def figures(sample: Sample) -> Mapping[str, float | None]:
        """Return the live rate of a numeric feature."""
        if not isinstance(sample.feature, NumericFeature):
            return {}
        return {"exceedance_rate": sample.beyond / sample.n}


STATISTIC = ExceedanceRate
