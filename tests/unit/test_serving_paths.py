"""Paths, methods and answers as other people's clients expect them."""

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from support.serving_app import App
from support.serving_bundles import (
    FLIGHT_ROW,
    HOUSE_ROW,
    flight_bundle,
    flight_frame,
    flight_pipeline,
    house_bundle,
)
from tidegauge_serving.rows.refusal import REASONS

HOUSE_BODY = {"inputs": [{"name": "x", "shape": [1, 5], "datatype": "FP64", "data": [3, 2, 2000, 10, 7]}]}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    folder = tmp_path_factory.mktemp("house")
    app = App(house_bundle(folder / "bundle"), folder / "log")
    yield app
    app.close()


@pytest.fixture(scope="module")
def flights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    folder = tmp_path_factory.mktemp("flights")
    app = App(flight_bundle(folder / "bundle"), folder / "log")
    yield app
    app.close()


# --- methods ---------------------------------------------------------------------------------------------

METHODS = [
    ("/predict", "POST"),
    ("/v1/models/house-prices:predict", "POST"),
    ("/v2/models/house-prices/infer", "POST"),
    ("/v2/models/house-prices/versions/7/infer", "POST"),
    ("/v1/models", "GET, HEAD"),
    ("/v1/models/house-prices", "GET, HEAD"),
    ("/v2", "GET, HEAD"),
    ("/v2/models/house-prices", "GET, HEAD"),
    ("/v2/models/house-prices/versions/7", "GET, HEAD"),
    ("/v2/models/house-prices/versions/7/ready", "GET, HEAD"),
    ("/v2/health/ready", "GET, HEAD"),
    ("/metrics", "GET, HEAD"),
    ("/docs", "GET, HEAD"),
    ("/openapi.json", "GET, HEAD"),
    ("/", "GET, HEAD"),
]


@pytest.mark.parametrize(("path", "allowed"), METHODS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_a_method_that_a_path_does_not_take_is_told_those_that_it_takes(
    house: App, path: str, allowed: str, method: str
) -> None:
    status, headers, answer = house.ask(method, path, b"{}")
    if method in allowed.split(", "):
        assert status != 405
        return
    assert (status, headers["allow"]) == (405, allowed)
    if method != "HEAD":
        assert json.loads(answer)["error"].endswith(f"it takes {allowed}")


@pytest.mark.parametrize("verb", ["explain", "classify", "regress", "predict:predict", ""])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_verb_that_is_not_there_is_404(house: App, method: str, verb: str) -> None:
    status, _, answer = house.ask(method, f"/v1/models/house-prices:{verb}", b"{}")
    assert status == 404
    assert json.loads(answer)["reason"] in ("not_found", "unknown_model")


@pytest.mark.parametrize(
    "path", ["/", "/healthz", "/readyz", "/metrics", "/docs", "/openapi.json", "/v2", "/v2/health/live"]
)
def test_head_is_answered_as_get(house: App, path: str) -> None:
    got, asked = house.ask("GET", path, b""), house.ask("HEAD", path, b"")
    assert (asked[0], asked[1]["content-type"]) == (got[0], got[1]["content-type"])


# --- the Open Inference Protocol ----------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["1", "v10", "latest", "2026-01-01"])
def test_any_version_is_the_model(house: App, version: str) -> None:
    plain, versioned = "/v2/models/house-prices", f"/v2/models/house-prices/versions/{version}"
    for rest in ("", "/ready"):
        assert house.get(versioned + rest) == house.get(plain + rest)
    status, answer = house.post(f"{versioned}/infer", HOUSE_BODY)
    assert (status, answer) == house.post(f"{plain}/infer", HOUSE_BODY)
    assert status == 200
    assert "model_version" not in answer, "a bundle has none"


def test_the_version_of_another_model_is_unknown(house: App) -> None:
    for rest in ("", "/ready"):
        assert house.get(f"/v2/models/other/versions/1{rest}")[1]["reason"] == "unknown_model"
    status, answer = house.post("/v2/models/other/versions/1/infer", HOUSE_BODY)
    assert (status, answer["reason"]) == (404, "unknown_model")


def test_the_server_s_metadata_has_a_slash_too(house: App) -> None:
    assert house.get("/v2/") == house.get("/v2")
    assert house.get("/v2/")[1]["extensions"] == ["binary_tensor_data"]


def test_kserve_s_v1_client_finds_the_server_alive(house: App) -> None:
    assert house.get("/") == (200, {"status": "alive"})


@pytest.mark.parametrize(
    ("kind", "platform"),
    [("onnx", "onnx_onnxv1"), ("skops", "sklearn_skops"), ("joblib", "sklearn_joblib")],
)
def test_the_platform_is_project_and_format(tmp_path: Path, kind: str, platform: str) -> None:
    bundle = house_bundle(tmp_path / "bundle", LinearRegression(), format=kind)
    app = App(bundle, tmp_path / "log", allow_pickle=True)
    assert app.get("/v2/models/house-prices")[1]["platform"] == platform
    app.close()


def flight_tensors() -> dict[str, Any]:
    kinds = {"temp": "FP64", "carrier": "BYTES", "distance": "FP64"}
    return {
        "inputs": [
            {"name": name, "shape": [1], "datatype": kind, "data": [FLIGHT_ROW[name]]}
            for name, kind in kinds.items()
        ]
    }


@pytest.mark.slow
def test_every_parameter_of_an_answer_is_text_number_or_truth_value(flights: App) -> None:
    for wish in ({}, {"parameters": {"binary_data_output": False}}):
        outputs = flights.post("/v2/models/late-flights/infer", {**flight_tensors(), **wish})[1]["outputs"]
        parameters = [each.get("parameters", {}) for each in outputs]
        assert all(isinstance(value, str | int | bool) for each in parameters for value in each.values())
    assert json.loads(parameters[1]["classes"]) == ["late", "on time"]


def test_outputs_also_have_the_names_that_mlserver_gives(flights: App) -> None:
    path = "/v2/models/late-flights/infer"
    plain = flights.post(path, flight_tensors())[1]["outputs"]
    wish = {"outputs": [{"name": "predict_proba"}, {"name": "predict"}]}
    found = flights.post(path, {**flight_tensors(), **wish})[1]["outputs"]
    assert [each["name"] for each in found] == ["predict_proba", "predict"]
    assert [each["data"] for each in found] == [plain[1]["data"], plain[0]["data"]]


# --- probabilities on request ---------------------------------------------------------------------------


def original() -> tuple[Any, Any]:
    frame = flight_frame()
    X = frame.drop(columns="late")
    X["carrier"] = X["carrier"].where(X["carrier"].notna(), "")
    return flight_pipeline().fit(X, frame["late"]), X


@pytest.mark.slow
@pytest.mark.parametrize("rows", [1, 3, 900])
def test_v1_answers_probabilities_on_request(flights: App, rows: int) -> None:
    model, X = original()
    X = X.dropna().head(rows)
    body = {"instances": X.to_dict("records")}
    status, answer = flights.post(
        "/v1/models/late-flights:predict", {**body, "parameters": {"probabilities": True}}
    )
    assert status == 200
    assert answer["classes"] == model.classes_.tolist()
    np.testing.assert_allclose(answer["probabilities"], model.predict_proba(X), atol=1e-5)
    assert answer["predictions"] == flights.post("/v1/models/late-flights:predict", body)[1]["predictions"]


@pytest.mark.slow
def test_predict_answers_probabilities_on_request(flights: App) -> None:
    import pandas as pd

    model, _ = original()
    body = {"features": FLIGHT_ROW}
    status, answer = flights.post("/predict", {**body, "parameters": {"probabilities": True}})
    assert status == 200
    assert answer["classes"] == ["late", "on time"]
    wanted = model.predict_proba(pd.DataFrame([FLIGHT_ROW])[["temp", "carrier", "distance"]])[0]
    np.testing.assert_allclose(answer["probabilities"], wanted, atol=1e-5)
    plain = flights.post("/predict", body)[1]
    assert {name: answer[name] for name in plain} == plain


@pytest.mark.parametrize("parameters", [None, {}, {"probabilities": False}, {"sampleCount": 3}])
def test_without_that_wish_answers_are_as_ever(flights: App, parameters: Any) -> None:
    for path, body in (
        ("/predict", {"features": FLIGHT_ROW}),
        ("/v1/models/late-flights:predict", {"instances": [FLIGHT_ROW]}),
    ):
        assert flights.post(path, {**body, "parameters": parameters}) == flights.post(path, body)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"probabilities": "yes"}, "a text"),
        ({"probabilities": 1}, "a number"),
        ({"probabilities": None}, "null"),
        ([], "parameters is a list"),
        (True, "parameters is a truth value"),
    ],
)
def test_a_wish_that_is_none_is_refused(flights: App, parameters: Any, words: str) -> None:
    for path, body in (
        ("/predict", {"features": FLIGHT_ROW}),
        ("/v1/models/late-flights:predict", {"instances": [FLIGHT_ROW]}),
    ):
        status, answer = flights.post(path, {**body, "parameters": parameters})
        assert (status, answer["reason"]) == (422, "bad_request")
        assert words in answer["error"]


def test_a_model_without_probabilities_says_so(house: App) -> None:
    for path, body in (
        ("/predict", {"features": HOUSE_ROW}),
        ("/v1/models/house-prices:predict", {"instances": [HOUSE_ROW]}),
    ):
        status, answer = house.post(path, {**body, "parameters": {"probabilities": True}})
        assert (status, answer["reason"]) == (422, "unknown_output")


# --- documentation ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["house", "flights"])
def test_the_examples_of_the_document_are_answered(name: str, request: pytest.FixtureRequest) -> None:
    app = request.getfixturevalue(name)
    asked = 0
    for path, item in app.get("/openapi.json")[1]["paths"].items():
        for method, operation in item.items():
            filled = path.replace("{model}", app.service.name).replace("{version}", "1")
            content = operation.get("requestBody", {}).get("content", {})
            body = content.get("application/json", {}).get("example")
            assert app.ask(method.upper(), filled, body)[0] == 200, (method, filled)
            asked += body is not None
    assert asked == 4


def test_the_document_says_what_a_request_must_hold(house: App) -> None:
    document = house.get("/openapi.json")[1]
    predict = document["paths"]["/predict"]["post"]
    row = predict["requestBody"]["content"]["application/json"]["schema"]["properties"]["features"]
    assert row["required"] == list(HOUSE_ROW)
    assert row["additionalProperties"] is False
    assert {str(status) for status in REASONS.values()} == set(predict["responses"]) - {"200"}
    v1 = document["paths"]["/v1/models/{model}:predict"]["post"]["requestBody"]["content"]
    rows = v1["application/json"]["schema"]["properties"]["instances"]["anyOf"]
    assert [each["minItems"] for each in rows] == [1, 1]
    assert [each["items"].get("maxItems") for each in rows] == [None, 5]


class _Page(HTMLParser):
    """Collects what a page would run, load, or leave open."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loads += [
            str(value) for name, value in attrs if name in ("src", "href", "action") or name[:2] == "on"
        ]
        if tag not in ("meta", "br"):
            self.open.append(tag)
        if tag in ("script", "link", "img", "iframe"):
            self.loads.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_of_the_document_loads_nothing_and_names_all_paths(house: App) -> None:
    status, headers, body = house.ask("GET", "/docs", b"")
    page = body.decode()
    reader = _Page()
    reader.feed(page)
    assert (status, reader.loads, reader.open) == (200, ["openapi.json"], [])
    assert all(f"<code>{path}</code>" in page for path in house.get("/openapi.json")[1]["paths"])
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert "http" not in re.sub(r"https?://localhost", "", policy)


def test_text_of_the_document_cannot_become_markup() -> None:
    from tidegauge.http.openapi_page import openapi_page

    evil = '"><script>alert(1)</script>'
    media = {"application/json": {"schema": {"$ref": "#/components/schemas/A"}, "example": {evil: evil}}}
    operation = {
        "summary": evil,
        "parameters": [{"name": evil, "in": evil, "required": True}],
        "requestBody": {"content": media},
        "responses": {"200": {"description": evil, "content": media}, "404": {"description": evil}},
    }
    document = {
        "info": {"title": evil, "version": evil, "description": evil},
        "paths": {evil: {"get": operation, "parameters": []}},
        "components": {"schemas": {"A": {"items": {"$ref": "#/components/schemas/A"}, "title": evil}}},
    }
    page = openapi_page(document)
    assert "<script" not in page
    assert page.count("&lt;script") > 10


def test_before_a_model_is_there_the_document_is_of_any(house: App) -> None:
    service, house.state.service = house.state.service, None
    try:
        document = house.get("/openapi.json")[1]
        assert house.ask("GET", "/docs", b"")[0] == 200
    finally:
        house.state.service = service
    content = document["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]
    assert content["schema"]["properties"]["features"] == {"type": "object"}
    assert "example" not in content
