"""Pipelines as people write them answer and refuse rows that nobody packed as the original does."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.ensemble import HistGradientBoostingRegressor, StackingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, SplineTransformer, StandardScaler
from support.packs import pack
from support.serving_app import App

pytestmark = pytest.mark.slow

NUMBERS = ["age", "income"]


def people(seed: int, rows: int = 200) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    city = rng.choice(["oslo", "rome", "bonn"], rows)
    return pd.DataFrame(
        {
            "age": rng.integers(18, 90, rows).astype(float),
            "income": rng.lognormal(3, 1, rows),
            "city": city,
            "note": [f"lives in {name} since {year}" for name, year in zip(city, range(rows), strict=True)],
        }
    )


TABLE, FRESH = people(1), people(2, rows=12)
AMOUNT = TABLE["age"] / 10 + TABLE["income"] + 5 * (TABLE["city"] == "oslo")
GOOD = np.where(AMOUNT.median() < AMOUNT, "good", "bad")


def texts_and_numbers() -> Any:
    """A vectorizer takes one column by itself: served by position, without pandas."""
    columns = ColumnTransformer([("note", TfidfVectorizer(), "note"), ("n", StandardScaler(), NUMBERS)])
    return make_pipeline(columns, LogisticRegression()).fit(TABLE[[*NUMBERS, "note"]], GOOD)


def rare_cities() -> Any:
    encoder = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=65)
    columns = ColumnTransformer([("city", encoder, ["city"])], remainder=StandardScaler())
    return make_pipeline(columns, Ridge()).fit(TABLE[[*NUMBERS, "city"]], AMOUNT)


def logarithm_of_the_target() -> Any:
    model = TransformedTargetRegressor(Ridge(), func=np.log1p, inverse_func=np.expm1)
    return model.fit(TABLE[NUMBERS], AMOUNT)


def logarithm_of_a_feature() -> Any:
    """Of a negative number it is NaN, which the linear model refuses."""
    return make_pipeline(FunctionTransformer(np.log1p), LinearRegression()).fit(TABLE[NUMBERS], AMOUNT)


def splines() -> Any:
    return make_pipeline(SplineTransformer(extrapolation="error"), Ridge()).fit(TABLE[NUMBERS], AMOUNT)


def boosters_stacked() -> Any:
    import xgboost

    parts = [("trees", xgboost.XGBClassifier(n_estimators=4)), ("line", LogisticRegression())]
    return StackingClassifier(parts, cv=3).fit(TABLE[NUMBERS], GOOD == "good")


def booster_calibrated() -> Any:
    import lightgbm

    model = CalibratedClassifierCV(lightgbm.LGBMClassifier(n_estimators=4, verbose=-1), cv=3)
    return model.fit(TABLE[NUMBERS], GOOD)


def categories_by_dtype() -> Any:
    model = HistGradientBoostingRegressor(max_iter=8, categorical_features="from_dtype")
    return model.fit(TABLE[[*NUMBERS, "city"]].astype({"city": "category"}), AMOUNT)


MODELS: tuple[Callable[[], Any], ...] = (
    texts_and_numbers,
    rare_cities,
    logarithm_of_the_target,
    logarithm_of_a_feature,
    splines,
    boosters_stacked,
    booster_calibrated,
    categories_by_dtype,
)
ODD = {
    "age": [None, -5.0, 1e6, 0.5],
    "income": [None, -5.0, 1e6],
    "city": [None, "lima", "", "OSLO"],
    "note": [""],
}


def strange_rows(names: list[str]) -> list[dict[str, Any]]:
    plain = FRESH[names].to_dict("records")
    return plain + [{**plain[3], name: value} for name in names for value in ODD[name]]


def original_answer(model: Any, row: dict[str, Any], types: pd.Series) -> Any:
    """None where it refuses; a NaN or infinite prediction is a refusal."""
    frame = pd.DataFrame({name: pd.Series([row[name]]).astype(types[name]) for name in row})
    try:
        answer = model.predict(frame)[0]
    except ValueError:
        return None
    return None if isinstance(answer, float) and not np.isfinite(answer) else answer


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("make", MODELS, ids=lambda make: make.__name__)
def test_fresh_and_strange_rows_are_answered_or_refused_as_by_the_original(
    make: Callable[[], Any], tmp_path: Path
) -> None:
    model = make()
    names = list(model.feature_names_in_)
    rows = TABLE[names].astype({"city": "category"} if make is categories_by_dtype else {})
    packed = pack(model, rows, tmp_path, target=None, exclude=[])
    assert not packed.manifest.model.frame
    app = App(packed.folder, tmp_path / "log", trusted_types=frozenset(packed.manifest.model.trusted_types))
    for row in strange_rows(names):
        status, answer = app.post("/predict", {"features": row})
        expected = original_answer(model, row, rows.dtypes)
        assert (status == 200) == (expected is not None), (row, answer, expected)
        if isinstance(expected, float):
            assert answer["prediction"] == pytest.approx(expected, rel=1e-5)
        elif expected is not None:
            assert answer["prediction"] == expected
    app.close()


class Peculiar(LinearRegression):
    """No converter knows it, and it answers otherwise than what it was trained to."""

    def predict(self, X: Any) -> Any:
        return super().predict(X) + np.random.default_rng().normal(size=len(X))


def test_a_model_that_no_form_answers_for_is_refused_in_our_words(tmp_path: Path) -> None:
    """Random answers differ from run to run; the reasons hold no words of a converter."""
    from tidegauge.errors import BundleError

    model = Peculiar().fit(TABLE[NUMBERS], AMOUNT)
    with pytest.raises(BundleError) as caught:
        pack(model, TABLE[NUMBERS], tmp_path, target=None, exclude=[])
    text = str(caught.value)
    assert text.startswith(
        "no form of this Peculiar answers as it does: onnx: there is no converter for Peculiar; skops"
    )
    assert "differ by" in text
    assert not any(word in text for word in ("Error", "Unable", "shape calculator", "<class"))
    assert len(text) < 400
