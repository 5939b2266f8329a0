"""Differences between two reference profiles: how training data moved between versions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tidegauge.profile.profile import CategoricalFeature, Feature, NumericFeature, Profile

__all__ = ["FeatureDifference", "compare"]


@dataclass(frozen=True)
class FeatureDifference:
    """One feature in two profiles.

    Parameters
    ----------
    name
        The feature.
    changes
        What is another, in words; empty when nothing is.
    mean, sd
        Before and after, for a feature that is numeric in both.
    distance
        Lower bound of the two references' distance: of the KS statistic D for numbers, of the total variation
        distance for categories. None where they cannot be compared.
    """

    name: str
    changes: tuple[str, ...]
    mean: tuple[float, float] | None = None
    sd: tuple[float, float] | None = None
    distance: float | None = None


def compare(before: Profile, after: Profile) -> list[FeatureDifference]:
    """Return differences of all features that either profile has, in the order of the older one."""
    old = {feature.name: feature for feature in before.monitored}
    new = {feature.name: feature for feature in after.monitored}
    return [_compare(name, old.get(name), new.get(name)) for name in {**old, **new}]


def _compare(name: str, old: Feature | None, new: Feature | None) -> FeatureDifference:
    if old is None or new is None:
        return FeatureDifference(name, ("only in the old" if new is None else "only in the new",))
    if isinstance(old, NumericFeature) and isinstance(new, NumericFeature):
        return _numeric(name, old, new)
    if isinstance(old, CategoricalFeature) and isinstance(new, CategoricalFeature):
        return _categorical(name, old, new)
    return FeatureDifference(name, (f"{old.kind} -> {new.kind}",))


def _numeric(name: str, old: NumericFeature, new: NumericFeature) -> FeatureDifference:
    changes = []
    if old.dtype != new.dtype:
        changes.append(f"{old.dtype} -> {new.dtype}")
    if not np.array_equal(old.cut_points, new.cut_points):
        changes.append("cut points")
    if not np.array_equal(old.counts, new.counts):
        changes.append("counts")
    distance = (
        max(_certain_distance(old, new), _certain_distance(new, old)) if old.total and new.total else None
    )
    return FeatureDifference(name, tuple(changes), (old.mean, new.mean), (old.sd, new.sd), distance)


def _certain_distance(one: NumericFeature, other: NumericFeature) -> float:
    """Largest ``|F - G|`` certain at cut points of `one`, where of `other` only bounds of G are known."""
    if not one.cut_points.size:
        return 0.0
    at_cuts = np.cumsum(one.counts)[1::2] / one.total
    lower, upper = _ecdf_bounds(other, one.cut_points.astype(np.float64))
    return float(np.max([at_cuts - upper, lower - at_cuts, np.zeros_like(at_cuts)]))


def _ecdf_bounds(
    feature: NumericFeature, points: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Bounds of a feature's ECDF at any points: it is known exactly at cut points only."""
    cuts = feature.cut_points.astype(np.float64)
    cumulated = np.concatenate([[0], np.cumsum(feature.counts)]) / feature.total
    below = 2 * np.searchsorted(cuts, points, "right")  # cells that end at or below the point
    at_cut = np.isin(points, cuts)
    return cumulated[below], np.where(at_cut, cumulated[below], cumulated[below + 1])


def _categorical(name: str, old: CategoricalFeature, new: CategoricalFeature) -> FeatureDifference:
    gone = [category for category in old.categories if category not in new.codes]
    come = [category for category in new.categories if category not in old.codes]
    changes = [f"{sign}{category}" for sign, group in (("-", gone), ("+", come)) for category in group[:5]]
    if not changes and not np.array_equal(_shares(old, old.categories), _shares(new, old.categories)):
        changes.append("counts")
    if not (old.total and new.total):
        return FeatureDifference(name, tuple(changes))
    union = [*old.categories, *come]
    distance = max(_certain_excess(old, new, union), _certain_excess(new, old, union))
    return FeatureDifference(name, tuple(changes), distance=distance)


def _certain_excess(one: CategoricalFeature, other: CategoricalFeature, categories: list[str]) -> float:
    """Share of rows certainly in excess in `one`: a category `other` does not name may be all of its rest."""
    rest = float(other.counts[-1] / other.total)
    least, most = _shares(one, categories, 0.0), _shares(other, categories, rest)
    return float(np.maximum(least - most, 0).sum())


def _shares(
    feature: CategoricalFeature, categories: Sequence[str], unknown: float = 0.0
) -> npt.NDArray[np.float64]:
    counts, total = feature.counts, max(feature.total, 1)
    return np.array([counts[feature.codes[c]] / total if c in feature.codes else unknown for c in categories])
