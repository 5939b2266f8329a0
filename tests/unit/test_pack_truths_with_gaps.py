"""Truth values with gaps of a CSV file are objects, and encoders fitted on them insist on objects."""

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder
from support.packs import SERVER, ask

from tidegauge.pack import pack_model


def encoded(encoder, model):
    return make_pipeline(make_column_transformer((encoder, ["ok"]), remainder="passthrough"), model)


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
    rng = np.random.default_rng(3)
    table = pd.DataFrame(
        {"ok": np.array([True, False, np.nan] * 100, dtype=object), "z": rng.normal(size=300)}
    )
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
