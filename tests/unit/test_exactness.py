"""D from merged counts is D of the pooled raw rows."""

import math

import numpy as np
import pytest
from scipy.stats import ks_2samp
from support.exactness import run_case

from tidegauge import Profile


@pytest.mark.slow
@pytest.mark.parametrize("block", range(8))
def test_merged_counts_give_the_statistic_of_the_pooled_rows(block: int) -> None:
    cases = [run_case(seed) for seed in range(block * 40, block * 40 + 40)]
    wrong = [case for case in cases if not case.holds]
    assert not wrong
    assert {case.exact for case in cases} == {True, False}


@pytest.mark.soak
@pytest.mark.parametrize("block", range(10))
def test_merged_counts_give_the_statistic_of_the_pooled_rows_in_many_cases(block: int) -> None:
    assert not [
        case for seed in range(block * 1000, block * 1000 + 1000) if not (case := run_case(seed)).holds
    ]


def test_the_p_value_is_the_asymptotic_one() -> None:
    random = np.random.default_rng(1)
    reference, live = random.normal(size=5000), random.normal(0.1, 1, size=800)
    result = Profile.fit({"x": reference}, 5000).count({"x": live}).ks("x")
    n, m = 800, 5000
    scaled = math.sqrt(n * m / (n + m)) * result.statistic
    series = 2 * sum((-1) ** (j - 1) * math.exp(-2 * (j * scaled) ** 2) for j in range(1, 100))
    assert result.pvalue == pytest.approx(series, rel=1e-9)
    assert result.pvalue == pytest.approx(ks_2samp(live, reference, method="asymp").pvalue, rel=0.15)


def test_cut_points_and_values_are_compared_in_the_serving_dtype() -> None:
    """0.1 as float32 is not 0.1 as float64: without the cast D would be a third."""
    values = np.tile([0.1, 0.2, 0.3], 1000)
    profile = Profile.fit({"x": values}, dtypes={"x": "float32"})
    assert profile.count({"x": values.astype(np.float32)}).ks("x").statistic == 0
    assert profile.count({"x": values}).ks("x").statistic == 0


def test_a_negative_zero_is_zero() -> None:
    profile = Profile.fit({"x": np.array([-0.0, 0.0, 1.0])})
    assert not np.signbit(profile.features[0].cut_points).any()
    assert profile.count({"x": np.array([0.0, -0.0, 1.0])}).ks("x").statistic == 0


def test_whole_numbers_up_to_2_to_the_53_are_told_apart() -> None:
    values = np.array([2**53 - 2, 2**53 - 1, 2**53])
    profile = Profile.fit({"x": values})
    assert profile.count({"x": values[:1]}).ks("x").statistic == pytest.approx(2 / 3)


def test_the_bracket_is_attained_by_a_window_within_one_gap() -> None:
    reference = np.arange(1000.0)
    profile = Profile.fit({"x": reference}, cut_points=9)
    result = profile.count({"x": np.full(500, 100.5)}).ks("x")
    truth = ks_2samp(np.full(500, 100.5), reference).statistic
    assert result.lower < truth <= result.upper
    assert result.upper - result.lower <= 1 / 10


def test_no_rows_know_nothing() -> None:
    result = Profile.fit({"x": [1.0, 2.0]}).count({"x": np.empty(0)}).ks("x")
    assert (result.statistic, result.lower, result.upper, result.pvalue) == (0, 0, 1, 1)


def test_counts_too_many_for_whole_number_products_still_compare() -> None:
    from tidegauge.counting.ks import ks_two_sample

    reference = np.array([0, 1, 0, 3, 0], dtype=np.int64)
    small, large = (
        ks_two_sample(np.array([0, 2, 0, 2, 0]) * scale, reference * scale) for scale in (1, 10**12)
    )
    assert large.statistic == pytest.approx(small.statistic, abs=1e-12)
