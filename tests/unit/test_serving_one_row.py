"""The short way of V2 for one row: nobody can tell it from the ordinary way.

A request that declares the length of its JSON part takes the ordinary way, so a body is sent both ways.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from support.serving_app import App, read_log
from support.serving_bundles import HOUSE_FEATURES, HOUSE_ROW, flight_bundle, house_bundle, house_data
from tidegauge_serving.protocols.one_row import OneRow

from tidegauge.pack import pack_model

pytestmark = pytest.mark.slow

V2 = "/v2/models/house-prices/infer"
ROW = list(HOUSE_ROW.values())


@pytest.fixture(scope="module", params=["float32", "float64"])
def app(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    folder = tmp_path_factory.mktemp("house")
    app = App(house_bundle(folder / "bundle", dtype=request.param), folder / "log", log_bytes=1 << 30)
    yield app
    app.close()


def assert_alike(app: App, body: bytes) -> int:
    """The status, which is the same by both ways, as is all that the server says and counts."""
    counted, answers = [], []
    for headers in ({}, {"inference_header_content_length": str(len(body))}):
        before = (app.metrics.rows, app.capture.appended)
        answers.append(app.ask("POST", V2, body, **headers))
        counted.append((app.metrics.rows - before[0], app.capture.appended - before[1]))
    assert answers[0] == answers[1]
    assert counted[0] == counted[1]
    return answers[0][0]


def is_short(app: App, body: bytes) -> bool:
    return reader(app).read(body) is not None


def reader(app: App) -> OneRow:
    return OneRow(app.loaded.schema, app.service.name, app.loaded.label_datatype)


def tensor(**changes: Any) -> dict[str, Any]:
    return {"name": "input", "shape": [1, 5], "datatype": "FP64", "data": ROW, **changes}


def v2(*tensors: dict[str, Any], **more: Any) -> bytes:
    return json.dumps({"inputs": list(tensors), **more}).encode()


@pytest.mark.parametrize(
    "body",
    [
        v2(tensor()),
        v2(tensor(name="anything"), id="a-1"),
        v2(tensor(name=""), id=""),
        v2(tensor(data=[3.25, 2e0, 2000, -0.0, 7]), id=None),
        json.dumps({"id": 'a"\\u00e9', "inputs": [tensor()]}, indent=2).encode(),
    ],
)
def test_an_ordinary_request_of_one_row_takes_the_short_way(app: App, body: bytes) -> None:
    assert is_short(app, body)
    assert assert_alike(app, body) == 200


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (v2(), 422),
        (v2(tensor(), tensor()), 422),
        (v2(tensor(shape=[1, 4])), 422),
        (v2(tensor(shape=[5])), 422),
        (v2(tensor(shape=[1, -5])), 422),
        (v2(tensor(shape=[2, 5], data=ROW * 2)), 200),
        (v2(tensor(data=[ROW])), 200),
        (v2(tensor(data=[*ROW, 1])), 422),
        (v2(tensor(data=ROW[:4])), 422),
        (v2(tensor(data=[True, *ROW[1:]])), 422),
        (v2(tensor(data=["3", *ROW[1:]])), 422),
        (v2(tensor(datatype="FP32")), 200),
        (v2(tensor(datatype="INT64")), 200),
        (v2(tensor(datatype="BOOL")), 422),
        (v2(tensor(name="sqft")), 422),
        (v2(tensor(), outputs=[{"name": "drift_score"}]), 200),
        (v2(tensor(), parameters={"binary_data_output": True}), 200),
        (v2(tensor(parameters={})), 200),
        (v2(tensor(), id=7), 422),
        (json.dumps({"inputs": [tensor(data=[float("nan"), *ROW[1:]])]}).encode(), 422),
        (v2(tensor()).replace(b"2000", b"1e999"), 422),
    ],
)
def test_whatever_is_unusual_takes_the_ordinary_way(app: App, body: bytes, status: int) -> None:
    assert not is_short(app, body)
    found = app.ask("POST", V2, body)[0]
    assert found == status if status == 200 else found in (400, 422)
    if b"binary_data_output" not in body:
        assert_alike(app, body)


def test_a_value_too_large_for_a_float32_feature_is_refused_by_both_ways(app: App) -> None:
    narrow = app.loaded.profile.features[0].dtype == "float32"
    body = v2(tensor(data=[3, 2, 1e39, 10, 7]))
    assert is_short(app, body) is not narrow
    assert assert_alike(app, body) == (422 if narrow else 200)


def test_a_missing_value_is_taken_or_refused_by_both_ways_alike(app: App) -> None:
    assert_alike(app, v2(tensor(data=[None, *ROW[1:]])))


numbers = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**70), 2**70)
anything = numbers | st.none() | st.booleans() | st.text(max_size=3) | st.just(float("nan"))
tensors = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["input", "sqft", ""]) | st.text(max_size=3),
        "shape": st.just([1, 5]) | st.lists(st.integers(-1, 6), max_size=3),
        "datatype": st.sampled_from(["FP64", "FP64", "FP64", "FP32", "INT64", "BOOL", "BYTES", "fp64"]),
        "data": st.lists(numbers, min_size=5, max_size=5) | st.lists(anything, max_size=7),
    },
    optional={"parameters": st.none() | st.just({}), "more": st.none()},
)
requests = st.fixed_dictionaries(
    {"inputs": st.lists(tensors, min_size=1, max_size=2)},
    optional={"id": st.none() | st.text(max_size=4) | st.integers(), "outputs": st.none()},
)
both_ways = settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])


@both_ways
@given(requests)
def test_random_requests_are_answered_alike(app: App, request: dict[str, Any]) -> None:
    assert_alike(app, json.dumps(request).encode())


@both_ways
@given(st.integers(0, 120), st.binary(max_size=2), st.integers(0, 3))
def test_a_damaged_request_is_answered_alike(app: App, at: int, instead: bytes, cut: int) -> None:
    body = v2(tensor(), id="x")
    assert_alike(app, body[:at] + instead + body[at + cut :])


def test_an_answer_of_the_short_way_is_in_the_log(app: App, tmp_path: Path) -> None:  # noqa: ARG001
    before = app.capture.sequence
    row = [3.5, 2.25, 1999.5, 10.125, 7.0]
    prediction = app.post(V2, v2(tensor(data=row)))[1]["outputs"][0]["data"]
    last = read_log(app.settings.log_dir)[1][-1]
    assert (last.first_sequence, last.rows) == (before, 1)
    np.testing.assert_array_equal(np.frombuffer(last.payload), [*row, *prediction])


@pytest.mark.parametrize("classes", [(0, 1), (False, True), (1.0, 2.0)])
def test_labels_of_a_classifier_without_probabilities_keep_their_datatype(tmp_path: Path, classes) -> None:
    X, y = house_data()
    labels = np.array(classes)[(y > np.median(y)).astype(int)]
    frame = pd.DataFrame(X, columns=list(HOUSE_FEATURES)).assign(dear=labels)
    model = make_pipeline(StandardScaler(), LinearSVC()).fit(frame[list(HOUSE_FEATURES)], frame.dear)
    joblib.dump(model, tmp_path / "model.joblib")
    frame.to_parquet(tmp_path / "train.parquet")
    files = (tmp_path / "model.joblib", tmp_path / "train.parquet")
    pack_model(*files, tmp_path / "bundle", target="dear", name="house-prices", model_format="skops")
    app = App(tmp_path / "bundle", tmp_path / "log")
    try:
        assert not app.service.has_probabilities
        assert is_short(app, v2(tensor()))
        assert assert_alike(app, v2(tensor())) == 200
    finally:
        app.close()


def test_a_model_with_categories_has_no_short_way(tmp_path: Path) -> None:
    app = App(flight_bundle(tmp_path / "bundle"), tmp_path / "log")
    try:
        assert not OneRow.fits(app.loaded.schema)
    finally:
        app.close()
