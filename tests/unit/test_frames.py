"""The same rows count the same, whatever holds them."""

from datetime import datetime, time, timedelta
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from tidegauge import Counts, Profile, SchemaError

RANDOM = np.random.default_rng(5)
FRAME = pd.DataFrame(
    {
        "sqft": np.where(RANDOM.random(400) < 0.1, np.nan, RANDOM.normal(2000, 500, 400)),
        "rooms": RANDOM.integers(1, 7, 400),
        "city": np.where(RANDOM.random(400) < 0.1, None, RANDOM.choice(["Bonn", "Köln"], 400)),
    }
)
PROFILE = Profile.fit(FRAME, prediction=RANDOM.normal(size=400))
LIVE = FRAME.sample(100, random_state=1).reset_index(drop=True)
RECORDS = [
    {name: None if pd.isna(value) else value for name, value in row.items()}
    for row in LIVE.to_dict("records")
]
COUNTS = PROFILE.count(LIVE)


@pytest.mark.parametrize(
    "rows",
    [
        pl.DataFrame(RECORDS),
        pl.DataFrame(RECORDS, schema_overrides={"city": pl.Categorical}),
        pa.Table.from_pylist(RECORDS),
        RECORDS,
        {name: list(LIVE[name]) for name in LIVE},
        {name: LIVE[name].to_numpy() for name in LIVE},
        LIVE.astype({"city": "category", "rooms": "Int64"}),
        LIVE[["city", "rooms", "sqft"]],
        LIVE.assign(other="x"),
        LIVE.to_numpy(),
    ],
    ids=["polars", "categorical", "arrow", "dicts", "lists", "arrays", "pandas", "order", "extra", "objects"],
)
def test_rows_of_any_container_count_the_same(rows: Any) -> None:
    assert PROFILE.count(rows) == COUNTS


def test_a_profile_of_a_frame_is_the_same_in_pandas_polars_and_arrow() -> None:
    hashes = {
        Profile.fit(frame).hash
        for frame in (FRAME, pl.from_pandas(FRAME), pa.Table.from_pandas(FRAME), FRAME.to_dict("records"))
    }
    assert len(hashes) == 1


def test_the_prediction_is_a_column_or_an_argument() -> None:
    scores = np.linspace(-1, 1, 100)
    with_column = PROFILE.count(LIVE.assign(prediction=scores))
    assert with_column == PROFILE.count(LIVE, prediction=scores)
    assert with_column == PROFILE.count(LIVE.assign(price=scores), prediction="price")
    assert with_column.feature("prediction").total == 100
    assert COUNTS.feature("prediction").total == 0
    with pytest.raises(SchemaError, match="3 predictions for 100 rows"):
        PROFILE.count(LIVE, prediction=[1.0, 2.0, 3.0])


def test_an_array_may_hold_the_prediction_in_its_last_column() -> None:
    profile = Profile.fit(np.zeros((5, 2)), feature_names=["a", "b"], prediction=np.zeros(5))
    assert profile.count(np.zeros((3, 2))).feature("prediction").total == 0
    assert profile.count(np.zeros((3, 3))).feature("prediction").total == 3
    with pytest.raises(SchemaError, match=r"\(3, 4\)"):
        profile.count(np.zeros((3, 4)))


def test_what_is_no_number_is_missing_where_no_type_is_known() -> None:
    values = [1, "2", "x", None, float("nan"), pd.NA, pd.NaT, "1_0", True, 10**400]
    profile = Profile.fit({"x": [1.0, 2.0, "y"]}, dtypes={"x": "float64"})
    with pytest.warns(UserWarning, match="2 values that are no numbers"):
        counts = profile.count([{"x": value} for value in values])
    assert counts.missing.tolist() == [6]
    assert counts.feature("x").cells.tolist() == [0, 2, 0, 1, 1]


@pytest.mark.parametrize(
    ("value", "what"),
    [
        (datetime(2024, 1, 1), "times"),
        (timedelta(1), "durations"),
        (time(12, 30), "times of day"),
        (pd.Period("2024-01"), "periods"),
        (b"x", "bytes"),
        ({}, "lists or the like"),
        (1j, "complex numbers"),
    ],
)
@pytest.mark.parametrize("kind", ["numeric", "categorical"])
def test_what_no_feature_holds_is_refused_in_every_form(value: Any, what: str, kind: str) -> None:
    """Never counted as missing, never made a text of."""
    profile = Profile.fit({"x": [1.0, 2.0] if kind == "numeric" else ["a", "b"]})
    series = pd.Series([value, None])
    forms = [series.astype(object).to_frame("x"), series.to_frame("x"), [{"x": value}, {"x": None}]]
    if what not in ("periods", "complex numbers"):
        array = pa.array([value, None])
        forms += [pa.table({"x": array}), pa.record_batch({"x": array}), {"x": array}]
        forms += [pl.DataFrame({"x": [value, None]})] if value != {} else []
        forms += [pd.DataFrame({"x": pd.Series(array, dtype=pd.ArrowDtype(array.type))})]
    for form in forms:
        with pytest.raises(SchemaError, match=f"column 'x' holds {what}: .*exclude"):
            Profile.fit(form)
        with pytest.raises(SchemaError, match=f"feature 'x' holds {what}"):
            profile.count(form)


def test_times_are_no_numbers() -> None:
    profile = Profile.fit({"x": [1.0, 2.0]})
    for times in (
        pd.date_range("2024-01-01", periods=2),
        pd.date_range("2024-01-01", periods=2).to_pydatetime(),
    ):
        with pytest.raises(SchemaError, match="'x' holds times"):
            profile.count({"x": times})


def test_a_key_that_a_row_lacks_is_missing() -> None:
    assert PROFILE.count([RECORDS[0], {"sqft": 1}]).feature("city").missing == 1


def test_a_feature_without_a_column_is_named() -> None:
    with pytest.raises(
        SchemaError,
        match=r"rows have no column rooms: .*; there are sqft, city",
    ):
        PROFILE.count(LIVE.drop(columns="rooms"))


def test_a_row_that_is_no_dict_is_named() -> None:
    with pytest.raises(SchemaError, match="row 1 is 7: in a list each row must name its values"):
        PROFILE.count([RECORDS[0], 7])


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(SchemaError, match=r"column 'rooms' has length 2, column 'sqft' has 1"):
        PROFILE.count({"sqft": [1.0], "rooms": [1, 2], "city": ["a"]})


def test_unseen_categories_count_as_other() -> None:
    counts = PROFILE.count([{**RECORDS[0], "city": city} for city in ("Bonn", "Ulm", "", "Köln", None)])
    part = counts.feature("city")
    assert part.cells.sum() == 4
    assert part.cells[-1] == 2
    assert part.missing == 1


def test_a_code_is_what_the_log_holds_for_a_value() -> None:
    feature = PROFILE.features[2]
    assert feature.kind == "categorical"
    assert [feature.code(value) for value in (*feature.categories, "Ulm")] == [0, 1, 2]
    assert np.isnan([feature.code(value) for value in (None, float("nan"), pd.NA)]).all()


def test_an_empty_list_is_no_rows() -> None:
    assert PROFILE.count([]) == PROFILE.count(LIVE.iloc[:0]) == Counts.zero(PROFILE)


def test_complex_numbers_are_not_counted_as_missing() -> None:
    profile = Profile.fit({"x": [1.0, 2.0]})
    with pytest.raises(SchemaError, match="'x' holds complex numbers"):
        profile.count({"x": np.array([1 + 2j])})
    with pytest.raises(SchemaError, match="complex128"):
        profile.count_matrix(np.array([[1 + 2j]]))


def test_a_column_that_is_one_value_is_refused() -> None:
    with pytest.raises(SchemaError, match="column 'sqft' is 7"):
        PROFILE.count({"sqft": 7})
