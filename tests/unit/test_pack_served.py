"""What is packed answers as the original, for labels, probabilities and refusals, by the code that serves."""

import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Perceptron, Ridge, RidgeClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import KBinsDiscretizer, OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.svm import SVC
from support.packs import NUMBERS, ask, pack, predictions, training_table
from xgboost import XGBClassifier, XGBRegressor

from tidegauge import BundleError
from tidegauge.pack import Server
from tidegauge.pack.served import Rows

pytestmark = pytest.mark.slow

CITY = ["city of x"]


def classified(labels=2):
    table = training_table()
    table["y"] = pd.qcut(table["y"], labels, labels=False)
    return table


def with_text(encoder, model=None):
    columns = ColumnTransformer([("texts", encoder, CITY), ("numbers", StandardScaler(), NUMBERS)])
    return make_pipeline(columns, Ridge() if model is None else model)


def fresh(seed=9):
    return training_table(300, seed)


# --- XGBoost: the file says more than its trees --------------------------------------------------------


@pytest.mark.parametrize("kind", [XGBClassifier, XGBRegressor])
@pytest.mark.parametrize("booster", ["gbtree", "dart"])
def test_early_stopping_serves_the_best_iteration(kind, booster, tmp_path):
    table = classified()
    target = table["y"] if kind is XGBClassifier else training_table()["y"]
    model = kind(n_estimators=80, learning_rate=0.8, booster=booster, early_stopping_rounds=5)
    model.fit(
        table[NUMBERS][:300], target[:300], eval_set=[(table[NUMBERS][300:], target[300:])], verbose=False
    )
    assert model.best_iteration + 1 < model.get_booster().num_boosted_rounds(), "else this test shows nothing"
    packed, rows = pack(model, table, tmp_path), fresh()[NUMBERS]
    served = predictions(packed, rows)
    np.testing.assert_allclose(served.labels, model.predict(rows), rtol=1e-5)
    if kind is XGBClassifier:
        np.testing.assert_allclose(served.probabilities, model.predict_proba(rows), atol=1e-5)


@pytest.mark.parametrize("booster", ["gbtree", "gblinear"])
@pytest.mark.parametrize("objective", ["multi:softmax", "multi:softprob"])
def test_both_objectives_of_many_classes_give_labels_and_probabilities(booster, objective, tmp_path):
    table = classified(3)
    model = XGBClassifier(n_estimators=8, booster=booster, objective=objective).fit(
        table[NUMBERS], table["y"]
    )
    packed, rows = pack(model, table, tmp_path), fresh()[NUMBERS]
    served = predictions(packed, rows)
    assert packed.manifest.model.format == "xgboost"
    assert served.labels.tolist() == model.predict(rows).tolist()
    np.testing.assert_allclose(served.probabilities, model.predict_proba(rows), atol=1e-5)


@pytest.mark.parametrize(("objective", "published"), [("binary:logitraw", False), ("binary:hinge", True)])
def test_a_margin_is_no_probability(objective, published, tmp_path):
    table = classified()
    model = XGBClassifier(n_estimators=8, objective=objective).fit(table[NUMBERS], table["y"])
    packed, rows = pack(model, table, tmp_path), fresh()[NUMBERS]
    served = predictions(packed, rows)
    assert served.labels.tolist() == model.predict(rows).tolist()
    assert packed.manifest.model.probability is published
    assert (served.probabilities is not None) is published


def test_a_missing_marker_that_the_boosters_file_does_not_hold_takes_the_next_form(tmp_path):
    table = training_table()
    table.loc[::4, "a"] = -999
    model = XGBRegressor(n_estimators=8, missing=-999).fit(table[NUMBERS], table["y"])
    packed = pack(model, table, tmp_path)
    assert packed.manifest.model.format == "skops"
    assert "differ" in packed.refusals[0].reason
    np.testing.assert_allclose(ask(packed, table), model.predict(table[NUMBERS]), rtol=1e-5)


# --- probabilities -------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", [SVC(), RidgeClassifier(), Perceptron()], ids=repr)
def test_a_model_without_predict_proba_serves_no_probability(model, tmp_path):
    table = classified()
    model = make_pipeline(StandardScaler(), model).fit(table[NUMBERS], table["y"])
    packed = pack(model, table, tmp_path)
    assert packed.manifest.model.probability is False
    assert predictions(packed, table).probabilities is None
    assert ask(packed, table).tolist() == model.predict(table[NUMBERS]).tolist()


@pytest.mark.parametrize(
    ("model", "form"),
    [
        (CalibratedClassifierCV(GaussianNB(), method="isotonic"), "skops"),
        (make_pipeline(StandardScaler(), RandomForestClassifier(15, random_state=0)), "onnx"),
        (HistGradientBoostingClassifier(max_iter=5), "onnx"),
    ],
    ids=["isotonic", "forest", "histogram"],
)
def test_probabilities_are_the_originals_on_rows_that_it_never_saw(model, form, tmp_path):
    table = classified(3)
    model.fit(table[NUMBERS], table["y"])
    packed, rows = pack(model, table, tmp_path), fresh()[NUMBERS]
    assert packed.manifest.model.format == form
    np.testing.assert_allclose(predictions(packed, rows).probabilities, model.predict_proba(rows), atol=1e-4)
    assert packed.manifest.model.max_probability_difference <= 1e-5


# --- rows that training did not have -------------------------------------------------------------------


def test_an_encoder_that_refuses_unseen_texts_is_packed_in_a_form_that_does(tmp_path):
    table = training_table()
    model = with_text(OrdinalEncoder()).fit(table[NUMBERS + CITY], table["y"])
    packed = pack(model, table, tmp_path, exclude=[])
    assert packed.manifest.model.format == "skops"
    assert "an unseen text in 'city of x': the original refuses it" in packed.refusals[0].reason
    with pytest.raises(ValueError, match="lima"):
        ask(packed, table.assign(**{CITY[0]: "lima"}))


def test_an_encoder_that_refuses_in_both_forms_is_packed_in_the_fast_one(tmp_path):
    table = training_table()
    model = with_text(OneHotEncoder()).fit(table[NUMBERS + CITY], table["y"])
    assert pack(model, table, tmp_path, exclude=[]).manifest.model.format == "onnx"


@pytest.mark.parametrize(
    "encoder",
    [
        OneHotEncoder(handle_unknown="ignore"),
        OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
    ],
    ids=["one-hot", "ordinal"],
)
def test_a_fraction_where_training_had_whole_numbers_is_no_category(encoder, tmp_path):
    table = training_table()
    columns = ColumnTransformer([("codes", encoder, ["b"]), ("numbers", StandardScaler(), ["a", "c"])])
    model = make_pipeline(columns, Ridge()).fit(table[NUMBERS], table["y"])
    packed, rows = pack(model, table, tmp_path), table[NUMBERS].assign(b=2.5)
    np.testing.assert_allclose(ask(packed, rows), model.predict(rows), rtol=1e-5)


def test_values_beyond_training_are_answered_as_by_the_original(tmp_path):
    table = training_table()
    model = make_pipeline(KBinsDiscretizer(5, quantile_method="averaged_inverted_cdf"), Ridge())
    model.fit(table[NUMBERS], table["y"])
    packed, rows = pack(model, table, tmp_path), table[NUMBERS] * [5, 9, -3]
    np.testing.assert_allclose(ask(packed, rows), model.predict(rows), rtol=1e-5)


# --- missing values ------------------------------------------------------------------------------------


def test_a_missing_value_is_taken_where_the_original_takes_it_and_only_there(tmp_path):
    table = training_table()
    columns = ColumnTransformer([("filled", SimpleImputer(), ["a"]), ("plain", StandardScaler(), ["b", "c"])])
    model = make_pipeline(columns, Ridge()).fit(table[NUMBERS], table["y"])
    packed = pack(model, table, tmp_path)
    assert [feature.accepts_missing for feature in packed.manifest.features] == [True, False, False]
    rows = table[NUMBERS].assign(a=np.nan)
    np.testing.assert_allclose(ask(packed, rows), model.predict(rows), rtol=1e-5)


def test_a_missing_text_is_the_missing_value_of_training(tmp_path):
    table = training_table()
    table.loc[::5, CITY] = None
    texts = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore"))
    table.to_parquet(tmp_path / "read.parquet")
    rows = pd.read_parquet(tmp_path / "read.parquet")
    model = with_text(texts).fit(rows[NUMBERS + CITY], table["y"])
    packed = pack(model, table, tmp_path, exclude=[])
    assert packed.manifest.features[-1].accepts_missing
    np.testing.assert_allclose(
        ask(packed, table.astype({CITY[0]: object}).where(table.notna(), None)),
        model.predict(rows[NUMBERS + CITY]),
    )


# --- what packs, serves --------------------------------------------------------------------------------


def test_columns_by_name_need_no_pandas_in_the_server(tmp_path):
    table = training_table()
    model = with_text(OrdinalEncoder()).fit(table[NUMBERS + CITY], table["y"])
    packed = pack(model, table, tmp_path, exclude=[])
    assert packed.manifest.model.frame is False


class OnFrames(Ridge):
    """An estimator that needs a frame."""

    def predict(self, X):
        return super().predict(X[["a", "b", "c"]])


def test_a_model_that_needs_pandas_says_so_in_its_manifest(tmp_path):
    table = training_table()
    packed = pack(OnFrames().fit(table[NUMBERS], table["y"]), table, tmp_path)
    assert packed.manifest.model.frame is True
    assert "pandas" in packed.manifest.versions
    assert any(refusal.format == "skops" for refusal in packed.refusals)


def test_a_server_that_dies_is_named_and_the_next_form_gets_a_new_one(tmp_path):
    rows = Rows(np.zeros((1, 1)), {}, [])
    with Server() as server:
        for _ in range(2):
            with pytest.raises(BundleError, match=r"manifest\.json cannot be read"):
                server.ask(tmp_path, rows)
        next(iter(server._processes.values())).kill()
        with pytest.raises(BundleError, match="the server ended"):
            server.ask(tmp_path, rows)
        with pytest.raises(BundleError, match=r"manifest\.json cannot be read"):
            server.ask(tmp_path, rows)
