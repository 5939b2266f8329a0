"""`Profile.fit` on odd columns: constants, identifiers, mixtures, empty ones, and names that clash."""

import warnings
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from support.small_frames import FRAME, fit_one

from tidegauge import Profile, ProfileError, SchemaError

RANDOM = np.random.default_rng(3)


def test_one_row_is_a_profile() -> None:
    profile = Profile.fit(FRAME.iloc[:1])
    assert profile.rows == 1
    assert [feature.cells for feature in profile.features] == [7, 3, 2, 3]


def test_a_constant_column_has_one_cut_point_and_no_spread() -> None:
    feature = fit_one(np.full(1000, 7.0))
    assert (feature.cut_points.tolist(), feature.sd, feature.beyond) == ([7.0], 0.0, 0)


def test_a_constant_with_a_fraction_has_the_limits_of_its_rounding_too() -> None:
    feature = fit_one(np.full(1000, 0.1))
    assert (feature.cut_points.size, feature.counts.tolist()) == (3, [0, 0, 0, 1000, 0, 0, 0])
    assert Profile.fit({"x": np.full(9, 0.1)}).count({"x": [0.2, 99.0]}).beyond.tolist() == [0]


@pytest.mark.parametrize("values", [[None, None], np.full(2, np.nan), np.full(2, np.nan, np.float32)])
def test_a_column_without_values_warns_and_has_one_cell(values: Any) -> None:
    with pytest.warns(UserWarning, match="'x' has no values"):
        feature = fit_one(values)
    assert (feature.cells, feature.missing, feature.total) == (1, 2, 0)
    assert np.isnan(feature.mean)


@pytest.mark.slow
def test_an_identifier_is_named_in_a_warning() -> None:
    with pytest.warns(UserWarning, match=r"'x' looks like an identifier.*exclude=\['x'\]"):
        feature = fit_one([f"customer-{i}" for i in range(100_000)])
    assert feature.cells == 1025
    assert feature.distinct == 100_000
    assert feature.counts[-1] == 100_000 - 1024


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("customer", np.arange(100_000)),
        ("customer", RANDOM.permutation(3000) + 10**9),
        ("customer", pd.Series(RANDOM.permutation(3000), dtype="Int64")),
        ("customer", np.arange(3000, dtype=np.float32)),
        ("customer", [*range(2000), None, *range(2000, 2050), 7]),
        *[(name, np.arange(3000) * 977) for name in ("id", "ID", "customer_id", "customerId", "order-Id")],
    ],
)
def test_a_numeric_identifier_is_named_in_a_warning(name: str, values: Any) -> None:
    with pytest.warns(UserWarning, match=rf"'{name}' looks like an identifier.*exclude=\['{name}'\]"):
        feature = Profile.fit({name: values}).features[0]
    assert feature.kind == "numeric"


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("few", np.arange(1024)),
        ("price", np.arange(3000) * 977),
        ("paid", np.arange(3000) * 977),
        ("GRID", np.arange(3000) * 977),
        ("sqft", RANDOM.integers(0, 5999, 3000)),
        ("customer_id", RANDOM.integers(0, 3000, 3000)),
        ("customer_id", np.arange(3000) + 0.5),
        ("customer_id", np.append(np.arange(3000.0), np.inf)),
        ("income", np.round(RANDOM.lognormal(10, 1, 100_000))),
    ],
)
def test_measures_in_whole_numbers_are_no_identifiers(name: str, values: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Profile.fit({name: values})


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        (2**62 + np.arange(2000), "float64"),
        (2**62 + RANDOM.integers(0, 3000, 2000), "float64"),
        (-(2**60) - 3 * np.arange(5000), "float64"),
        (np.array([9_007_199_254_740_993 + i for i in range(3000)], dtype=object), "float64"),
        (20_000_000 + np.arange(1500), "float32"),
    ],
)
def test_ids_that_floats_do_not_tell_apart_are_warned_of(values: Any, dtype: str) -> None:
    with pytest.warns(UserWarning, match="looks like an identifier .* tells [0-9]+ of them apart") as caught:
        Profile.fit({"key": values}, dtypes={"key": dtype})
    words = str(caught[0].message)
    distinct = np.unique(values.astype(dtype)).size
    assert distinct <= int(words.split("tells ")[1].split(" ")[0]) <= distinct + 2


@pytest.mark.parametrize(
    "values",
    [
        np.full(5000, 2.0**62),
        1e18 * RANDOM.lognormal(0, 1, 5000),
        np.where(RANDOM.random(5000) < 0.5, 2.0**62, 2.0**61),
        RANDOM.normal(1e20, 1e15, 5000),
    ],
)
def test_large_measures_are_no_identifiers(values: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Profile.fit({"flux": values})


def test_many_categories_that_return_are_no_identifier() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        feature = fit_one([f"zip-{i % 2000}" for i in range(100_000)])
    assert feature.counts[-1] == (2000 - 1024) * 50


def test_numbers_and_texts_mixed_are_categories_with_a_warning() -> None:
    with pytest.warns(UserWarning, match="mixes numbers and texts"):
        feature = fit_one([1, "a", 1.0, None])
    assert feature.categories == ("1", "a")


def test_a_mixture_that_is_meant_is_no_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fit_one([1, "a", 1.0, None], categorical=["x"]).categories == ("1", "a")


@pytest.mark.parametrize(
    "values", [np.array([1 + 2j, 3]), [1 + 2j, 3.0], pd.Series([1 + 2j, 3]), [np.complex64(1), 2]]
)
def test_complex_numbers_are_refused_by_the_columns_name(values: Any) -> None:
    with pytest.raises(SchemaError, match=r"'x' holds complex numbers.*exclude=\['x'\]"):
        fit_one(values)
    assert Profile.fit({"x": values, "y": [1, 2]}, exclude=["x"]).names == ("y",)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cut_points", "words"),
    [(2.5, "2.5"), (0, "0"), (10**9, "1000000000"), ("7", "'7'"), (None, "nothing"), (True, "true")],
)
def test_cut_points_that_are_no_whole_number_in_range_are_refused(cut_points: Any, words: str) -> None:
    with pytest.raises(ProfileError, match=rf"cut_points={words}: it must be a whole number from 1"):
        fit_one([1, 2, 3], cut_points=cut_points)


def test_cut_points_may_be_numpys_number() -> None:
    assert Profile.fit(FRAME, np.int64(7)) == Profile.fit(FRAME, 7)


def test_texts_among_numbers_can_be_taken_as_missing() -> None:
    feature = fit_one([1, "n/a", "2.5", None], dtypes={"x": "float64"})
    assert feature.cut_points[feature.counts[1::2] > 0].tolist() == [1, 2.5]
    assert feature.missing == 2


def test_a_column_name_that_is_there_twice_is_named() -> None:
    frame = pd.concat([FRAME, FRAME[["rooms"]]], axis=1)
    with pytest.raises(SchemaError, match="'rooms' is there twice"):
        Profile.fit(frame)
    with pytest.raises(SchemaError, match="'a' is there twice"):
        Profile.fit(np.zeros((2, 2)), feature_names=["a", "a"])


@pytest.mark.parametrize(
    "data", [pd.DataFrame(), FRAME.iloc[:0], [], {}, {"x": []}, pl.DataFrame(), np.empty((0, 2))]
)
def test_no_rows_make_no_profile(data: Any) -> None:
    names = ["a", "b"] if isinstance(data, np.ndarray) else None
    with pytest.raises(ProfileError, match=r"no reference rows|no columns"):
        Profile.fit(data, feature_names=names)


def test_a_column_of_times_asks_for_a_decision() -> None:
    frame = FRAME.assign(t=pd.Timestamp("2024-01-01"))
    with pytest.raises(SchemaError, match=r"'t' holds times.*exclude.*time="):
        Profile.fit(frame)
    assert "t" not in Profile.fit(frame, exclude=["t"]).names


def test_a_column_of_lists_is_refused() -> None:
    with pytest.raises(SchemaError, match="'x' holds lists"):
        fit_one([[1], [2]])


def test_a_feature_cannot_have_the_predictions_name() -> None:
    with pytest.raises(ProfileError, match="prediction='prediction'"):
        Profile.fit({"prediction": [1.0]})
    assert Profile.fit({"x": [1.0], "prediction": [1.0]}, prediction="prediction").names == (
        "x",
        "prediction",
    )
