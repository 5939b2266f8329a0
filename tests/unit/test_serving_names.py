"""Features may have any name: with quotes, backslashes, control characters, letters of any script."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from support.packs import pack
from support.serving_app import App
from xgboost import XGBRegressor

pytestmark = pytest.mark.slow  # each of these models is packed first

NAMES = ['size 19"', "back\\slash", "tab\there", "naïve ☃", "plain"]


def table(rows: int = 200) -> pd.DataFrame:
    values = np.random.default_rng(3).normal(size=(rows, len(NAMES)))
    return pd.DataFrame(values, columns=NAMES).assign(y=values @ np.arange(1.0, 6.0))


@pytest.fixture(scope="module", params=["linear", "scaled", "booster"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple]:
    models = {
        "linear": LinearRegression(),
        "scaled": make_pipeline(StandardScaler(), LinearRegression()),
        "booster": XGBRegressor(n_estimators=5),
    }
    data, folder = table(), tmp_path_factory.mktemp("names")
    model = models[request.param].fit(data[NAMES], data["y"])
    app = App(pack(model, data, folder, exclude=()).folder, folder / "log")
    yield app, model
    app.close()


@pytest.fixture
def rows() -> pd.DataFrame:
    return table(7)[NAMES]


def test_rows_by_name_are_answered_whatever_the_names(served: tuple, rows: pd.DataFrame) -> None:
    app, model = served
    records = rows.to_dict("records")
    status, answer = app.post(f"/v1/models/{app.service.name}:predict", {"instances": records})
    assert status == 200
    np.testing.assert_allclose(answer["predictions"], model.predict(rows), rtol=1e-5)
    one = app.post("/predict", {"features": dict(reversed(records[0].items()))})
    assert one[0] == 200
    assert one[1]["prediction"] == pytest.approx(answer["predictions"][0], rel=1e-6)


def test_tensors_by_name_are_answered_too(served: tuple, rows: pd.DataFrame) -> None:
    app, model = served
    inputs = [
        {"name": name, "shape": [len(rows)], "datatype": "FP64", "data": rows[name].tolist()}
        for name in NAMES
    ]
    status, answer = app.post(f"/v2/models/{app.service.name}/infer", {"inputs": inputs})
    assert status == 200
    np.testing.assert_allclose(answer["outputs"][0]["data"], model.predict(rows), rtol=1e-5)


@pytest.mark.parametrize(
    ("change", "reason", "said"),
    [
        ({'size 19"': "wide"}, "wrong_type", 'size 19"'),
        ({"tab\there": True}, "wrong_type", "tab"),
        ({"back/slash": 1.0}, "unknown_feature", "did you mean"),
    ],
)
def test_a_refusal_names_the_feature(
    served: tuple, rows: pd.DataFrame, change: dict, reason: str, said: str
) -> None:
    app, _ = served
    status, answer = app.post("/predict", {"features": {**rows.iloc[0].to_dict(), **change}})
    assert (status, answer["reason"]) == (422, reason)
    assert said in answer["error"]


def test_a_feature_left_out_is_named(served: tuple, rows: pd.DataFrame) -> None:
    app, _ = served
    status, answer = app.post("/predict", {"features": rows.iloc[0].drop("plain").to_dict()})
    assert (status, answer["reason"]) == (422, "missing_feature")
    assert "plain" in answer["error"]
