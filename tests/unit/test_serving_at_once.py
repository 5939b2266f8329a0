"""Answers at once are byte for byte those of the ordinary way, or there are none."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.serving_app import App, read_log
from support.serving_bundles import HOUSE_FEATURES, HOUSE_ROW, flight_bundle, house_bundle, house_data

PREDICT, V1, V2 = "/predict", "/v1/models/house-prices:predict", "/v2/models/house-prices/infer"
ROW = list(HOUSE_ROW.values())


@pytest.fixture(scope="module", params=["float32", "float64"])
def app(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    folder = tmp_path_factory.mktemp("house")
    app = App(house_bundle(folder / "bundle", dtype=request.param), folder / "log", log_bytes=1 << 30)
    yield app
    app.close()


def at_once(app: App, path: str, body: bytes, **headers: str) -> bytes | None:
    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    answer = app.gate.at_once[path](body, named)
    app.service.commit()
    if answer is None:
        return None
    assert answer[1:] == (1, [])
    return answer[0]


def assert_alike(app: App, path: str, body: bytes, **headers: str) -> bool:
    """Whether there is an answer at once; if so it is the ordinary one, and counted the same."""
    before = (app.metrics.rows, app.tap.appended)
    quick = at_once(app, path, body, **headers)
    quickly = (app.metrics.rows - before[0], app.tap.appended - before[1])
    if quick is None:
        assert quickly == (0, 0)
        return False
    before = (app.metrics.rows, app.tap.appended)
    status, _, ordinary = app.ask("POST", path, body, **headers)
    assert (status, ordinary) == (200, quick)
    assert quickly == (1, 1) == (app.metrics.rows - before[0], app.tap.appended - before[1])
    return True


def tensor(**changes: Any) -> dict[str, Any]:
    return {"name": "input", "shape": [1, 5], "datatype": "FP64", "data": ROW, **changes}


def v2(*tensors: dict[str, Any], **more: Any) -> bytes:
    return json.dumps({"inputs": list(tensors), **more}).encode()


ORDINARY = [
    (PREDICT, json.dumps({"features": HOUSE_ROW}).encode()),
    (PREDICT, json.dumps({"features": dict(reversed(HOUSE_ROW.items()))}, indent=2).encode()),
    (PREDICT, json.dumps({"user": "x", "features": HOUSE_ROW}).encode()),
    (V1, json.dumps({"instances": [ROW]}).encode()),
    (V1, json.dumps({"instances": [HOUSE_ROW]}).encode()),
    (V2, v2(tensor())),
    (V2, v2(tensor(name="anything"), id="a-1")),
    (V2, v2(tensor(data=[3.25, 2e0, 2000, -0.0, 7]), id=None)),
]


@pytest.mark.parametrize(("path", "body"), ORDINARY)
def test_an_ordinary_request_of_one_row_is_answered_at_once_as_ever(app: App, path: str, body: bytes) -> None:
    assert assert_alike(app, path, body)


UNUSUAL = [
    (PREDICT, b""),
    (PREDICT, b'{"features": {"bedrooms": 3}}'),
    (PREDICT, json.dumps({"features": {**HOUSE_ROW, "sqft": "2000"}}).encode()),
    (PREDICT, json.dumps({"features": {**HOUSE_ROW, "more": 1}}).encode()),
    (PREDICT, json.dumps({"features": HOUSE_ROW, "parameters": {}}).encode()),
    (V1, json.dumps({"instances": [ROW, ROW]}).encode()),
    (V1, json.dumps({"instances": []}).encode()),
    (V1, json.dumps({"instances": [ROW], "parameters": {"probabilities": True}}).encode()),
    (V1, json.dumps({"instances": [ROW[:4]]}).encode()),
    (V2, v2()),
    (V2, v2(tensor(), tensor())),
    (V2, v2(tensor(shape=[1, 4]))),
    (V2, v2(tensor(shape=[5]))),
    (V2, v2(tensor(shape=[2, 5], data=ROW * 2))),
    (V2, v2(tensor(shape=[1, -5]))),
    (V2, v2(tensor(data=[ROW]))),
    (V2, v2(tensor(data=[True, *ROW[1:]]))),
    (V2, v2(tensor(data=["3", *ROW[1:]]))),
    (V2, v2(tensor(data=[*ROW, 1]))),
    (V2, v2(tensor(datatype="FP32"))),
    (V2, v2(tensor(datatype="INT64"))),
    (V2, v2(tensor(name="sqft"))),
    (V2, v2(tensor(parameters={"binary_data_size": 40}))),
    (V2, v2(tensor(), outputs=[{"name": "drift_score"}])),
    (V2, v2(tensor(), parameters={"binary_data_output": True})),
    (V2, v2(tensor(), id=7)),
    (V2, json.dumps({"inputs": [tensor(data=[float("nan"), *ROW[1:]])]}).encode()),
    (V2, v2(tensor()).replace(b"2000", b"1e999")),
]


@pytest.mark.parametrize(("path", "body"), UNUSUAL)
def test_whatever_is_unusual_is_left_to_the_ordinary_way(app: App, path: str, body: bytes) -> None:
    assert not assert_alike(app, path, body)


def test_a_declared_length_of_the_json_part_is_left_to_the_ordinary_way(app: App) -> None:
    body = v2(tensor())
    assert not assert_alike(app, V2, body, inference_header_content_length=str(len(body)))
    assert not assert_alike(app, V2, body, inference_header_content_length="9999")


def test_a_value_too_large_for_a_float32_feature_is_refused_and_not_answered_at_once(app: App) -> None:
    for path, body in (
        (PREDICT, json.dumps({"features": {**HOUSE_ROW, "sqft": 1e39}}).encode()),
        (V1, json.dumps({"instances": [[3, 2, 1e39, 10, 7]]}).encode()),
        (V2, v2(tensor(data=[3, 2, 1e39, 10, 7]))),
    ):
        narrow = app.loaded.profile.features[0].dtype == "float32"
        assert assert_alike(app, path, body) is not narrow
        assert (app.ask("POST", path, body)[0] == 422) is narrow


numbers = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**70), 2**70)
anything = numbers | st.none() | st.booleans() | st.text(max_size=3) | st.just(float("nan"))
lists = st.lists(numbers, min_size=5, max_size=5) | st.lists(anything, max_size=7)
tensors = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["input", "sqft", ""]) | st.text(max_size=3),
        "shape": st.just([1, 5]) | st.lists(st.integers(-1, 6), max_size=3),
        "datatype": st.sampled_from(["FP64", "FP64", "FP64", "FP32", "INT64", "BOOL", "BYTES", "fp64"]),
        "data": lists,
    },
    optional={"parameters": st.none() | st.just({}), "more": st.none()},
)
requests = st.one_of(
    st.tuples(st.just(PREDICT), st.builds(lambda row: {"features": dict(zip(HOUSE_FEATURES, row))}, lists)),  # noqa: B905
    st.tuples(st.just(V1), st.builds(lambda rows: {"instances": rows}, st.lists(lists, max_size=2))),
    st.tuples(
        st.just(V2),
        st.fixed_dictionaries(
            {"inputs": st.lists(tensors, min_size=1, max_size=2)},
            optional={"id": st.none() | st.text(max_size=4) | st.integers(), "outputs": st.none()},
        ),
    ),
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(requests)
def test_random_requests_have_the_same_answer_by_both_ways(app: App, request: tuple[str, Any]) -> None:
    path, document = request
    assert_alike(app, path, json.dumps(document).encode())


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(ORDINARY), st.integers(0, 400), st.binary(max_size=2))
def test_a_damaged_request_has_the_same_answer_by_both_ways(
    app: App, ordinary: tuple[str, bytes], at: int, instead: bytes
) -> None:
    path, body = ordinary
    assert_alike(app, path, body[:at] + instead + body[at + 1 :])


def test_rows_of_all_protocols_answered_in_one_turn_share_a_frame(tmp_path: Path) -> None:
    app = App(house_bundle(tmp_path / "bundle"), tmp_path / "log")
    try:
        rows = np.round(house_data(3, seed=21)[0], 3).tolist()
        named = dict(zip(HOUSE_FEATURES, rows[0], strict=True))
        app.gate.at_once[PREDICT](json.dumps({"features": named}).encode(), [])
        app.gate.at_once[V1](json.dumps({"instances": [rows[1]]}).encode(), [])
        app.gate.at_once[V2](v2(tensor(data=rows[2])), [])
        app.service.commit()
        (frame,) = read_log(tmp_path / "log")[1]
        np.testing.assert_array_equal(np.frombuffer(frame.payload).reshape(3, -1)[:, :-1], rows)
    finally:
        app.close()


def test_a_model_with_categories_answers_nothing_at_once(tmp_path: Path) -> None:
    app = App(flight_bundle(tmp_path / "bundle"), tmp_path / "log")
    try:
        assert app.gate.at_once == {}
    finally:
        app.close()
