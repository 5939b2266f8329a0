"""Traffic made from a reference profile alone: rows like the training data's, or moved away from it.

Each feature is drawn by itself from its reference counts: a cell by its share, then a value in the cell. So
every marginal is the reference's, and training data is not needed; dependence between features is lost, and
with it the distribution of a prediction that rests on it (`docs/packing.md`, "Traffic").
"""

from collections.abc import Collection
from enum import StrEnum
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tidegauge.errors import ProfileError
from tidegauge.nearest import or_nearest
from tidegauge.profile.profile import CategoricalFeature, Feature, NumericFeature, Profile
from tidegauge.telling import found, told

__all__ = ["Scenario", "columns", "rows"]

OTHER: Final = "other"  # for any value that is no category


class Scenario(StrEnum):
    """How far traffic is from the reference."""

    BASELINE = "baseline"
    MODERATE = "moderate"
    HIGH = "high"


SHIFT_SD: Final = {Scenario.BASELINE: 0.0, Scenario.MODERATE: 0.5, Scenario.HIGH: 2.0}
RECATEGORISED: Final = {Scenario.BASELINE: 0.0, Scenario.MODERATE: 0.25, Scenario.HIGH: 0.75}


def columns(
    profile: Profile,
    n: int,
    scenario: Scenario | str,
    rng: np.random.Generator,
    features: Collection[str] | None = None,
) -> dict[str, npt.NDArray[Any]]:
    """Draw `n` rows, column by column.

    Parameters
    ----------
    profile
        The reference.
    n
        Rows to draw.
    scenario
        ``baseline``: as the reference. ``moderate``: numeric features moved up by 0.5 standard deviations, of
        categorical ones a quarter of the rows set to the rarest category. ``high``: 2 standard deviations,
        three quarters. A feature of whole numbers moves in whole steps, as often as the mean needs.
    rng
        Source of randomness.
    features
        The features to move, by default all; the others stay as the reference.

    Returns
    -------
    dict
        Per model feature an array of shape ``(n,)``: floats with NaN for missing, or texts with None.

    Raises
    ------
    ProfileError
        `features` names one the profile does not have, or `scenario` is none.
    """
    names = [feature.name for feature in profile.features]
    unknown = sorted(set(features or ()) - set(names))
    if unknown:
        said, near = (
            found("features", unknown[0], f"no feature {unknown[0]!r}"),
            or_nearest(unknown[0], names),
        )
        raise ProfileError("only a feature of the profile can be moved", argument=said, step=near)
    try:
        scenario = Scenario(scenario)
    except ValueError:
        said, near = (
            found("scenario", scenario, f"scenario {told(scenario)}"),
            or_nearest(str(scenario), Scenario),
        )
        raise ProfileError("there is none of this name", argument=said, step=near) from None
    moved = set(names if features is None else features)
    return {
        feature.name: _draw(feature, n, scenario if feature.name in moved else Scenario.BASELINE, rng)
        for feature in profile.features
    }


def rows(
    profile: Profile,
    n: int,
    scenario: Scenario | str,
    rng: np.random.Generator,
    features: Collection[str] | None = None,
) -> list[dict[str, Any]]:
    """Return the rows of `columns` as dicts that JSON can hold; a missing value is None."""
    drawn = columns(profile, n, scenario, rng, features)
    lists = [[_plain(value) for value in values.tolist()] for values in drawn.values()]
    return [dict(zip(drawn, values, strict=True)) for values in zip(*lists, strict=True)]


def _plain(value: Any) -> Any:
    if not isinstance(value, float):
        return value
    if value != value:  # NaN
        return None
    return int(value) if value.is_integer() else value


def _draw(feature: Feature, n: int, scenario: Scenario, rng: np.random.Generator) -> npt.NDArray[Any]:
    total, reference = feature.total + feature.missing, feature.compared
    values = reference * (feature.total / max(1, reference.sum()))
    shares = np.append(values, feature.missing) / max(total, 1)
    cells = rng.choice(shares.size, size=n, p=shares) if total else np.full(n, shares.size - 1)
    if isinstance(feature, NumericFeature):
        return _numbers(feature, cells, scenario, rng)
    return _texts(feature, cells, scenario, rng)


def _numbers(
    feature: NumericFeature, cells: npt.NDArray[np.int64], scenario: Scenario, rng: np.random.Generator
) -> npt.NDArray[Any]:
    """A value per cell: its cut point, or anywhere between two; the last index is a missing value."""
    cuts = feature.cut_points.astype(np.float64)
    low = np.concatenate(([feature.min], np.repeat(cuts, 2), [np.nan]))[cells]
    high = np.concatenate((np.repeat(cuts, 2), [feature.max, np.nan]))[cells]
    with np.errstate(invalid="ignore"):  # infinite values have no width
        width = np.nan_to_num(high - low, nan=0.0, posinf=0.0)
    values = low + rng.random(cells.size) * width
    step = SHIFT_SD[scenario] * (feature.sd if feature.sd > 0 else 1.0)
    if step:
        values += _whole_steps(step, cells.size, rng) if _is_whole(cuts) else step
    return np.asarray(values, dtype=feature.dtype)


def _is_whole(cuts: npt.NDArray[np.float64]) -> bool:
    finite = cuts[np.isfinite(cuts)]
    return bool((finite == np.round(finite)).all())


def _whole_steps(step: float, n: int, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Whole numbers with mean `step`: those beside it, by chance."""
    return np.asarray(np.floor(step) + (rng.random(n) < step % 1), dtype=np.float64)


def _texts(
    feature: CategoricalFeature, cells: npt.NDArray[np.int64], scenario: Scenario, rng: np.random.Generator
) -> npt.NDArray[Any]:
    """A category per cell; the last but one index is every other value, the last a missing one."""
    values = np.array([*feature.categories, OTHER, None], dtype=object)[cells]
    recategorised = rng.random(cells.size) < RECATEGORISED[scenario]
    values[recategorised] = feature.categories[-1] if len(feature.categories) > 1 else OTHER
    return values
