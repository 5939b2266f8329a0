"""Random samples with all that a KS statistic can stumble over, and their split over pods and panes."""

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.floating]

SHAPES = ("normal", "discrete", "lognormal", "zeros", "infinite", "constant", "float32", "tenths")


def sample(random: np.random.Generator, shape: str, size: int, shift: float) -> Values:
    """One sample of `size` values; `shift` moves it, so that D is not always small."""
    if shape == "discrete":
        return random.integers(0, 6, size).astype(float) + np.round(shift)
    if shape == "lognormal":
        return random.lognormal(shift, 1.5, size)
    if shape == "zeros":
        return np.where(random.random(size) < 0.7, 0.0, random.normal(shift, 1, size)) * random.choice(
            [1, -1], size
        )
    if shape == "infinite":
        values = random.normal(shift, 1, size)
        values[random.random(size) < 0.1] = np.inf
        values[random.random(size) < 0.1] = -np.inf
        return values
    if shape == "constant":
        return np.full(size, 3.5 + np.round(shift))
    if shape == "float32":
        return random.normal(shift, 1, size).astype(np.float32)
    if shape == "tenths":
        return random.choice([0.1, 0.2, 0.3], size) + 0.1 * np.round(shift)
    return random.normal(shift, 1, size)


def with_missing(random: np.random.Generator, values: Values, share: float) -> Values:
    values = values.copy()
    values[random.random(values.size) < share] = np.nan
    return values


def split(random: np.random.Generator, values: Values, parts: int) -> list[Values]:
    """The values in any order, over `parts` parts of any size, empty ones too."""
    values = random.permutation(values)
    return np.split(values, np.sort(random.integers(0, values.size + 1, parts - 1)))
