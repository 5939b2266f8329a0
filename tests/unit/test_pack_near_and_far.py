"""Values beside one that matters, and far from all of training, are answered as by the original."""

from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    Binarizer,
    KBinsDiscretizer,
    Normalizer,
    OrdinalEncoder,
    PolynomialFeatures,
    QuantileTransformer,
    StandardScaler,
    TargetEncoder,
)
from sklearn.svm import SVC
from support.packs import SERVER
from support.serving_app import App

from tidegauge.errors import BundleError
from tidegauge.pack import Packed, pack_model
from tidegauge.pack.loading import load_model

pytestmark = pytest.mark.slow

FEATURES = ["x", "n"]


def grid(rows: int = 400) -> pd.DataFrame:
    """Tenths from 0.1 to 0.7 and whole numbers, as people write them; a number and its thirds."""
    rng = np.random.default_rng(77)
    tenths = np.round(rng.integers(1, 8, rows) * 0.1, 1)
    frame = pd.DataFrame({"x": tenths, "n": rng.integers(0, 9, rows)})
    frame["y"] = 50 * frame["x"] + 3 * frame["n"] + rng.normal(0, 1, rows)
    frame["third"] = pd.qcut(frame["y"], 3, labels=["low", "mid", "high"]).astype(str)
    return frame


def measured(rows: int = 400) -> pd.DataFrame:
    """The same with numbers of many digits, none of them twice."""
    frame = grid(rows)
    return frame.assign(x=frame["x"] + np.random.default_rng(5).uniform(-0.04, 0.04, rows))


def packed(model: Any, frame: pd.DataFrame, target: str, folder: Path) -> Packed:
    model.fit(frame[FEATURES], frame[target])
    joblib.dump(model, folder / "model.joblib")
    frame[[*FEATURES, target]].to_parquet(folder / "d.parquet")
    return pack_model(
        folder / "model.joblib", folder / "d.parquet", folder / "m", target=target, server=SERVER
    )


def encoded(encoder: Any, column: str) -> Any:
    return make_pipeline(ColumnTransformer([("e", encoder, [column])], remainder="passthrough"), Ridge())


UNKNOWN = {"handle_unknown": "use_encoded_value", "unknown_value": -1}
THREE_TENTHS = 0.1 * 3  # 0.30000000000000004
NEAR = [(0.3, 4), (THREE_TENTHS, 4), (0.2, 3.0000000001), (0.7000000000000001, 2)]
BETWEEN = [(0.15, 1), (0.35, 3), (0.45, 2), (0.65, 3), (np.nextafter(0.55, 1), 5)]
FAR = [(1e30, 3), (-1e30, 2), (0.4, 1e25)]
CASES: dict[str, tuple[Any, str, list[tuple[float, float]]]] = {
    "ordinal": (encoded(OrdinalEncoder(**UNKNOWN), "x"), "y", NEAR),
    "binarizer": (make_pipeline(Binarizer(threshold=0.3), Ridge()), "y", NEAR),
    "imputer": (make_pipeline(SimpleImputer(missing_values=0.3), Ridge()), "y", NEAR),
    "target encoder": (encoded(TargetEncoder(), "n"), "y", NEAR),
    "quantiles": (make_pipeline(QuantileTransformer(n_quantiles=9), LogisticRegression()), "third", NEAR),
    "normalizer": (make_pipeline(Normalizer(), SVC()), "third", FAR),
    "neighbours": (KNeighborsRegressor(), "y", FAR),
    "bins": (make_pipeline(KBinsDiscretizer(3, strategy="uniform", encode="ordinal"), Ridge()), "y", NEAR),
    "squares": (make_pipeline(PolynomialFeatures(2), Ridge()), "y", FAR),
    "bayes": (GaussianNB(), "third", FAR),
    "boosting": (HistGradientBoostingRegressor(max_iter=15), "y", BETWEEN),
    "boosted classes": (HistGradientBoostingClassifier(max_iter=8), "third", BETWEEN),
    "scaled forest": (
        make_pipeline(StandardScaler(), RandomForestRegressor(9, random_state=0)),
        "y",
        BETWEEN,
    ),
}


def answers(bundle: Packed, rows: list[tuple[float, float]], folder: Path) -> tuple[list[Any], Any]:
    """Predictions and probabilities, if there are some, of the real server."""
    trusted = frozenset(bundle.manifest.model.trusted_types)
    app = App(bundle.folder, folder / "log", trusted_types=trusted)
    body: dict[str, Any] = {"instances": [dict(zip(FEATURES, row, strict=True)) for row in rows]}
    if bundle.manifest.model.probability:
        body["parameters"] = {"probabilities": True}
    status, answer = app.post("/v1/models/m:predict", body)
    app.close()
    assert status == 200, answer
    return answer["predictions"], answer.get("probabilities")


def check(model: Any, bundle: Packed, rows: list[tuple[float, float]], folder: Path) -> None:
    frame = pd.DataFrame(rows, columns=FEATURES)
    found, probabilities = answers(bundle, rows, folder)
    wanted = model.predict(frame)
    if bundle.manifest.prediction.kind == "categorical":
        assert found == wanted.tolist()
    else:
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-4)
    if bundle.manifest.model.probability:
        np.testing.assert_allclose(probabilities, model.predict_proba(frame), atol=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_a_value_that_float32_takes_for_another_is_answered_as_by_the_original(
    name: str, tmp_path: Path
) -> None:
    model, target, rows = CASES[name]
    check(model, packed(model, grid(), target, tmp_path), rows, tmp_path)


def test_a_threshold_between_measured_values_is_tried_too(tmp_path: Path) -> None:
    model = make_pipeline(Binarizer(threshold=0.33), Ridge())
    bundle = packed(model, measured(), "y", tmp_path)
    check(model, bundle, [(0.33, 4), (np.nextafter(0.33, 1), 4)], tmp_path)


KEPT = {
    "linear": (LinearRegression(), "float32"),
    "scaled ridge": (make_pipeline(StandardScaler(), Ridge()), "float32"),
    "forest": (RandomForestRegressor(9, random_state=0), "float32"),
    "boosting": (HistGradientBoostingRegressor(max_iter=15), "float64"),
    "scaled forest": (make_pipeline(StandardScaler(), RandomForestRegressor(9, random_state=0)), "float64"),
}


@pytest.mark.parametrize("name", KEPT)
def test_a_model_without_such_a_difference_stays_a_graph(name: str, tmp_path: Path) -> None:
    model, dtype = KEPT[name]
    bundle = packed(model, grid(), "y", tmp_path)
    assert bundle.manifest.model.format == "onnx"
    assert {feature.dtype for feature in bundle.manifest.features} == {dtype}


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("m.onnx", b"\x08\x07garbage" * 20, "as an ONNX file: it begins with the bytes 08 07 67"),
        ("m.onnx", b"", "as an ONNX file: it is empty"),
        ("m.onnx", b"hello\n", 'as an ONNX file: it begins with "hello"'),
        ("m.skops", b"PK\x03\x04" + b"0" * 60, "its end, which lists what it holds, is missing"),
        ("m.joblib", b"\x80\x04\x95", "as a joblib or pickle file: it begins with the bytes 80 04 95"),
        ("m.json", b'{"learner": {"x":', "as an XGBoost file"),
        ("m.txt", b"tree\nversion=v4\n", 'as a LightGBM text file: it begins with "tree"'),
    ],
)
def test_a_damaged_file_is_named_in_plain_words(name: str, data: bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(BundleError) as told:
        load_model(tmp_path / name)
    assert words in str(told.value)
    assert "ave the model again" in str(told.value)
    assert "Error" not in str(told.value)
