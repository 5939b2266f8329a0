"""`Profile.fit` on data as it comes: every kind of column gives a defined result or a clear error."""

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from support.small_frames import FRAME, fit_one

from tidegauge import CategoricalFeature, NumericFeature, Profile, ProfileError, SchemaError

RANDOM = np.random.default_rng(3)


# --- what a profile holds -----------------------------------------------------------------------------------


def test_the_features_keep_the_frames_order_and_kinds() -> None:
    profile = Profile.fit(FRAME)
    assert profile.names == ("sqft", "rooms", "city", "garden")
    assert [feature.kind for feature in profile.features] == ["numeric", "numeric", "categorical", "numeric"]
    assert profile.rows == 3000


def test_a_continuous_feature_is_cut_at_reference_quantiles() -> None:
    values = RANDOM.permutation(np.arange(1.0, 1001.0))
    feature = fit_one(values, cut_points=3)
    assert feature.cut_points.tolist() == [250, 500, 750]
    assert feature.counts.tolist() == [249, 1, 249, 1, 249, 1, 250]
    assert not feature.exact


def test_a_value_with_more_than_its_share_is_a_cut_point() -> None:
    values = np.concatenate([RANDOM.normal(size=5000), np.full(60, 0.123456)])
    feature = fit_one(values, cut_points=99)
    assert 0.123456 in feature.cut_points
    assert feature.counts[::2].max() < 5060 / 100


def test_few_distinct_values_are_all_cut_points() -> None:
    feature = Profile.fit(FRAME).feature("rooms")
    assert feature.cut_points.tolist() == [1, 2, 3, 4, 5, 6]
    assert feature.exact
    assert feature.distinct == 6


def test_moments_are_those_of_the_finite_values() -> None:
    feature = fit_one([1.0, 2.0, 6.0, np.inf, -np.inf, np.nan])
    assert (feature.mean, feature.sd) == (3.0, pytest.approx(np.std([1, 2, 6])))
    assert (feature.min, feature.max, feature.missing, feature.beyond) == (-np.inf, np.inf, 1, 2)


def test_moments_of_huge_values_do_not_overflow() -> None:
    feature = fit_one([1.5e308, -1.5e308, 1.6e308])
    assert np.isfinite([feature.mean, feature.sd]).all()
    assert feature.sd == pytest.approx(np.std([1.5, -1.5, 1.6]) * 1e308)


def test_categories_are_the_most_frequent_first_and_equals_by_alphabet() -> None:
    feature = fit_one(["b", "a", "c", "c", None, "d"])
    assert feature.categories == ("c", "a", "b", "d")
    assert feature.counts.tolist() == [2, 1, 1, 1, 0]
    assert feature.missing == 1


def test_the_prediction_is_one_more_feature() -> None:
    profile = Profile.fit(FRAME, prediction=np.arange(3000.0))
    assert profile.prediction is not None
    assert profile.names == ("sqft", "rooms", "city", "garden", "prediction")
    by_name = Profile.fit(FRAME, prediction="sqft")
    assert by_name.names == ("rooms", "city", "garden", "prediction")


def test_predicted_classes_are_categorical() -> None:
    profile = Profile.fit(FRAME, prediction="city")
    assert isinstance(profile.prediction, CategoricalFeature)
    assert profile.count(FRAME, prediction="city").feature("prediction").total == 3000


def test_the_time_is_no_feature_and_gives_hours_of_day() -> None:
    times = pd.date_range("2024-03-01 00:30", periods=3000, freq="30min")
    profile = Profile.fit(FRAME.assign(t=times), time="t", hour_of_day=True)
    assert "t" not in profile.names
    for feature in profile.features:
        assert feature.hourly is not None
        assert feature.hourly.sum(axis=0).tolist() == feature.counts.tolist()
    rooms = profile.feature("rooms")
    hour = FRAME.rooms[times.hour == 13].value_counts().sort_index()
    assert rooms.hourly is not None
    assert rooms.hourly[13][1::2].tolist() == hour.tolist()


@pytest.mark.parametrize(
    "times",
    [
        pd.date_range("2024-01-01", periods=48, freq="h"),
        pd.date_range("2024-01-01 01:00", periods=48, freq="h", tz="Europe/Berlin"),
        [f"2024-01-{1 + i // 24:02d}T{i % 24:02d}:00:00Z" for i in range(48)],
        [f"2024-01-{1 + i // 24:02d} {i % 24:02d}:00" for i in range(48)],
        np.arange(48) * 3600 + 1_704_067_200,
        pl.Series(pd.date_range("2024-01-01", periods=48, freq="h").to_list()),
        pa.chunked_array([pa.array(pd.date_range("2024-01-01", periods=48, freq="h"))]),
    ],
    ids=["naive", "berlin", "zulu", "text", "epoch", "polars", "arrow"],
)
def test_times_come_in_many_forms(times: Any) -> None:
    profile = Profile.fit({"x": np.arange(48.0)}, time=times, hour_of_day=True)
    hourly = profile.features[0].hourly
    assert hourly is not None
    assert hourly[5].nonzero()[0].tolist() == [2 * 5 + 1, 2 * 29 + 1]


@pytest.mark.parametrize("times", [[None, "2024-01-01"], ["yesterday", "2024-01-01"], [np.nan, 1.0]])
def test_a_row_without_a_time_is_named(times: list[Any]) -> None:
    with pytest.raises(SchemaError, match=r"row 0 has (no time|the time 'yesterday')"):
        Profile.fit({"x": [1.0, 2.0]}, time=times)


# --- dtypes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        (np.array([1, 2], np.int8), "float64"),
        (np.array([True, False]), "float64"),
        (np.array([1, 2], np.float32), "float32"),
        (np.array([1, 2], np.float16), "float32"),
        (pd.Series([1, None], dtype="Int32"), "float64"),
        (pd.Series([1, None], dtype="Float32"), "float32"),
        (pd.Series([True, None], dtype="boolean"), "float64"),
        (pl.Series([1, None], dtype=pl.Int16), "float64"),
        (pl.Series([1.0, None], dtype=pl.Float32), "float32"),
        (pl.Series([True, None]), "float64"),
        (pa.chunked_array([[1, None]]), "float64"),
        (pa.chunked_array([[True, None]]), "float64"),
        ([1, None, True], "float64"),
    ],
)
def test_numbers_become_floats_of_one_of_two_widths(values: Any, dtype: str) -> None:
    feature = fit_one(values)
    assert isinstance(feature, NumericFeature)
    assert feature.dtype == feature.cut_points.dtype == dtype
    assert feature.total + feature.missing == len(values)


@pytest.mark.parametrize(
    "values",
    [
        pd.Series(["a", None, "b"]),
        pd.Series(["a", None, "b"], dtype="category"),
        pd.Series(["a", None, "b"], dtype="string"),
        pd.Series(["a", None, "b"], dtype=object),
        pl.Series(["a", None, "b"]),
        pl.Series(["a", None, "b"], dtype=pl.Categorical),
        pl.Series(["a", None, "b"], dtype=pl.Enum(["a", "b", "c"])),
        pa.chunked_array([["a", None, "b"]]),
        pa.chunked_array([pa.array(["a", None, "b"]).dictionary_encode()]),
        ["a", None, "b"],
    ],
    ids=lambda values: f"{type(values).__module__}-{getattr(values, 'dtype', '')}",
)
def test_texts_become_categories(values: Any) -> None:
    feature = fit_one(values)
    assert isinstance(feature, CategoricalFeature)
    assert feature.categories == ("a", "b")
    assert feature.missing == 1


@pytest.mark.parametrize(
    "values",
    [pd.Series([3, 1, 3], dtype="category"), pd.Series([3.0, 1.0, 3.0]), [3, 1, 3], np.array([3, 1, 3])],
)
def test_numbers_as_categories_have_one_text(values: Any) -> None:
    feature = fit_one(values, categorical=["x"])
    assert feature.categories == ("3", "1")
    profile = Profile.fit({"x": values}, categorical=["x"])
    assert profile.count([{"x": 3}, {"x": 3.0}, {"x": "3"}]).feature("x").cells.tolist() == [3, 0, 0]


def test_a_frame_says_which_numbers_are_categories() -> None:
    assert fit_one(pd.Series([3, 1, 3], dtype="category")).categories == ("3", "1")


def test_the_serving_dtype_can_be_set() -> None:
    profile = Profile.fit(FRAME, dtypes={"sqft": "float32"})
    assert profile.feature("sqft").dtype == "float32"  # type: ignore[union-attr]


# --- arguments ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"cut_points": 0}, ProfileError, "cut_points=0"),
        ({"dtypes": {"sqft": "int8"}}, ProfileError, "int8"),
        ({"dtypes": {"nope": "float32"}}, SchemaError, "nope"),
        ({"dtypes": {"sqft": "float32"}, "categorical": ["sqft"]}, ProfileError, "says that it has no dtype"),
        ({"exclude": ["nope"]}, SchemaError, "nope"),
        ({"categorical": ["nope"]}, SchemaError, "nope"),
        ({"feature_names": ["nope"]}, SchemaError, "nope"),
        ({"feature_names": []}, ProfileError, "at least"),
        ({"feature_names": ["sqft", "sqft"]}, SchemaError, "'sqft' is there twice"),
        ({"exclude": list(FRAME)}, ProfileError, "no features are left"),
        ({"prediction": "nope"}, SchemaError, "nope"),
        ({"prediction": [1.0]}, SchemaError, "1 values for 3000 rows"),
        ({"time": "nope"}, SchemaError, "nope"),
        ({"hour_of_day": True}, ProfileError, "time="),
    ],
)
def test_an_argument_that_cannot_be_is_named(
    options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        Profile.fit(FRAME, **options)


def test_feature_names_choose_and_order_columns() -> None:
    assert Profile.fit(FRAME, feature_names=["city", "sqft"]).names == ("city", "sqft")


@pytest.mark.parametrize("data", ["x", 3, None, [1, 2], np.zeros(3), object()])
def test_what_is_no_table_is_refused(data: Any) -> None:
    with pytest.raises((SchemaError, ProfileError)):
        Profile.fit(data)


def test_a_lazy_frame_is_asked_to_collect() -> None:
    with pytest.raises(SchemaError, match="collect"):
        Profile.fit(pl.LazyFrame({"x": [1]}))


@pytest.mark.slow
def test_times_state_how_much_rows_of_one_hour_resemble_each_other() -> None:
    random = np.random.default_rng(4)
    seconds = np.sort(random.random(20_000)) * 86_400 * 20
    weather = random.normal(size=480)[(seconds // 3600).astype(int)]
    frame = {"weather": weather, "own": random.normal(size=20_000)}
    profile = Profile.fit(frame, time=seconds, prediction=random.normal(size=20_000))
    shared, own, prediction = (feature.design_effect for feature in profile.monitored)
    assert shared is not None
    assert own is not None
    assert prediction is not None
    assert shared.values[-1] == pytest.approx(20_000 / 480, rel=0.4), "all rows of an hour are one"
    assert max(own.values) < 1.6
    assert Profile.fit(frame).features[0].design_effect is None


@pytest.mark.parametrize("argument", ["exclude", "categorical", "feature_names"])
def test_a_single_feature_name_is_no_list_of_letters(argument: str) -> None:
    with pytest.raises(ProfileError, match=rf"{argument}='ab': it must be a list of names, such as \['ab'\]"):
        Profile.fit({"ab": [1, 2], "a": [1, 2], "b": [1, 2]}, **{argument: "ab"})
