"""The rate of values that the reference does not name: other categories, or numbers between the few known.

The reference's own rate may not be 0 although every value of it has a name. Then, of what comes next, as
large a share is new as was seen exactly once so far.

References
----------
Good 1953, Biometrika 40:237 (and Turing); Esty 1983, Ann. Stat. 11:905 (its variance).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tidegauge.profile.features import CategoricalFeature, Feature
from tidegauge.stats.evidence import Evidence, Limits, Sums
from tidegauge.stats.rates import Rate, reference_bound
from tidegauge.stats.statistic import Statistic
from tidegauge.stats.tables import Kind, Reference, Sample, unnamed_cells

__all__ = ["STATISTIC", "expected_rate"]


def expected_rate(feature: Feature) -> tuple[float, float]:
    """Return the share of rows that will be of no named value, and what each reference row says of it.

    Where the names were chosen by other rows than those compared, it is their share of other values.
    Otherwise a value is named because it was there, and the estimate of Good and Turing is taken. That errs
    more than a share of independent rows: by a variance of ``s + 2 t - s^2 / m`` for s values seen once and t
    seen twice. So each row counts as less than one, from 0 to 1.

    Examples
    --------
    Two of ten values were seen once, none twice: each fifth value to come may be new.

    >>> counts = np.array([8, 1, 1, 0])
    >>> seen = CategoricalFeature(name="x", categories=("a", "b", "c"), counts=counts, missing=0)
    >>> expected_rate(seen)
    (0.2, 1.0)
    """
    counts, unseen = feature.compared, unnamed_cells(feature, feature.cells)
    m, outside = max(1, int(counts.sum())), int(counts[unseen].sum())
    if isinstance(feature, CategoricalFeature) and feature.held_out is not None:
        return outside / m, 1.0
    once, twice = (int(np.count_nonzero(counts[~unseen] == times)) for times in (1, 2))
    rate = (outside + once) / m
    usual = (once + 1) * (1 - rate)
    return rate, usual / (usual + 2 * twice) if twice else 1.0


class UnseenRate(Statistic):
    """Decides for categorical features, and for numeric ones with few distinct values."""

    name = "unseen"
    kinds = frozenset({Kind.DISCRETE, Kind.CATEGORICAL})
    reads = frozenset({"n", "bins"})
    publishes = ("unseen_rate",)

    def __init__(self, reference: Reference, pairs: int) -> None:
        super().__init__(reference, pairs)
        rate, worth = np.array([expected_rate(feature) for feature in reference.features]).T
        m = reference.m
        self._bound = reference_bound(rate * m / np.maximum(m, 1), m * worth, pairs)

    def decide(self, sums: Sums, limits: Limits) -> Evidence:
        """Return the rate's excess over the reference's."""
        r = self.reference
        unseen = np.add.reduceat(np.where(r.unseen_bins, sums.bins, 0.0), r.bin_offsets[:-1], axis=1)
        return Rate.of(unseen, sums.n).above(self._bound, limits)

    @staticmethod
    def figures(sample: Sample) -> Mapping[str, float | None]:
        """Return the live rate; of a feature with many distinct numbers there is none."""
        if sample.kind is Kind.CONTINUOUS:
            return {}
        return {"unseen_rate": float(sample.live[sample.unseen].sum()) / sample.n}


STATISTIC = UnseenRate
