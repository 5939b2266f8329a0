"""The OpenAPI documents: valid, made from the decoders, and what their schemas allow is answered."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from support.aggregator_rig import Clock, in_loop, running, small_profile
from support.serving_app import App
from support.serving_bundles import FLIGHT_ROW, HOUSE_ROW, flight_bundle, house_bundle
from tidegauge_serving.http.json_schema import json_struct
from tidegauge_serving.protocols import plain, v1, v2
from tidegauge_serving.protocols.parameters import Parameters
from tidegauge_serving.protocols.tensors import InputTensor

BUNDLES = {"numbers": (house_bundle, HOUSE_ROW), "numbers and texts": (flight_bundle, FLIGHT_ROW)}
TEXTS_ARE_SLOW = [pytest.param(name, marks=pytest.mark.slow if "texts" in name else ()) for name in BUNDLES]


@pytest.fixture(scope="module", params=TEXTS_ARE_SLOW)
def app(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    folder = tmp_path_factory.mktemp("described")
    app = App(BUNDLES[request.param][0](folder / "bundle"), folder / "log")
    yield app
    app.close()


def document_of(app: App) -> dict[str, Any]:
    found: dict[str, Any] = app.get("/openapi.json")[1]
    return found


# --- an instance of a schema -------------------------------------------------------------------------------


def an_instance(schema: dict[str, Any], *, whole: bool) -> Any:
    """A value that a schema allows, with all properties or only those that it needs."""
    for word in ("const", "enum", "anyOf"):
        if word in schema:
            found = schema[word]
            if word == "anyOf":
                return an_instance(
                    found[-1] if whole and found[-1] != {"type": "null"} else found[0], whole=whole
                )
            return found if word == "const" else found[-1 if whole else 0]
    kinds = schema.get("type", "object")
    kind = kinds if isinstance(kinds, str) else kinds[0]
    if kind == "array":
        return a_list(schema, whole=whole)
    if kind == "object":
        taken = schema.get("properties", {}) if whole else schema.get("required", ())
        return {name: an_instance(schema["properties"][name], whole=whole) for name in taken}
    return {"string": "EWR", "number": 1.5, "integer": 1, "boolean": False, "null": None}[kind]


def a_list(schema: dict[str, Any], *, whole: bool) -> list[Any]:
    if "prefixItems" in schema:
        return [an_instance(each, whole=whole) for each in schema["prefixItems"]]
    return [
        an_instance(schema.get("items", {}), whole=whole) for _ in range(schema.get("minItems", int(whole)))
    ]


@pytest.mark.slow
@pytest.mark.parametrize("whole", [False, True], ids=["what it needs", "all that it names"])
def test_what_the_document_allows_is_answered_on_every_route(app: App, whole: bool) -> None:
    document = document_of(app)
    asked = 0
    for path, item in document["paths"].items():
        for method, operation in item.items():
            filled = path.replace("{model}", app.service.name).replace("{version}", "1")
            body: Any = b""
            if "requestBody" in operation:
                schema = operation["requestBody"]["content"]["application/json"]["schema"]
                body = an_instance(schema, whole=whole)
                Draft202012Validator(schema).validate(body)
                asked += 1
            status, _, answer = app.ask(method.upper(), filled, body)
            assert status == 200, (method, filled, body, answer)
    assert asked == 4


def test_the_binary_form_of_the_document_is_answered(app: App) -> None:
    """Tensors without data, their bytes behind the JSON part."""
    schema = document_of(app)["components"]["schemas"]["V2BinaryRequest"]
    row = next(row for make, row in BUNDLES.values() if set(row) == set(app.service.schema.names))
    tensors, parts = [], b""
    for name, value in row.items():
        is_text = isinstance(value, str)
        data = len(value).to_bytes(4, "little") + value.encode() if is_text else np.float64(value).tobytes()
        tensors.append(
            {
                "name": name,
                "shape": [1],
                "datatype": "BYTES" if is_text else "FP64",
                "parameters": {"binary_data_size": len(data)},
            }
        )
        parts += data
    request = {"inputs": tensors, "parameters": {"binary_data_output": True}}
    Draft202012Validator(schema).validate(request)
    text = json.dumps(request).encode()
    path = f"/v2/models/{app.service.name}/infer"
    status, headers, _ = app.ask("POST", path, text + parts, inference_header_content_length=str(len(text)))
    assert status == 200
    assert "inference-header-content-length" in headers


# --- the documents -----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_model_servers_document_is_valid_openapi(app: App) -> None:
    validate(document_of(app))


@pytest.mark.slow
def test_the_document_without_a_model_is_valid_openapi(app: App) -> None:
    service, app.state.service = app.state.service, None
    try:
        validate(document_of(app))
    finally:
        app.state.service = service


@pytest.mark.slow
@in_loop
async def test_the_aggregators_document_is_valid_and_its_reads_are_answered(tmp_path: Path) -> None:
    profile = small_profile(features=2)
    async with running(tmp_path, Clock()) as rig:
        await rig.put_profile(profile)
        document = (await rig.client.get("/openapi.json")).json()
        validate(document)
        for path, item in document["paths"].items():
            if "get" in item:
                values = {"model": "m", "profile": profile.hash, "name": "x0"}
                filled = path.format(**values)
                query = {
                    each["name"]: values.get(each["name"], 1)
                    for each in item["get"].get("parameters", ())
                    if each["in"] == "query"
                }
                for given in ({}, query):
                    answer = await rig.client.get(filled, params=given)
                    assert answer.status_code == 200, (filled, given, answer.text)


# --- made from the decoders --------------------------------------------------------------------------------


def described(app: App, path: str) -> dict[str, Any]:
    found: dict[str, Any] = document_of(app)["paths"][path]["post"]["requestBody"]["content"]
    return found["application/json"]["schema"]


def fields_of(kind: type) -> set[str]:
    return {field.encode_name for field in msgspec.structs.fields(kind)}


def test_a_request_is_described_with_the_fields_that_its_decoder_reads(app: App) -> None:
    bodies = {
        "/v2/models/{model}/infer": fields_of(v2.Request),
        "/v1/models/{model}:predict": fields_of(v1.Request),
        "/predict": fields_of(plain.Wish) | {"features"},
    }
    for path, fields in bodies.items():
        schema = described(app, path)
        assert set(schema["properties"]) == fields
        parameters = schema["properties"]["parameters"]
        assert "v2" in path or set(parameters["properties"]) == fields_of(Parameters)


def test_tensors_are_described_with_the_fields_that_their_decoder_reads(app: App) -> None:
    inputs = described(app, "/v2/models/{model}/infer")["properties"]["inputs"]
    for form in inputs["anyOf"]:
        for tensor in form.get("prefixItems") or [form["items"]]:
            assert set(tensor["properties"]) == fields_of(InputTensor)
            assert set(tensor["required"]) == {"name", "shape", "datatype", "data"}
    binary = document_of(app)["components"]["schemas"]["V2BinaryRequest"]
    tensor = binary["properties"]["inputs"]["items"]
    assert set(tensor["properties"]) == fields_of(InputTensor)
    assert "data" not in tensor["required"]


def test_a_new_field_of_a_decoder_is_described_by_itself() -> None:
    wider = msgspec.defstruct("Wider", [("more", int | None, None)], bases=(v2.OutputTensor,))
    assert json_struct(wider, {})["properties"]["more"] == {"anyOf": [{"type": "integer"}, {"type": "null"}]}


def test_a_field_that_no_decoder_reads_cannot_be_described() -> None:
    with pytest.raises(ValueError, match="OutputTensor reads no colour"):
        json_struct(v2.OutputTensor, {"colour": {}})
