"""Whatever is sent: an answer or a 4xx with a reason, and nothing in the log for what was refused."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.serving_app import App
from support.serving_bundles import HOUSE_FEATURES, HOUSE_ROW, flight_bundle, house_bundle

SETTINGS = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
PLAIN, V1, V2 = "/predict", "/v1/models/{}:predict", "/v2/models/{}/infer"
PATHS = st.sampled_from([PLAIN, V1, V2])
DATATYPES = ("FP16", "FP32", "FP64", "INT8", "INT64", "UINT8", "BOOL", "BYTES", "BF16", "")

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-100, 100)
    | st.floats(allow_nan=True, allow_infinity=True)
    | st.text(max_size=8)
)
trees = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=8), inner, max_size=6),
    max_leaves=12,
)
names = st.sampled_from([*HOUSE_FEATURES, "carrier", "sqft ", "input"]) | st.text(max_size=6)


@pytest.fixture(scope="module", params=["numbers", "texts"])
def app(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    folder = tmp_path_factory.mktemp("random")
    make = house_bundle if request.param == "numbers" else flight_bundle
    app = App(make(folder / "bundle"), folder / "log")
    yield app
    app.close()


def send(app: App, path: str, body: bytes, **headers: str) -> tuple[int, Any]:
    """Ask, and check what must hold for every request."""
    before = app.capture.sequence
    status, _, answer = app.ask("POST", path.format(app.service.name), body, **headers)
    assert 200 <= status < 500, (status, answer, body[:500])
    if status == 200:
        assert app.capture.sequence > before
        return status, answer
    refused = check_refusal(answer)
    assert app.capture.sequence == before, "a refused request is in the log"
    return status, refused


def check_refusal(answer: bytes) -> dict[str, str]:
    refused: dict[str, str] = json.loads(answer)
    assert set(refused) == {"error", "reason"}
    assert all(text and isinstance(text, str) for text in refused.values())
    return refused


METHODS = st.sampled_from(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"])
ROUTES = st.sampled_from(
    [
        *("/healthz", "/readyz", "/metrics", "/docs", "/redoc", "/openapi.json", "/", "", "{}", "/{}"),
        *("/v1", "/v1/models", "/v1/models/{}", "/v1/models/{}:predict", "/v1/models/{}:explain"),
        *("/v2", "/v2/health/live", "/v2/health/ready", "/v2/health/{}", "/v2/repository/index"),
        *("/v2/models", "/v2/models/{}", "/v2/models/{}/ready", "/v2/models/{}/infer", "/v2/models/{}/{}"),
        *("/v2/models/{}/versions/{}", "/v2/models/{}/versions/{}/infer", "/predict", "/predict/{}"),
    ]
)
WORDS = st.sampled_from(["MODEL", "other", "", "..", "a/b", "ready", "infer", "{}", "%00"]) | st.text(
    max_size=9
)


@pytest.mark.slow
@settings(SETTINGS, max_examples=150)
@given(METHODS, ROUTES, WORDS, st.sampled_from(["", "/", "?a=b", "?\xff=%00"]), st.binary(max_size=40))
def test_any_method_at_any_path(app: App, method: str, route: str, word: str, tail: str, body: bytes) -> None:
    path = route.replace("{}", app.service.name if word == "MODEL" else word) + tail
    before = app.capture.sequence
    status, _, answer = app.ask(method, path, body)
    assert 200 <= status < 500, (status, method, path)
    if status >= 400:
        check_refusal(answer)
    assert app.capture.sequence == before, "no row was sent"
    assert app.get("/healthz") == (200, {"live": True})


@pytest.mark.slow
@SETTINGS
@given(METHODS, st.sampled_from([PLAIN, V1, V2]))
def test_a_wrong_method_is_told_the_right_one(app: App, method: str, path: str) -> None:
    if method != "POST":
        status, _, answer = app.ask(method, path.format(app.service.name), b"")
        assert (status, check_refusal(answer)["reason"]) == (405, "method_not_allowed")


@SETTINGS
@given(path=PATHS, body=st.binary(max_size=300), length=st.none() | st.integers(-5, 400))
def test_random_bytes(app: App, path: str, body: bytes, length: int | None) -> None:
    headers = {} if length is None else {"inference_header_content_length": str(length)}
    send(app, path, body, **headers)


@pytest.mark.slow
@SETTINGS
@given(path=PATHS, body=trees)
def test_random_json(app: App, path: str, body: Any) -> None:
    send(app, path, json.dumps(body).encode())


@pytest.mark.slow
@SETTINGS
@given(values=st.dictionaries(names, scalars | trees, max_size=7), whole=st.booleans())
def test_random_features(app: App, values: dict[str, Any], whole: bool) -> None:
    base = dict(app.loaded.manifest.example["features"]) if whole else {}
    row = {**base, **values}
    status, answer = send(app, PLAIN, json.dumps({"features": row}).encode())
    if set(row) != set(app.loaded.schema.names):
        # `json.dumps` writes Infinity and NaN, which JSON does not have.
        reasons = {400: {"bad_json"}, 422: {"missing_feature", "unknown_feature"}}
        assert answer["reason"] in reasons[status]
        assert status == 422 or re.search("Infinity|NaN", json.dumps(row))
    send(app, V1, json.dumps({"instances": [base or row, row]}).encode())


@pytest.mark.slow
@SETTINGS
@given(rows=st.lists(st.lists(scalars, min_size=4, max_size=6), max_size=4) | trees)
def test_random_instances(app: App, rows: Any) -> None:
    send(app, V1, json.dumps({"instances": rows}).encode())


tensors = st.fixed_dictionaries(
    {
        "name": names,
        "shape": st.lists(st.integers(-2, 6) | st.integers(), max_size=3) | scalars,
        "datatype": st.sampled_from(DATATYPES) | scalars,
    },
    optional={
        "data": st.lists(scalars, max_size=12) | st.lists(st.lists(scalars, max_size=6), max_size=3) | trees,
        "parameters": st.none() | st.fixed_dictionaries({"binary_data_size": st.integers(-9, 90) | scalars}),
    },
)


@pytest.mark.slow
@SETTINGS
@given(inputs=st.lists(tensors, max_size=6), outputs=st.none() | trees, binary=st.binary(max_size=90))
def test_random_tensors(app: App, inputs: list[Any], outputs: Any, binary: bytes) -> None:
    text = json.dumps({"inputs": inputs, "outputs": outputs}).encode()
    send(app, V2, text)
    send(app, V2, text + binary, inference_header_content_length=str(len(text)))


@pytest.mark.slow
@SETTINGS
@given(
    values=st.lists(
        st.integers(-50, 50) | st.floats(width=32, allow_nan=False, allow_infinity=False),
        min_size=5,
        max_size=5,
    )
)
def test_every_row_of_finite_numbers_is_answered_alike_by_all_protocols(
    app: App, values: list[float]
) -> None:
    if app.loaded.schema.categorical:
        return
    row = dict(zip(HOUSE_ROW, values, strict=True))
    _, plain = send(app, PLAIN, json.dumps({"features": row}).encode())
    _, v1 = send(app, V1, json.dumps({"instances": [row]}).encode())
    tensor = {"name": "input", "shape": [1, 5], "datatype": "FP32", "data": values}
    _, v2 = send(app, V2, json.dumps({"inputs": [tensor]}).encode())
    wanted = json.loads(plain)["prediction"]
    assert json.loads(v1)["predictions"] == [wanted]
    assert json.loads(v2)["outputs"][0]["data"] == [wanted]
