"""The OpenAPI document describes answers as the routes give them: it is made from the structs they encode."""

import json
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator, ValidationError
from openapi_spec_validator import validate
from sklearn.dummy import DummyRegressor
from support.serving_app import App
from support.serving_bundles import FLIGHT_ROW, HOUSE_ROW, flight_bundle, house_bundle
from tidegauge_serving.http.openapi import describe_answers
from tidegauge_serving.protocols import answers
from tidegauge_serving.rows.chunking import LARGE_BYTES
from tidegauge_serving.rows.refusal import ErrorAnswer

ROWS = {"house-prices": HOUSE_ROW, "late-flights": FLIGHT_ROW}
STRUCTS = {
    kind.__name__: kind
    for kind in (*(getattr(answers, name) for name in answers.__all__), ErrorAnswer)
    if isinstance(kind, type)
}


@pytest.fixture(scope="module", params=list(ROWS))
def app(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    folder = tmp_path_factory.mktemp("answers")
    make = {"house-prices": house_bundle, "late-flights": flight_bundle}[request.param]
    app = App(make(folder / "bundle"), folder / "log")
    yield app
    app.close()


# --- a checker that allows no more than the document says --------------------------------------------------


class Documented:
    """The document of an app, as a checker of its answers."""

    def __init__(self, app: App) -> None:
        self.app, self.document = app, app.get("/openapi.json")[1]
        self._strict = deepcopy(self.document["components"])
        for schema in self._strict["schemas"].values():
            if "properties" in schema:
                schema["additionalProperties"] = False

    def ask(self, method: str, template: str, body: object = b"", **headers: str) -> tuple[int, Any]:
        """Ask a route of the document, and check the answer's status, type and JSON against it."""
        path = template.replace("{model}", self.app.service.name).replace("{version}", "1")
        status, head, answer = self.app.ask(method, path, body, **headers)
        described = self.document["paths"][template][method.lower()]["responses"][str(status)]
        media = head["content-type"].partition(";")[0]
        assert media in described["content"], (template, status, media)
        if media != "application/json":
            return status, answer
        text = answer[: int(head.get("inference-header-content-length", len(answer)))]
        self.check(described["content"][media]["schema"], json.loads(text))
        return status, json.loads(text)

    def check(self, schema: dict[str, Any], answer: Any) -> None:
        """Raise if an answer breaks its schema, or has a field that is not described."""
        Draft202012Validator({**schema, "components": self._strict}).validate(answer)


@pytest.fixture(scope="module")
def documented(app: App) -> Documented:
    return Documented(app)


def v2_body(row: dict[str, Any], **more: Any) -> dict[str, Any]:
    tensors = [
        {
            "name": name,
            "shape": [1],
            "datatype": "BYTES" if isinstance(value, str) else "FP64",
            "data": [value],
        }
        for name, value in row.items()
    ]
    return {"inputs": tensors, **more}


INFER, VERSION_INFER = "/v2/models/{model}/infer", "/v2/models/{model}/versions/{version}/infer"
V1_MODEL = "/v1/models/{model}"
V1 = "/v1/models/{model}:predict"


# --- what the routes answer --------------------------------------------------------------------------------


def test_every_get_of_the_document_is_answered_as_it_says(documented: Documented) -> None:
    paths = [path for path, item in documented.document["paths"].items() if "get" in item]
    assert {documented.ask("GET", path)[0] for path in paths} == {200}
    assert {"/v2", "/v2/models/{model}", "/v1/models", "/healthz", "/metrics"} <= set(paths)


def test_predictions_are_answered_as_the_document_says(documented: Documented) -> None:
    row = ROWS[documented.app.service.name]
    lengthy = [row] * (2 * LARGE_BYTES // len(json.dumps(row)))
    for path, body in (
        ("/predict", {"features": row}),
        (V1, {"instances": [row]}),
        (V1, {"instances": [row] * 3}),
        (V1, {"instances": lengthy}),
        (INFER, v2_body(row)),
        (VERSION_INFER, v2_body(row, id="an id", outputs=[{"name": "predict"}, {"name": "drift_score"}])),
        (INFER, v2_body(row, parameters={"binary_data_output": True})),
    ):
        assert documented.ask("POST", path, body)[0] == 200, (path, body)


def test_probabilities_are_answered_as_the_document_says(documented: Documented) -> None:
    row, wish = ROWS[documented.app.service.name], {"parameters": {"probabilities": True}}
    lengthy = [row] * (2 * LARGE_BYTES // len(json.dumps(row)))
    has = documented.app.service.has_probabilities
    for path, body in (
        ("/predict", {"features": row, **wish}),
        (V1, {"instances": [row], **wish}),
        (V1, {"instances": lengthy, **wish}),
        (INFER, v2_body(row, outputs=[{"name": "probability"}])),
    ):
        status, answer = documented.ask("POST", path, body)
        assert status == (200 if has else 422), path
        assert not has or "prob" in json.dumps(answer), path
    assert has is (documented.app.service.name == "late-flights"), "both kinds were asked"


def test_refusals_are_answered_as_the_document_says(documented: Documented) -> None:
    seen = set()
    for path in ("/predict", V1, INFER, VERSION_INFER):
        for body, headers in (
            (b"{", {}),
            (b"{}", {}),
            (b"[]", {}),
            (b"\x1f", {"content_encoding": "gzip"}),
            (b"{}", {"content_encoding": "br"}),
            (b"{" + b" " * (17 << 20), {}),
        ):
            status, answer = documented.ask("POST", path, body, **headers)
            assert set(answer) == {"error", "reason"}
            seen.add(status)
    assert seen == {400, 413, 415, 422}


def test_a_model_that_is_not_ready_is_answered_as_the_document_says(documented: Documented) -> None:
    state, row = documented.app.state, ROWS[documented.app.service.name]
    state.drain()
    seen = {documented.ask("GET", path)[0] for path in ("/readyz", "/v2/models/{model}/ready")}
    assert seen == {503}
    state.open(documented.app.service)
    state.draining, state.routes, state.service = False, {}, None  # as before the model is loaded
    seen = {documented.ask("GET", path)[0] for path in ("/readyz", "/v2/models/{model}", V1_MODEL)}
    seen.add(documented.ask("POST", "/predict", {"features": row})[0])
    seen.add(documented.ask("POST", V1, {"instances": [row]})[0])
    state.open(documented.app.service)
    assert seen == {503}
    assert documented.ask("GET", "/readyz")[0] == 200


def test_a_score_beyond_all_numbers_is_null_as_the_document_says(tmp_path: Path) -> None:
    app = App(
        house_bundle(tmp_path / "bundle", DummyRegressor(), format="skops", dtype="float64"),
        tmp_path / "log",
    )
    try:
        row = dict.fromkeys(HOUSE_ROW, 1.7e308)
        documented = Documented(app)
        assert documented.ask("POST", "/predict", {"features": row})[1]["drift_score"] is None
        output = documented.ask("POST", INFER, v2_body(row, outputs=[{"name": "drift_score"}]))[1]["outputs"]
        assert output[0]["data"] == [None]
    finally:
        app.close()


# --- made from the structs ---------------------------------------------------------------------------------


def test_each_answer_is_described_with_the_fields_that_are_encoded(app: App) -> None:
    schemas = app.get("/openapi.json")[1]["components"]["schemas"]
    for name, kind in STRUCTS.items():
        fields = msgspec.structs.fields(kind)
        assert set(schemas[name]["properties"]) == {field.encode_name for field in fields}
        assert set(schemas[name]["required"]) == {field.encode_name for field in fields if field.required}
        assert schemas[name]["description"] == kind.__doc__


def test_the_fields_of_answers_keep_their_descriptions(app: App) -> None:
    schemas = app.get("/openapi.json")[1]["components"]["schemas"]
    for name in ("PredictAnswer", "V1Answer", "ErrorAnswer"):
        assert all(each.get("description") for each in schemas[name]["properties"].values()), name


def test_every_json_answer_of_a_prediction_names_a_struct(app: App) -> None:
    named = set()
    for path, item in app.get("/openapi.json")[1]["paths"].items():
        for operation in item.values():
            for status, answer in operation["responses"].items():
                reference = (
                    answer.get("content", {}).get("application/json", {}).get("schema", {}).get("$ref")
                )
                assert reference or (status == "200" and "post" not in item), (path, status)
                named.add((reference or "").rpartition("/")[2])
    assert named - {""} <= set(STRUCTS)
    assert set(STRUCTS) - named == {"V2Tensor", "V2TensorMetadata"}, "parts of others"


def test_a_document_without_any_schema_gets_those_of_the_answers() -> None:
    document: dict[str, Any] = {"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": {}}
    describe_answers(document)
    validate(document)
    assert set(document["components"]["schemas"]) == set(STRUCTS)


@pytest.mark.parametrize(
    "wrong",
    [
        {"prediction": 1.0, "drift_score": 1.0, "timestamp": "t"},
        {"prediction": [1.0], "drift_score": 1.0, "timestamp": "t", "features_received": 5},
        {"prediction": 1.0, "drift_score": 1.0, "timestamp": "t", "features_received": 5, "more": 1},
        {
            "prediction": 1.0,
            "drift_score": 1.0,
            "timestamp": "t",
            "features_received": 5,
            "probabilities": None,
        },
    ],
)
def test_the_checker_sees_an_answer_that_is_not_the_documented_one(
    documented: Documented, wrong: dict[str, Any]
) -> None:
    with pytest.raises(ValidationError):
        documented.check({"$ref": "#/components/schemas/PredictAnswer"}, wrong)
