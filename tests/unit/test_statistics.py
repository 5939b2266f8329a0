"""One contract for all statistics, and scipy as their oracle."""

import doctest
import importlib
from pathlib import Path

import numpy as np
import pytest
import scipy.spatial.distance
import scipy.stats

from tidegauge import Profile, ProfileError
from tidegauge.counting.ks import ks_two_sample
from tidegauge.stats.distance import total_variation
from tidegauge.stats.rates import bernoulli_kl, rate_lower_bound, rate_upper_bound
from tidegauge.stats.statistics.g import g_test
from tidegauge.stats.statistics.hellinger import hellinger
from tidegauge.stats.statistics.jensen_shannon import jensen_shannon
from tidegauge.stats.statistics.ks import kolmogorov_pvalue
from tidegauge.stats.statistics.psi import psi
from tidegauge.stats.statistics.rank_mean import rank_mean
from tidegauge.stats.statistics.wasserstein import wasserstein

PACKAGE = Path(__file__).parents[2] / "tidegauge"

EDGES = np.arange(5.0)
# Each takes two vectors of 11 cells (5 cut points) and is a distance: name -> (function, its upper bound).
DISTANCES = {
    "ks": (lambda a, b: ks_two_sample(a, b).statistic, 1.0),
    "rank_mean": (lambda a, b: abs(rank_mean(a, b).statistic - 0.5), 0.5),
    "g": (lambda a, b: g_test(a, b).statistic, np.inf),
    "psi": (lambda a, b: psi(a, b).statistic, np.inf),
    "js": (jensen_shannon, np.sqrt(np.log(2)) + 1e-12),
    "hellinger": (hellinger, 1.0),
    "tv": (total_variation, 1.0),
    "wasserstein": (lambda a, b: wasserstein(a, b, EDGES), 4.0),
}


def _counts(random: np.random.Generator, rows: int) -> np.ndarray:
    return random.multinomial(rows, random.dirichlet(np.ones(11)))


@pytest.mark.parametrize("name", DISTANCES)
class TestContract:
    def test_identical_counts_are_at_distance_zero(self, name: str) -> None:
        statistic, _ = DISTANCES[name]
        counts = _counts(np.random.default_rng(1), 500)
        assert statistic(counts, counts) == pytest.approx(0, abs=1e-12)

    def test_equal_shares_of_other_sizes_are_at_distance_zero(self, name: str) -> None:
        statistic, _ = DISTANCES[name]
        counts = _counts(np.random.default_rng(2), 500)
        tolerance = 1e-3 if name == "psi" else 1e-7  # its +1/2 does not scale
        assert statistic(counts, 10 * counts) == pytest.approx(0, abs=tolerance)

    def test_a_statistic_stays_within_its_bounds(self, name: str) -> None:
        statistic, bound = DISTANCES[name]
        random = np.random.default_rng(3)
        values = [statistic(_counts(random, 50), _counts(random, 70)) for _ in range(100)]
        assert 0 <= min(values) <= max(values) <= bound

    def test_any_split_over_pods_gives_the_same(self, name: str) -> None:
        statistic, _ = DISTANCES[name]
        random = np.random.default_rng(4)
        pods, reference = [_counts(random, 40) for _ in range(5)], _counts(random, 300)
        assert statistic(sum(pods), reference) == statistic(sum(reversed(pods)), reference)

    def test_no_rows_are_no_distance(self, name: str) -> None:
        statistic, _ = DISTANCES[name]
        empty, some = np.zeros(11, dtype=np.int64), _counts(np.random.default_rng(5), 30)
        assert statistic(empty, some) == statistic(some, empty) == 0

    def test_a_larger_move_is_a_larger_distance(self, name: str) -> None:
        statistic, _ = DISTANCES[name]
        base = np.full(11, 100)
        moved = [
            base + np.eye(11, dtype=np.int64)[10] * k - np.eye(11, dtype=np.int64)[0] * k
            for k in (10, 40, 90)
        ]
        values = [statistic(m, base) for m in moved]
        assert values == sorted(values)
        assert values[0] < values[-1] or name == "wasserstein"


def _samples(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Discrete samples: with few values every statistic from counts is exact."""
    m, n = random.integers(20, 300, 2)
    return random.integers(0, 8, m).astype(float), random.integers(0, random.integers(4, 9), n).astype(float)


@pytest.mark.parametrize("seed", range(40))
def test_statistics_from_counts_are_those_of_scipy_on_the_rows(seed: int) -> None:
    reference, live = _samples(np.random.default_rng(seed))
    profile = Profile.fit(reference[:, None], 1024, ["x"])
    feature = profile.feature("x")
    inside = live[np.isin(live, feature.cut_points)]
    cells = profile.count(inside[:, None]).feature("x").cells
    counts, points = feature.counts, feature.cut_points
    assert ks_two_sample(cells, counts).statistic == pytest.approx(
        scipy.stats.ks_2samp(inside, reference).statistic, abs=1e-14
    )
    oracle = scipy.stats.mannwhitneyu(inside, reference, use_continuity=False, method="asymptotic")
    mine = rank_mean(cells, counts)
    assert mine.statistic == pytest.approx(oracle.statistic / (inside.size * reference.size), abs=1e-12)
    assert mine.pvalue == pytest.approx(oracle.pvalue, rel=1e-6)
    assert wasserstein(cells, counts, points) == pytest.approx(
        scipy.stats.wasserstein_distance(inside, reference), abs=1e-12
    )
    table = np.stack([cells[1::2], counts[1::2]])
    g = g_test(cells, counts)
    oracle = scipy.stats.chi2_contingency(table, correction=False, lambda_="log-likelihood")
    assert (g.statistic, g.degrees) == (pytest.approx(oracle.statistic, abs=1e-9), oracle.dof)
    assert g.pvalue == pytest.approx(oracle.pvalue, rel=1e-9)
    assert jensen_shannon(cells, counts) == pytest.approx(
        scipy.spatial.distance.jensenshannon(*table), abs=1e-9
    )


def test_the_asymptotic_pvalue_is_on_the_safe_side_of_the_exact_one() -> None:
    random = np.random.default_rng(9)
    for n in (200, 1000):
        live, reference = random.normal(0.3, size=n), random.normal(size=2000)
        oracle = scipy.stats.ks_2samp(live, reference, method="exact")
        mine = kolmogorov_pvalue(oracle.statistic, n, 2000)
        assert oracle.pvalue <= mine <= 1.5 * oracle.pvalue


def test_psi_without_drift_is_about_its_noise_floor() -> None:
    random = np.random.default_rng(6)
    shares = np.full(10, 0.1)
    found = [psi(random.multinomial(1000, shares), random.multinomial(5000, shares)) for _ in range(500)]
    assert np.mean([f.statistic for f in found]) == pytest.approx(found[0].noise, rel=0.1)


def test_rate_bounds_end_where_chernoff_says() -> None:
    rate, trials = np.array([0.0, 0.02, 0.5, 1.0]), np.array([1e3, 5e3, 100.0, 50.0])
    upper, lower = rate_upper_bound(rate, trials, 1e-3), rate_lower_bound(rate, trials, np.log(1e3))
    assert (lower <= rate).all()
    assert (rate <= upper).all()
    inner = slice(0, 3)
    assert (trials * bernoulli_kl(rate, upper))[inner] == pytest.approx(np.log(1e3), rel=1e-6)
    assert (trials * bernoulli_kl(rate, lower))[1:] == pytest.approx(np.log(1e3), rel=1e-6)


def test_rate_bounds_hold_as_often_as_they_say() -> None:
    random = np.random.default_rng(8)
    trials = np.full(20_000, 400.0)
    rate = random.binomial(400, 0.03, 20_000) / 400
    assert np.mean(rate_upper_bound(rate, trials, 0.05) < 0.03) <= 0.05
    assert np.mean(rate_lower_bound(rate, trials, np.log(20)) > 0.03) <= 0.05


def test_wasserstein_needs_every_cut_point_finite() -> None:
    with pytest.raises(ProfileError, match="finite"):
        wasserstein(np.ones(5), np.ones(5), np.array([0.0, np.inf]))


WITH_EXAMPLES = [
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
    for path in sorted(PACKAGE.rglob("*.py"))
    if ">>> " in path.read_text()
]


@pytest.mark.parametrize("module", WITH_EXAMPLES)
def test_examples_in_docstrings_give_what_they_say(module: str) -> None:
    result = doctest.testmod(importlib.import_module(module))
    assert result.attempted > 0
    assert result.failed == 0
