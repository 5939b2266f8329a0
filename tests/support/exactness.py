"""The oracle: D of merged counts beside `scipy.stats.ks_2samp` on the pooled raw rows."""

import warnings
from dataclasses import dataclass
from functools import reduce
from operator import add

import numpy as np
import numpy.typing as npt
from scipy.stats import ks_2samp

from tidegauge import KS, Profile

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


@dataclass(frozen=True)
class Case:
    """One random comparison: ours, and scipy's two-sided, greater and less."""

    seed: int
    shape: str
    exact: bool
    ours: KS
    oracle: tuple[float, float, float]

    @property
    def errors(self) -> tuple[float, float, float]:
        """Ours minus scipy's, in the same order."""
        ours = (self.ours.statistic, self.ours.greater, self.ours.less)
        return tuple(a - b for a, b in zip(ours, self.oracle, strict=True))  # type: ignore[return-value]

    @property
    def holds(self) -> bool:
        """Equal with all distinct values kept, else inside the published bracket."""
        width = self.ours.upper - self.ours.lower
        if self.exact:
            return width == 0 and max(map(abs, self.errors)) < 1e-12
        return all(-width - 1e-12 <= error <= 1e-12 for error in self.errors)


def run_case(seed: int) -> Case:
    """A case that `seed` decides: shape, sizes, shift, cut points, missing values, pods and panes."""
    random = np.random.default_rng(seed)
    shape = SHAPES[seed % len(SHAPES)]
    m, n = (int(10 ** random.uniform(0.3, 3.4)) for _ in range(2))
    shift = random.choice([0.0, 0.0, 0.2, 1.0])
    reference = with_missing(random, sample(random, shape, m, 0.0), random.choice([0.0, 0.1]))
    live = with_missing(random, sample(random, shape, n, shift), random.choice([0.0, 0.2]))
    reference[0], live[0] = sample(random, shape, 2, 0.0)
    cut_points = m if random.random() < 0.4 else int(random.integers(1, max(2, min(200, m // 2))))
    dtype = "float32" if shape in ("float32", "tenths") else "float64"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        profile = Profile.fit({"x": reference}, cut_points, dtypes={"x": dtype})
        parts = split(random, live, int(random.integers(1, 51)))
        counts = reduce(add, [profile.count({"x": part}) for part in parts])
    cast = [values[~np.isnan(values)].astype(dtype) for values in (live, reference)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scipy's, where its exact p-value has none
        oracle = tuple(
            float(ks_2samp(*cast, alternative=side, method="asymp").statistic)
            for side in ("two-sided", "greater", "less")
        )
    return Case(seed, shape, profile.features[0].exact, counts.ks("x"), oracle)
