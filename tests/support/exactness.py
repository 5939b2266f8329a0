"""The oracle: D of merged counts beside `scipy.stats.ks_2samp` on the pooled raw rows."""

import warnings
from dataclasses import dataclass
from functools import reduce
from operator import add

import numpy as np
from scipy.stats import ks_2samp
from support.samples import SHAPES, sample, split, with_missing

from tidegauge import KS, Profile


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
