"""Every answer of V2 against the Open Inference Protocol: its fields, their types, and the paths it has.

Facts of the specification's `open_inference_rest.yaml` and `inference_rest.md`, as types.
"""

import json
from collections.abc import Iterator
from typing import Any, Literal

import msgspec
import pytest
from support.serving_app import App
from support.serving_bundles import FLIGHT_ROW, HOUSE_ROW, flight_bundle, house_bundle

Scalar = str | float | bool
Datatype = (
    Literal[
        "BOOL",
        "UINT8",
        "UINT16",
        "UINT32",
        "UINT64",
        "INT8",
        "INT16",
        "INT32",
        "INT64",
        "FP16",
        "FP32",
        "FP64",
    ]
    | Literal["BYTES"]
)


class _Strict(msgspec.Struct, forbid_unknown_fields=True):
    """A field that the specification does not have is an error."""


class MetadataServer(_Strict):
    name: str
    version: str
    extensions: list[str]


class MetadataTensor(_Strict):
    name: str
    datatype: Datatype
    shape: list[int]


class MetadataModel(_Strict):
    name: str
    platform: str
    inputs: list[MetadataTensor]
    outputs: list[MetadataTensor]
    versions: list[str] = []


class Output(_Strict):
    name: str
    shape: list[int]
    datatype: Datatype
    data: list[Scalar]
    parameters: dict[str, Scalar] = {}


class Inference(_Strict):
    model_name: str
    outputs: list[Output]
    model_version: str = ""
    id: str = ""
    parameters: dict[str, Scalar] = {}


class ModelReady(_Strict):
    name: str
    ready: bool


@pytest.fixture(scope="module", params=["house", "flights"])
def app(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    folder = tmp_path_factory.mktemp("protocol")
    make = house_bundle if request.param == "house" else flight_bundle
    app = App(make(folder / "bundle"), folder / "log")
    yield app
    app.close()


def checked(app: App, method: str, path: str, kind: Any, body: object = b"") -> Any:
    status, headers, answer = app.ask(method, path, body)
    assert (status, headers["content-type"]) == (200, "application/json"), (path, answer)
    return msgspec.json.decode(answer, type=kind)


def rows(app: App, count: int) -> list[dict[str, Any]]:
    row = HOUSE_ROW if app.service.name == "house-prices" else FLIGHT_ROW
    kinds = {
        tensor.name: tensor.datatype
        for tensor in checked(app, "GET", f"/v2/models/{app.service.name}", MetadataModel).inputs
    }
    return [
        {"name": name, "shape": [count], "datatype": kinds[name], "data": [value] * count}
        for name, value in row.items()
    ]


@pytest.mark.slow
@pytest.mark.parametrize("version", ["", "/versions/1"])
def test_the_model_s_answers_are_as_specified(app: App, version: str) -> None:
    model = f"/v2/models/{app.service.name}{version}"
    metadata = checked(app, "GET", model, MetadataModel)
    assert checked(app, "GET", f"{model}/ready", ModelReady).ready
    for count in (1, 3):
        body = {"id": "42", "inputs": rows(app, count)}
        answer = checked(app, "POST", f"{model}/infer", Inference, body)
        assert (answer.model_name, answer.id) == (metadata.name, "42")
        assert [each.name for each in answer.outputs] == [each.name for each in metadata.outputs]
        for output, described in zip(answer.outputs, metadata.outputs, strict=True):
            assert output.datatype == described.datatype
            assert len(output.shape) == len(described.shape)
            size = 1
            for length, wanted in zip(output.shape, described.shape, strict=True):
                assert wanted in (-1, length)
                size *= length
            assert len(output.data) == size


def test_the_inputs_of_the_metadata_can_be_sent_as_they_are_described(app: App) -> None:
    """By someone who knows nothing but the metadata and a row."""
    assert app.post(f"/v2/models/{app.service.name}/infer", {"inputs": rows(app, 2)})[0] == 200


def test_the_server_s_answers_are_as_specified(app: App) -> None:
    for path in ("/v2", "/v2/"):
        assert checked(app, "GET", path, MetadataServer).name == "tidegauge"
    assert checked(app, "GET", "/v2/health/live", dict[str, bool]) == {"live": True}
    assert app.ask("GET", "/v2/health/ready", b"")[0] == 200


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"inputs": []}', b'{"inputs": [{"name": "x"}]}'])
def test_every_refusal_has_the_error_as_text(app: App, body: bytes) -> None:
    for path in (f"/v2/models/{app.service.name}/infer", "/v2/models/other/versions/1/infer"):
        status, _, answer = app.ask("POST", path, body)
        assert 400 <= status < 500
        assert isinstance(json.loads(answer)["error"], str)
