"""All statistics: each file of `tidegauge.stats.statistics` holds one, as `STATISTIC`.

A new file is found without a line here. `docs/contributing/statistics.md` says what it must hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import import_module
from pkgutil import iter_modules
from typing import Final

import numpy as np
import numpy.typing as npt

from tidegauge.stats import statistics
from tidegauge.stats.statistic import Statistic
from tidegauge.stats.tables import Kind, Reference, Sample

__all__ = [
    "STATISTICS",
    "Statistics",
    "applying",
    "count_pairs",
    "figures_of",
    "leader_of",
    "unknown_figures",
]

Statistics = tuple[type[Statistic], ...]


def _from_files() -> Statistics:
    names = sorted(module.name for module in iter_modules(statistics.__path__))
    return tuple(import_module(f"{statistics.__name__}.{name}").STATISTIC for name in names)


STATISTICS: Final[Statistics] = _from_files()


def applying(reference: Reference, among: Statistics) -> dict[type[Statistic], npt.NDArray[np.bool_]]:
    """Return the statistics that may alarm for any feature, and for which, each ``(features,)``."""
    found = {statistic: statistic.applies(reference) for statistic in among if statistic.kinds}
    return {statistic: features for statistic, features in found.items() if features.any()}


def count_pairs(reference: Reference, among: Statistics = STATISTICS) -> int:
    """Count the (feature, statistic) pairs that may alarm."""
    return sum(int(features.sum()) for features in applying(reference, among).values())


def leader_of(kind: Kind, among: Iterable[type[Statistic]] = STATISTICS) -> type[Statistic]:
    """Return the statistic whose bound is published while none is significant."""
    return next(statistic for statistic in among if kind in statistic.leads)


def figures_of(sample: Sample, among: Statistics = STATISTICS) -> dict[str, float | None]:
    """Return all figures of one feature in one window."""
    figures: dict[str, float | None] = {}
    for statistic in among:
        if sample.is_comparable or Kind.EMPTY in statistic.kinds:
            figures |= statistic.figures(sample)
    return figures


def unknown_figures(among: Statistics = STATISTICS) -> Mapping[str, None]:
    """Return the names of all figures, each without a value."""
    return dict.fromkeys(name for statistic in among for name in statistic.publishes)
