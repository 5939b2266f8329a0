"""Models that fail on their training rows: the reason, and advice only where it is the cause."""

import json
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
import xgboost
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import OneHotEncoder
from support.packs import SERVER
from support.serving_app import App

from tidegauge.errors import BundleError, SchemaError
from tidegauge.pack import Packed, pack_model

pytestmark = pytest.mark.slow


def pack(folder: Path, model: Any, frame: pd.DataFrame, data: str = "d.parquet", **options: Any) -> Packed:
    joblib.dump(model, folder / "m.joblib")
    frame.to_csv(folder / data, index=False) if data.endswith("csv") else frame.to_parquet(folder / data)
    return pack_model(folder / "m.joblib", folder / data, folder / "m", **{"server": SERVER, **options})


# --- models of one column of texts --------------------------------------------------------------------------

REVIEWS = pd.Series(["good day", "bad night", "good night, very good", "no bad day"] * 30, name="review")
VERDICTS = ["p", "n", "p", "n"] * 30
TEXT_MODELS = {
    "tf-idf": lambda: make_pipeline(TfidfVectorizer(), LogisticRegression()),
    "counts": lambda: make_pipeline(CountVectorizer(ngram_range=(1, 2)), MultinomialNB()),
    "hashes": lambda: make_pipeline(HashingVectorizer(n_features=64), LogisticRegression()),
    "union": lambda: make_pipeline(
        FeatureUnion([("w", TfidfVectorizer()), ("c", CountVectorizer(analyzer="char"))]),
        LogisticRegression(),
    ),
}


@pytest.mark.parametrize("kind", TEXT_MODELS)
def test_a_model_fitted_on_one_series_of_texts_is_served(kind: str, tmp_path: Path) -> None:
    model = TEXT_MODELS[kind]().fit(REVIEWS, VERDICTS)
    packed = pack(tmp_path, model, REVIEWS.to_frame())
    trusted = frozenset(packed.manifest.model.trusted_types)
    app = App(packed.folder, tmp_path / "log", trusted_types=trusted)
    fresh = ["a very good day", "bad", "what is this"]
    answers = app.post("/v1/models/m:predict", {"instances": [[text] for text in fresh]})[1]["predictions"]
    assert answers == model.predict(fresh).tolist()
    row = app.post("/predict", {"features": {"review": "no bad day"}})[1]
    assert row["prediction"] == model.predict(["no bad day"])[0]
    status, refused = app.post("/predict", {"features": {"review": None}})
    assert (status, refused["reason"]) == (422, "missing_value")
    app.close()


def test_a_model_of_texts_takes_one_column(tmp_path: Path) -> None:
    model = TEXT_MODELS["tf-idf"]().fit(REVIEWS, VERDICTS)
    frame = REVIEWS.to_frame().assign(verdict=VERDICTS)
    with pytest.raises(SchemaError, match=r"takes one column of texts, .*verdict \(.*exclude"):
        pack(tmp_path, model, frame)
    assert pack(tmp_path, model, frame, target="verdict").manifest.features[0].type == "text"


# --- advice -------------------------------------------------------------------------------------------------


def not_fitted() -> tuple[Any, pd.DataFrame]:
    return Ridge(), pd.DataFrame({"x": np.arange(60.0)})


def texts_for_numbers() -> tuple[Any, pd.DataFrame]:
    frame = pd.DataFrame({"x": np.arange(60.0), "y": 1.0})
    return Ridge().fit(frame, frame["x"]), frame.assign(y=["1,5"] * 60)


def texts_for_a_booster() -> tuple[Any, pd.DataFrame]:
    frame = pd.DataFrame({"x": np.arange(60.0), "kind": pd.Categorical(["a", "b"] * 30)})
    model = xgboost.XGBRegressor(n_estimators=2).fit(frame[["x"]].assign(kind=0), frame["x"])
    return model, frame.assign(kind=frame["kind"].astype(str))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (not_fitted, r"model\.fit\(X, y\)"),
        (texts_for_numbers, "column 'y' holds the text '1,5', where the model was trained on numbers"),
        (texts_for_a_booster, r"columns kind hold texts.*'category'"),
    ],
)
def test_the_true_reason_comes_with_what_helps(make: Any, words: str, tmp_path: Path) -> None:
    model, frame = make()
    with pytest.raises(BundleError, match=words) as caught:
        pack(tmp_path, model, frame)
    assert "give Parquet" not in str(caught.value)


def test_digits_that_a_csv_file_made_numbers_are_the_cause_where_they_are(tmp_path: Path) -> None:
    frame = pd.DataFrame({"zip": ["7030", "1010"] * 40, "x": np.arange(80)})
    encode = ColumnTransformer([("zip", OneHotEncoder(), ["zip"])], remainder="passthrough")
    model = make_pipeline(encode, Ridge()).fit(frame, np.arange(80))
    with pytest.raises(BundleError, match=r"column 'zip' holds numbers.*give Parquet"):
        pack(tmp_path, model, frame, "d.csv")
    assert pack(tmp_path, model, frame).manifest.features[0].type == "text"


class Raising(Ridge):
    def predict(self, X: Any) -> Any:  # noqa: ARG002
        raise RuntimeError("no such thing")


def test_an_error_that_nobody_can_explain_stands_alone(tmp_path: Path) -> None:
    frame = pd.DataFrame({"x": np.arange(60), "y": np.arange(60.0)})
    with pytest.raises(BundleError, match=r"rows: RuntimeError: no such thing$"):
        pack(tmp_path, Raising().fit(frame, frame["x"]), frame)


def test_a_value_that_a_text_model_was_not_trained_on_is_still_text(tmp_path: Path) -> None:
    model = TEXT_MODELS["counts"]().fit(REVIEWS, VERDICTS)
    packed = pack(tmp_path, model, REVIEWS.to_frame())
    app = App(packed.folder, tmp_path / "log", trusted_types=frozenset(packed.manifest.model.trusted_types))
    status, answer = app.post("/predict", json.loads('{"features": {"review": 7}}'))
    assert (status, answer["prediction"]) == (200, model.predict(["7"])[0])
    app.close()
