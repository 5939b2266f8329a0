"""Every kind of estimator packs, and its packed form, asked as the server asks, answers as the original."""

import numpy as np
import pandas as pd
import pytest
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVR
from support.packs import NUMBERS, ask, pack, training_table
from xgboost import XGBClassifier, XGBRegressor

from tidegauge.pack.agreement import differing_labels
from tidegauge.pack.answers import Original

pytestmark = pytest.mark.slow

REGRESSORS = {
    "linear": (LinearRegression(), "onnx"),
    "ridge": (Ridge(), "onnx"),
    "forest": (RandomForestRegressor(20, random_state=0), "onnx"),
    "scaled forest": (make_pipeline(StandardScaler(), RandomForestRegressor(20, random_state=0)), "onnx"),
    "gradient boosting": (GradientBoostingRegressor(n_estimators=20, random_state=0), "onnx"),
    "histogram boosting": (HistGradientBoostingRegressor(max_iter=20), "onnx"),
    "neighbours": (KNeighborsRegressor(), "skops"),
    "scaled support vectors": (make_pipeline(StandardScaler(), SVR()), "onnx"),
    "scaled ridge": (make_pipeline(StandardScaler(), Ridge()), "onnx"),
    "xgboost": (XGBRegressor(n_estimators=20), "xgboost"),
    "lightgbm": (LGBMRegressor(n_estimators=20, verbose=-1), "lightgbm"),
}
CLASSIFIERS = {
    "logistic": (make_pipeline(StandardScaler(), LogisticRegression()), "onnx"),
    "forest": (RandomForestClassifier(21, random_state=0), "onnx"),
    "histogram boosting": (HistGradientBoostingClassifier(max_iter=10), "onnx"),
    "lightgbm": (LGBMClassifier(n_estimators=10, verbose=-1), "lightgbm"),
}


@pytest.mark.parametrize("kind", REGRESSORS)
def test_a_packed_regressor_answers_as_the_original(kind, tmp_path):
    model, expected_format = REGRESSORS[kind]
    table = training_table()
    model.fit(table[NUMBERS], table["y"])
    packed = pack(model, table, tmp_path)
    assert packed.manifest.model.format == expected_format
    assert packed.manifest.model.max_relative_difference <= 1e-5
    original = model.predict(table[NUMBERS])
    np.testing.assert_allclose(ask(packed, table), original, rtol=1e-5, atol=1e-5 * np.abs(original).mean())


@pytest.mark.parametrize("labels", [("no", "yes"), (3, 7, 9), (False, True), (0.0, 1.0)])
@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_a_packed_classifier_gives_the_originals_labels(kind, labels, tmp_path):
    model, expected_format = CLASSIFIERS[kind]
    table = training_table()
    table["y"] = np.array(labels)[pd.qcut(table["y"], len(labels), labels=False)]
    model.fit(table[NUMBERS], table["y"])
    packed = pack(model, table, tmp_path)
    assert packed.manifest.model.format == expected_format
    assert packed.manifest.model.classes == labels
    assert packed.manifest.prediction.kind == "categorical"
    answers, originals = ask(packed, table), model.predict(table[NUMBERS])
    assert answers.tolist() == originals.tolist()
    assert answers.dtype == originals.dtype


def test_a_packed_xgboost_classifier_gives_the_originals_labels(tmp_path):
    table = training_table()
    table["y"] = pd.qcut(table["y"], 3, labels=False)
    model = XGBClassifier(n_estimators=10).fit(table[NUMBERS], table["y"])
    packed = pack(model, table, tmp_path)
    assert packed.manifest.model.format == "xgboost"
    assert ask(packed, table).tolist() == model.predict(table[NUMBERS]).tolist()


def test_a_pipeline_with_texts_takes_one_input_per_column(tmp_path):
    table = training_table()
    columns = ColumnTransformer(
        [
            ("numbers", StandardScaler(), NUMBERS),
            ("texts", OneHotEncoder(handle_unknown="ignore"), ["city of x"]),
        ]
    )
    features = [*NUMBERS, "city of x"]
    model = make_pipeline(columns, Ridge()).fit(table[features], table["y"])
    packed = pack(model, table, tmp_path, exclude=[])
    assert packed.manifest.model.format == "onnx"
    assert [feature.dtype for feature in packed.manifest.features] == ["float32"] * 3 + ["string"]
    assert packed.profile.feature("city of x").categories == ("oslo", "rome", "bonn")
    np.testing.assert_allclose(ask(packed, table), model.predict(table[features]), rtol=1e-4)


def test_what_float32_cannot_hold_is_served_in_float64(tmp_path):
    table = training_table()
    table["a"] += 1e9  # float32 numbers are 64 apart here
    model = LinearRegression().fit(table[NUMBERS], table["y"])
    packed = pack(model, table, tmp_path)
    assert packed.manifest.model.format == "onnx"
    assert {feature.dtype for feature in packed.manifest.features} == {"float64"}
    assert "float32" in packed.refusals[0].format
    np.testing.assert_allclose(ask(packed, table), model.predict(table[NUMBERS]), rtol=1e-4)


class Doubling(Ridge):
    """An estimator of the user's own, which no converter knows."""

    def predict(self, X):
        return 2 * super().predict(X)


def test_a_model_no_converter_knows_is_packed_as_skops_with_the_types_it_needs(tmp_path):
    table = training_table()
    model = Doubling().fit(table[NUMBERS], table["y"])
    packed = pack(model, table, tmp_path)
    assert packed.manifest.model.format == "skops"
    assert any(name.endswith("Doubling") for name in packed.manifest.model.trusted_types)
    np.testing.assert_allclose(ask(packed, table), model.predict(table[NUMBERS]))


def test_a_forest_that_is_undecided_about_some_rows_is_packed_by_its_decided_ones(tmp_path):
    table = training_table()
    table["y"] = np.where(table["y"] > table["y"].median(), "yes", "no")
    model = RandomForestClassifier(2, max_depth=3, random_state=0).fit(table[NUMBERS], table["y"])
    packed = pack(model, table, tmp_path)
    assert packed.manifest.model.format == "onnx"
    probabilities = model.predict_proba(table[NUMBERS])
    decided = np.abs(probabilities[:, 0] - probabilities[:, 1]) > 1e-5
    assert (ask(packed, table) == model.predict(table[NUMBERS]))[decided].all()


def test_labels_that_differ_are_counted_among_the_decided_rows_that_were_asked():
    labels, decided = np.array(["a", "b", "a", "b"], object), np.array([True, True, False, True])
    assert differing_labels(np.array(["a", "a", "b"], object), Original(labels, decided)) == (1, 2)


def test_a_missing_value_is_packed_for_models_that_take_it(tmp_path):
    table = training_table()
    table.loc[::7, "a"] = np.nan
    model = HistGradientBoostingRegressor(max_iter=20).fit(table[NUMBERS], table["y"])
    packed = pack(model, table, tmp_path)
    assert packed.profile.feature("a").missing == len(table.loc[::7])
    assert packed.manifest.example["features"]["a"] is not None
    np.testing.assert_allclose(ask(packed, table), model.predict(table[NUMBERS]), rtol=1e-4)


def test_a_model_without_names_takes_the_columns_in_their_order(tmp_path):
    table = training_table()
    model = Ridge().fit(table[NUMBERS].to_numpy(), table["y"])
    packed = pack(model, table, tmp_path)
    assert [feature.name for feature in packed.manifest.features] == NUMBERS
    np.testing.assert_allclose(ask(packed, table), model.predict(table[NUMBERS].to_numpy()), rtol=1e-4)


def test_joblib_is_packed_only_when_asked_for(tmp_path):
    table = training_table()
    model = Ridge().fit(table[NUMBERS], table["y"])
    packed = pack(model, table, tmp_path, model_format="joblib")
    assert packed.manifest.model.format == "joblib"
    np.testing.assert_allclose(ask(packed, table), model.predict(table[NUMBERS]))
