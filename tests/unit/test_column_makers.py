"""Columns as pandas, polars, databases and Parquet write them keep the type they had in training."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from support.typed_columns import instances, logged_values, packed, served, types_of

from tidegauge.errors import SchemaError

pytestmark = pytest.mark.slow

V1 = "/v1/models/m:predict"


def dummies(path: str) -> pd.DataFrame:
    frame = pd.get_dummies(pd.DataFrame({"x": np.arange(60.0), "k": ["a", "b", "c"] * 20}))
    frame.to_parquet(path)
    return frame


def gaps(path: str) -> pd.DataFrame:
    """Truth values with gaps: a Parquet file of them comes back as a column of objects."""
    values = ([True, False, None] * 20)[:60]
    pq.write_table(pa.table({"x": np.arange(60.0), "sent": pa.array(values)}), path)
    return pd.read_parquet(path)


def decimals(path: str) -> pd.DataFrame:
    """Of a database; pandas' own to_json makes texts of them."""
    prices = pa.array(np.arange(60), pa.int64()).cast(pa.decimal128(21, 2))
    pq.write_table(pa.table({"x": np.arange(60.0), "price": prices}), path)
    return pd.read_parquet(path)


def of_polars(path: str) -> pd.DataFrame:
    texts = pl.Series(["b", "a", None] * 20)
    frame = pl.DataFrame(
        {"on": [True, False] * 30, "e": texts.cast(pl.Enum(["a", "b"])), "c": texts.cast(pl.Categorical)}
    )
    frame.write_parquet(path)
    return pd.read_parquet(path)


def truths_as_categories(path: str) -> pd.DataFrame:
    frame = pd.DataFrame({"x": np.arange(60.0), "t": pd.Categorical([True, False] * 30)})
    frame.to_parquet(path)
    return pd.read_parquet(path)


@pytest.mark.parametrize(
    ("write", "types"),
    [
        (dummies, {"x": "number", "k_a": "boolean", "k_b": "boolean", "k_c": "boolean"}),
        (gaps, {"x": "number", "sent": "boolean"}),
        (decimals, {"x": "number", "price": "number"}),
        (of_polars, {"on": "boolean", "e": "category", "c": "category"}),
        (truths_as_categories, {"x": "number", "t": "category"}),
    ],
)
def test_columns_of_other_makers_keep_their_types(
    write: Callable[[str], pd.DataFrame], types: dict[str, str], tmp_path: Path
) -> None:
    frame = write(str(tmp_path / "train.parquet"))
    numbers = frame.apply(lambda column: pd.Series(pd.factorize(column)[0], dtype=float))
    model = HistGradientBoostingRegressor(max_iter=3).fit(frame, numbers.sum(axis=1))
    bundle = packed(tmp_path, model, str)  # the file is there
    assert types_of(bundle) == types
    app = served(bundle)
    for how in ("to_dict", "values") if write is decimals else ("to_dict", "to_json", "values"):
        rows = json.loads(json.dumps(instances(frame, how), default=float))
        status, answer = app.post(V1, {"instances": rows})
        assert status == 200, answer
        assert answer["predictions"] == pytest.approx(model.predict(frame).tolist())
    app.close()


def test_a_model_that_answers_at_once_takes_truth_values_too(tmp_path: Path) -> None:
    """One float tensor in, bound to memory: the quick way of one row."""
    frame = pd.DataFrame({"x": np.arange(80.0), "vip": np.arange(80) % 3 == 0})
    model = LogisticRegression().fit(frame, frame["vip"] | (frame["x"] > 60))
    bundle = packed(tmp_path, model, frame.to_parquet)
    app = served(bundle)
    assert app.loaded.model.one is not None
    for row, wanted in zip(instances(frame, "to_dict"), model.predict(frame).tolist(), strict=True):
        assert app.post("/predict", {"features": row})[1]["prediction"] == wanted
    assert logged_values(app)[:, 1].tolist() == frame["vip"].tolist()
    app.close()


def test_a_text_of_digits_may_come_as_a_number(tmp_path: Path) -> None:
    """The server and the counts go by the category's text, and so must the model."""
    frame = pd.DataFrame({"zip": ["7030", "1010", "88"] * 30, "x": np.arange(90.0)})
    encode = ColumnTransformer([("zip", OneHotEncoder(), ["zip"])], remainder="passthrough")
    for form in ("onnx", "skops"):
        model = make_pipeline(encode, Ridge()).fit(frame, 5 * (frame["zip"] == "88") + frame["x"])
        (tmp_path / form).mkdir()
        app = served(packed(tmp_path / form, model, frame.to_parquet, model_format=form))
        answers = app.post(V1, {"instances": [["88", 1.0], [88, 1], [88.0, 1]]})
        assert answers[0] == 200, answers
        assert len(set(answers[1]["predictions"])) == 1
        app.close()


def test_categories_that_no_request_can_hold_are_refused(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"x": np.arange(60.0), "day": pd.Categorical(pd.date_range("2026-01-01", periods=60))}
    )
    model = Ridge().fit(frame[["x"]].assign(day=0), frame["x"])
    with pytest.raises(SchemaError, match="'day' has categories of type Timestamp"):
        packed(tmp_path, model, frame.to_parquet)
