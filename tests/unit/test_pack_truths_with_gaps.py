"""Truth values and texts with gaps: to encoders None and NaN are two categories, and numbers no objects."""

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, TargetEncoder
from support.packs import SERVER, ask

from tidegauge.pack import pack_model

pytestmark = pytest.mark.slow


def encoded(encoder, model):
    return make_pipeline(make_column_transformer((encoder, ["ok"]), remainder="passthrough"), model)


def truths_with_gaps(gap):
    rng = np.random.default_rng(3)
    return pd.DataFrame({"ok": np.array([True, False, gap] * 100, dtype=object), "z": rng.normal(size=300)})


@pytest.mark.parametrize(
    "model",
    [
        encoded(OneHotEncoder(handle_unknown="ignore"), Ridge()),
        encoded(OrdinalEncoder(), HistGradientBoostingRegressor(max_iter=5)),
        HistGradientBoostingRegressor(max_iter=5),
    ],
    ids=["one-hot", "ordinal", "as they are"],
)
def test_truth_values_with_gaps_are_served_as_trained(model, tmp_path):
    table = truths_with_gaps(np.nan)
    table.to_csv(tmp_path / "train.csv", index=False)
    table["y"] = table["z"] + table["ok"].map({True: 3.0, False: -1.0}).fillna(8.0)
    model.fit(table[["ok", "z"]], table["y"])
    joblib.dump(model, tmp_path / "model.joblib")
    packed = pack_model(tmp_path / "model.joblib", tmp_path / "train.csv", tmp_path / "bundle", server=SERVER)
    assert [feature.type for feature in packed.manifest.features] == ["boolean", "number"]
    rows = table[["ok", "z"]]
    np.testing.assert_allclose(
        ask(packed, rows.astype(object).where(rows.notna(), None)), model.predict(rows), rtol=1e-5
    )


def packed_as_parquet(model, table, folder):
    joblib.dump(model, folder / "model.joblib")
    table.to_parquet(folder / "train.parquet")
    return pack_model(folder / "model.joblib", folder / "train.parquet", folder / "bundle", server=SERVER)


def assert_answered_as(model, rows, packed):
    """All rows of training, each gap as JSON has it."""
    sent = rows.astype(object).where(rows.notna(), None)
    np.testing.assert_allclose(ask(packed, sent), model.predict(rows), rtol=1e-5)


@pytest.mark.parametrize("gap", [None, np.nan], ids=["trained on None", "trained on NaN"])
@pytest.mark.parametrize("unknown", ["ignore", "error"])
def test_parquet_keeps_no_difference_between_gaps_and_the_model_tells_it(gap, unknown, tmp_path):
    rows = truths_with_gaps(gap)
    y = rows["z"] + rows["ok"].map({True: 3.0, False: -1.0}).fillna(8.0)
    model = encoded(OneHotEncoder(handle_unknown=unknown), Ridge()).fit(rows, y)
    packed = packed_as_parquet(model, rows, tmp_path)
    assert packed.manifest.features[0].accepts_missing
    assert_answered_as(model, rows, packed)


def filled(missing):
    fill = SimpleImputer(missing_values=missing, strategy="most_frequent")
    return make_pipeline(fill, OneHotEncoder(handle_unknown="ignore"))


@pytest.mark.parametrize(
    "encoder",
    [filled(None), OrdinalEncoder(), TargetEncoder(random_state=0), OneHotEncoder(min_frequency=5)],
    ids=["imputed", "ordinal", "target", "rare ones"],
)
def test_texts_that_were_none_in_training_are_none_to_the_served_model(encoder, tmp_path):
    rng = np.random.default_rng(4)
    city = np.array(["oslo", "rome", None] * 100, dtype=object)
    rows = pd.DataFrame({"ok": pd.Series(city, dtype=object), "z": rng.normal(size=300)})
    y = rows["z"] + rows["ok"].map({"oslo": 3.0, "rome": -1.0}).fillna(8.0)
    model = encoded(encoder, Ridge()).fit(rows, y)
    assert_answered_as(model, rows, packed_as_parquet(model, rows, tmp_path))
