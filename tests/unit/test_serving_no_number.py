"""A prediction that is NaN or infinite is no answer: every protocol refuses the row, as packing expects."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LinearRegression
from sklearn.naive_bayes import GaussianNB
from support.packs import pack
from support.serving_app import App

from tidegauge.pack import Packed
from tidegauge.protocol.names import Metric

pytestmark = pytest.mark.slow  # each of these models is packed first

TABLE = pd.DataFrame({"u": np.linspace(1, 9, 200), "v": np.tile([1.0, 2.0, 3.0, 4.0], 50)})


def isotonic(folder: Path) -> Packed:
    """Beyond its training range the original itself answers NaN."""
    rows = TABLE[["u"]]
    return pack(IsotonicRegression().fit(rows, rows["u"] ** 2), rows, folder, target=None, exclude=[])


def linear(folder: Path) -> Packed:
    """A large coefficient: far beyond training the original itself answers infinity."""
    model = LinearRegression().fit(TABLE, 1e9 * TABLE["u"])
    return pack(model, TABLE, folder, target=None, exclude=[])


def rates(folder: Path) -> Packed:
    """The exponential of a large margin is infinite."""
    import xgboost

    model = xgboost.XGBRegressor(n_estimators=9, booster="gblinear", objective="count:poisson")
    return pack(model.fit(TABLE, TABLE["u"].round()), TABLE, folder, target=None, exclude=[])


MODELS: dict[Callable[[Path], Packed], tuple[float, str]] = {
    isotonic: (1000.0, "NaN"),
    linear: (1e305, "infinite"),
    rates: (1e9, "infinite"),
}


@pytest.fixture(scope="module", params=MODELS, ids=lambda made: made.__name__)
def served(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[App, float, str]]:
    folder = tmp_path_factory.mktemp("served")
    packed = request.param(folder)
    app = App(packed.folder, folder / "log", trusted_types=frozenset(packed.manifest.model.trusted_types))
    yield app, *MODELS[request.param]
    app.close()


def requests(names: tuple[str, ...], values: list[float]) -> Iterator[tuple[str, bytes, dict[str, str]]]:
    """Rows of which only `u` differs, by every protocol; `/predict` takes the last one alone."""
    rows = [dict(zip(names, [value, 2.0], strict=False)) for value in values]
    yield "/predict", json.dumps({"features": rows[-1]}).encode(), {}
    yield "/v1/models/bundle:predict", json.dumps({"instances": rows}).encode(), {}
    flat = [value for row in rows for value in row.values()]
    tensor = {"name": "rows", "shape": [len(rows), len(names)], "datatype": "FP64"}
    yield "/v2/models/bundle/infer", json.dumps({"inputs": [{**tensor, "data": flat}]}).encode(), {}
    data = np.array(flat, "<f8").tobytes()
    head = json.dumps(
        {
            "inputs": [{**tensor, "parameters": {"binary_data_size": len(data)}}],
            "parameters": {"binary_data_output": True},
        }
    ).encode()
    yield "/v2/models/bundle/infer", head + data, {"inference_header_content_length": str(len(head))}


@pytest.mark.parametrize("before", [[], [2.0, 3.0]], ids=["alone", "after others"])
def test_the_row_is_refused_with_its_value(served: tuple[App, float, str], before: list[float]) -> None:
    app, value, what = served
    counted = app.metric(Metric.SERVING_ROWS)
    for path, body, headers in requests(app.service.schema.names, [*before, value]):
        status, answer = app.post(path, body, **headers)
        assert (status, answer["reason"]) == (422, "model_refused"), (path, answer)
        assert answer["error"] == (
            f"feature 'u' is {value:g}, which the model refused: its prediction is {what}, which is no answer"
        )
    assert app.metric(Metric.SERVING_ROWS) == counted


def test_rows_with_finite_predictions_are_answered(served: tuple[App, float, str]) -> None:
    app = served[0]
    for path, body, headers in requests(app.service.schema.names, [2.0, 3.0]):
        assert app.ask("POST", path, body, **headers)[0] == 200


def test_probabilities_that_are_no_numbers_are_refused_where_they_are_asked_for(tmp_path: Path) -> None:
    """Far from all classes the likelihoods underflow; scikit-learn still answers a label."""
    model = GaussianNB().fit(TABLE, TABLE["v"] > 2)
    packed = pack(model, TABLE, tmp_path, target=None, exclude=[])
    app = App(packed.folder, tmp_path / "log")
    far = {"u": 1e200, "v": 2.0}
    if packed.manifest.features[0].dtype == "float32":
        far["u"] = 1e38
    assert app.post("/predict", {"features": far})[0] == 200
    wishes = {"parameters": {"probabilities": True}}
    columns = [
        {"name": name, "shape": [1], "datatype": "FP64", "data": [value]} for name, value in far.items()
    ]
    for path, body in (
        ("/predict", {"features": far, **wishes}),
        ("/v1/models/bundle:predict", {"instances": [far], **wishes}),
        ("/v2/models/bundle/infer", {"inputs": columns}),
    ):
        status, answer = app.post(path, body)
        assert (status, answer["reason"]) == (422, "model_refused"), answer
        assert "ask for the prediction alone" in answer["error"]
    alone = {"inputs": columns, "outputs": [{"name": "prediction"}]}
    assert app.post("/v2/models/bundle/infer", alone)[0] == 200
    app.close()
