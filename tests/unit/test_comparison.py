"""Two profiles compared: the distance is certain, and what changed is named."""

import numpy as np
import pytest
from scipy.stats import ks_2samp

from tidegauge.profile.comparison import compare
from tidegauge.profile.profile import Profile


def one_column(values: object, **options: object) -> Profile:
    return Profile.fit({"x": values}, **options)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("cut_points", [7, 64, 4096])
def test_the_distance_is_never_above_scipys_and_close_below(seed, cut_points):
    rng = np.random.default_rng(seed)
    old = rng.normal(size=500).round(rng.integers(0, 3))
    new = rng.normal(rng.uniform(0, 1), 1, size=300).round(1)
    (found,) = compare(one_column(old, cut_points=cut_points), one_column(new, cut_points=cut_points))
    exact = ks_2samp(old, new).statistic
    assert found.distance <= exact + 1e-12
    assert found.distance >= exact - 2 / (cut_points + 1) - 1e-12


def test_the_same_data_twice_differs_in_nothing():
    values = np.arange(50.0)
    (found,) = compare(one_column(values), one_column(values))
    assert found.changes == ()
    assert found.distance == 0


def test_categories_that_come_and_go_are_named():
    old, new = ["a"] * 6 + ["b"] * 4, ["a"] * 6 + ["c"] * 4
    (found,) = compare(one_column(old), one_column(new))
    assert found.changes == ("-b", "+c")
    assert found.distance == pytest.approx(0.4)


def test_a_feature_in_one_profile_only_is_named():
    old = Profile.fit({"x": np.arange(9.0), "y": np.arange(9.0)})
    new = Profile.fit({"x": np.arange(9.0), "z": np.arange(9.0)})
    assert {d.name: d.changes for d in compare(old, new)} == {
        "x": (),
        "y": ("only in the old",),
        "z": ("only in the new",),
    }


def test_a_feature_of_another_kind_or_dtype_is_named():
    numbers, names = np.arange(9.0), [str(i) for i in range(9)]
    assert compare(one_column(numbers), one_column(names))[0].changes == ("numeric -> categorical",)
    narrow = one_column(numbers, dtypes={"x": "float32"})
    assert compare(one_column(numbers), narrow)[0].changes[0] == "float64 -> float32"
