"""An input that makes a model raise is refused with its feature and value: 5xx is the server alone."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, SplineTransformer, StandardScaler
from support.packs import NUMBERS, pack, training_table
from support.serving_app import App
from tidegauge_serving.models import Predictions
from tidegauge_serving.predict.blame import Blame
from tidegauge_serving.rows.schema import Block

from tidegauge.protocol.names import Metric

CITY = "city of x"
ROW = {"a": 50.0, "b": 2, "c": 3.0, CITY: "oslo"}
ENCODERS = {"onnx": OneHotEncoder(), "skops": OrdinalEncoder()}


@pytest.fixture(scope="module", params=ENCODERS)
def app(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    folder, table = tmp_path_factory.mktemp("blame"), training_table()
    columns = ColumnTransformer([("city", ENCODERS[request.param], [CITY]), ("n", StandardScaler(), NUMBERS)])
    model = make_pipeline(columns, Ridge()).fit(table[[*NUMBERS, CITY]], table["y"])
    packed = pack(model, table, folder, exclude=[])
    assert packed.manifest.model.format == request.param
    app = App(packed.folder, folder / "log", trusted_types=frozenset(packed.manifest.model.trusted_types))
    yield app
    app.close()


def bodies(row: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    yield "/predict", {"features": row}
    yield "/v1/models/bundle:predict", {"instances": [ROW, row, ROW]}
    tensors = [
        {"name": name, "shape": [1], "datatype": "BYTES" if name == CITY else "FP64", "data": [value]}
        for name, value in row.items()
    ]
    yield "/v2/models/bundle/infer", {"inputs": tensors}


@pytest.mark.slow
@pytest.mark.parametrize("value", ["lima", "", " oslo", "OSLO"])
def test_a_category_that_the_model_refuses_is_named(app: App, value: str) -> None:
    failed = app.metric(Metric.SERVING_ERRORS, reason="model_failed")
    for path, body in bodies({**ROW, CITY: value}):
        status, answer = app.post(path, body)
        assert (status, answer["reason"]) == (422, "model_refused")
        assert f"feature '{CITY}' is '{value}', which the model refused" in answer["error"]
    assert app.metric(Metric.SERVING_ERRORS, reason="model_failed") == failed
    assert app.post("/predict", {"features": ROW})[0] == 200


@pytest.mark.slow
def test_a_number_that_the_model_refuses_is_named(tmp_path: Path) -> None:
    table = training_table()
    model = make_pipeline(SplineTransformer(extrapolation="error"), Ridge()).fit(table[NUMBERS], table["y"])
    packed = pack(model, table, tmp_path)
    app = App(packed.folder, tmp_path / "log", trusted_types=frozenset(packed.manifest.model.trusted_types))
    status, answer = app.post("/predict", {"features": {"a": 50.0, "b": 2, "c": 1e6}})
    assert (status, answer["reason"]) == (422, "model_refused")
    assert "feature 'c' is 1e+06, which the model refused" in answer["error"]
    app.close()


# --- whose fault -------------------------------------------------------------------------------------------

EXAMPLE = Block(np.zeros((1, 5)), {})
NAMES = ["p", "q", "r", "s", "t"]


class Picky:
    """A model that raises where its rule says so, and counts how often it is asked."""

    def __init__(self, refuses: Any) -> None:
        self.refuses = refuses
        self.calls = 0

    def __call__(self, block: Block) -> Predictions:
        self.calls += 1
        if self.refuses(block.values):
            raise RuntimeError("node 7 failed")
        return Predictions(np.zeros(len(block)))


@pytest.mark.parametrize("at", range(5))
def test_one_bad_value_among_many_rows_is_found_by_halves(at: int) -> None:
    rows = np.ones((1000, 5))
    rows[617, at] = 9
    model = Picky(lambda values: (values == 9).any())
    refusal = Blame(model, EXAMPLE, NAMES)(Block(rows, {}), RuntimeError("node 7 failed"))
    assert (refusal.reason, refusal.message) == (
        "model_refused",
        f"feature '{NAMES[at]}' is 9, which the model refused",
    )
    assert model.calls <= 20


def test_two_bad_values_name_one_and_two_that_only_clash_name_none() -> None:
    row = Block(np.array([[0.0, 9.0, 0.0, 9.0, 0.0]]), {})
    error = RuntimeError("node 7 failed")
    assert "'q' is 9" in Blame(Picky(lambda values: (values == 9).any()), EXAMPLE, NAMES)(row, error).message
    clash = Blame(Picky(lambda values: values.sum() > 10), EXAMPLE, NAMES)(row, error)
    assert (clash.reason, clash.message) == (
        "model_refused",
        "the model refused this input: it takes no such row",
    )


def test_a_missing_value_is_called_missing() -> None:
    row = Block(np.array([[0.0, 0.0, np.nan, 0.0, 0.0]]), {})
    refusal = Blame(Picky(lambda values: np.isnan(values).any()), EXAMPLE, NAMES)(row, ValueError("NaN"))
    assert refusal.message == "feature 'r' is missing, and the model refused the row: NaN"


@pytest.mark.parametrize(
    ("refuses", "error"),
    [
        (lambda _: True, RuntimeError("the model is broken")),
        (lambda _: False, RuntimeError("a passing failure")),
        (lambda values: (values == 9).any(), MemoryError()),
    ],
)
def test_a_model_that_fails_by_itself_is_the_servers_fault(refuses: Any, error: Exception) -> None:
    row = Block(np.full((1, 5), 9.0), {})
    assert Blame(Picky(refuses), EXAMPLE, NAMES)(row, error).reason == "model_failed"
