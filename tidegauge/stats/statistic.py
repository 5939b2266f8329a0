"""What every statistic is: a name, its features, a decision from sums, and figures for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from tidegauge.arrays import BoolArray
from tidegauge.stats.evidence import Evidence, Limits, Sums
from tidegauge.stats.tables import Kind, Reference, Sample

__all__ = ["Statistic"]


class Statistic:
    """One way to compare live counts with the reference; each has a file in `tidegauge.stats.statistics`.

    A statistic *decides*, *publishes*, or does both. One that decides has a share of the false-alarm budget
    for each feature of its kinds. One that publishes gives figures of a report's window.

    Parameters
    ----------
    reference
        The reference's tables.
    pairs
        (feature, statistic) pairs that may alarm in the whole deployment.

    Attributes
    ----------
    name
        Its name as a report's `cause`.
    kinds
        Kinds of feature for which it may alarm; empty: it only publishes.
    leads
        Kinds for which its bound is published while no statistic is significant. Each kind has one leader.
    reads
        The fields of `Sums` that `decide` uses.
    publishes
        Names of its figures in a report.
    """

    name: ClassVar[str]
    kinds: ClassVar[frozenset[Kind]] = frozenset()
    leads: ClassVar[frozenset[Kind]] = frozenset()
    reads: ClassVar[frozenset[str]] = frozenset()
    publishes: ClassVar[tuple[str, ...]] = ()

    def __init__(self, reference: Reference, pairs: int) -> None:
        self.reference = reference
        self.pairs = pairs

    @classmethod
    def applies(cls, reference: Reference) -> BoolArray:
        """Return the features for which it may alarm, shape ``(features,)``."""
        return np.array([kind in cls.kinds for kind in reference.kinds], dtype=bool)

    def decide(self, sums: Sums, limits: Limits) -> Evidence:
        """Return what it finds in all windows and features, also in those that it does not apply to."""
        raise NotImplementedError(f"{self.name} publishes figures and decides nothing")

    @staticmethod
    def figures(sample: Sample) -> Mapping[str, float | None]:  # noqa: ARG004
        """Return its figures of one feature in one window, None where one does not apply.

        It is asked where live and reference values are known; one that decides for `Kind.EMPTY` always is.
        """
        return {}

    @staticmethod
    def pvalue(sample: Sample, distance: float, noise: float) -> float | None:  # noqa: ARG004
        """Return the p-value of one look alone, of a feature that it leads.

        Parameters
        ----------
        sample
            The feature's counts in the window.
        distance
            The published distance of that window.
        noise
            ``design effect / n + 1 / m``.
        """
        return None
