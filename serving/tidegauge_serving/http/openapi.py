"""The OpenAPI document's words: what requests hold, of the model that is served, and what answers hold."""

from typing import Any, Final

from pydantic import BaseModel, Field

from tidegauge.profile.profile import Feature
from tidegauge.protocol.coercion import ColumnType, takes
from tidegauge_serving.http.json_schema import (
    json_list,
    json_object,
    json_struct,
    json_value,
    v2_binary_request,
    v2_example,
    v2_inputs,
)
from tidegauge_serving.predict.service import Service
from tidegauge_serving.protocols import plain, v1, v2
from tidegauge_serving.protocols.parameters import Parameters
from tidegauge_serving.rows.schema import RowSchema

__all__ = [
    "ERRORS",
    "PredictAnswer",
    "V1Answer",
    "V2Answer",
    "V2ModelAnswer",
    "V2ServerAnswer",
    "describe_requests",
]

Scalar = float | int | str | bool


class PredictAnswer(BaseModel):
    """The row's prediction."""

    prediction: Scalar | None = Field(description="A number, or the class label")
    drift_score: float = Field(description="Mean |z| of the numeric features against the training data")
    timestamp: str = Field(description="When it was answered, RFC 3339 in UTC")
    features_received: int = Field(description="Number of features")
    probabilities: list[float | None] | None = Field(None, description="On request: one for each class")
    classes: list[Scalar] | None = Field(None, description="With probabilities: their classes")


class V1Answer(BaseModel):
    """One prediction per row."""

    predictions: list[Scalar | None]
    probabilities: list[list[float | None]] | None = Field(None, description="On request: a list per row")
    classes: list[Scalar] | None = Field(None, description="With probabilities: their classes")


class V2Tensor(BaseModel):
    """One output for all rows."""

    name: str
    shape: list[int]
    datatype: str
    data: list[Any] | None = None
    parameters: dict[str, str | int | bool] | None = None


class V2Answer(BaseModel):
    """An Open Inference Protocol answer."""

    model_name: str
    id: str | None = None
    outputs: list[V2Tensor]


class V2TensorMetadata(BaseModel):
    """A tensor's name, datatype and shape; -1 is any number of rows."""

    name: str
    datatype: str
    shape: list[int]


class V2ModelAnswer(BaseModel):
    """The model's inputs and outputs."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[V2TensorMetadata]
    outputs: list[V2TensorMetadata]


class V2ServerAnswer(BaseModel):
    """The server's metadata."""

    name: str
    version: str
    extensions: list[str]


class ErrorAnswer(BaseModel):
    """Every refusal looks like this: the protocols' error, and the reason in one word."""

    error: str = Field(description="What is wrong: the field and the rule")
    reason: str = Field(description="The same in one word, for programs")


_STATUSES: Final = {
    400: "The body is not JSON, or not what its Content-Encoding says",
    404: "No such path or model",
    405: "The path takes other methods, which Allow names",
    408: "The request came too slowly",
    413: "The body is too long",
    415: "A Content-Encoding that is not taken",
    422: "The request breaks a rule, which the answer names",
    431: "The request's head is too long",
    500: "The model or the server failed",
    503: "The model is not ready",
}
ERRORS: Final[dict[int | str, dict[str, Any]]] = {
    status: {"model": ErrorAnswer, "description": text} for status, text in _STATUSES.items()
}


BINARY: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}
}
"""Where a request asks for binary tensors, the answer is JSON with bytes behind it."""
_TENSORS: Final = (
    "Tensors with their data as JSON. With the header Inference-Header-Content-Length the body is the JSON "
    "part that the schema V2BinaryRequest describes, and the tensors' bytes behind it."
)


def describe_requests(document: dict[str, Any], service: Service | None) -> None:
    """Put what requests hold into a document whose operations name their protocol."""
    bodies = _request_bodies(service)
    document["components"]["schemas"]["V2BinaryRequest"] = v2_binary_request()
    for item in document["paths"].values():
        for operation in item.values():
            for parameter in operation.get("parameters", ()):
                if service is not None:
                    parameter["example"] = {"model": service.name, "version": "1"}[parameter["name"]]
            if (body := operation.get("requestBody")) is not None:
                protocol = body.pop("x-protocol")
                body["content"] = {"application/json": bodies[protocol]}
                if protocol == "v2":
                    body["description"] = _TENSORS


def _request_bodies(service: Service | None) -> dict[str, dict[str, Any]]:
    """Schema and example of each protocol's request, by protocol; without a service, of any model."""
    if service is None:
        return _bodies(
            {"type": "object"}, {"type": "array"}, {"type": "array", "minItems": 1}, _outputs(True)
        )
    schema = service.schema
    outputs = _outputs(service.has_probabilities)
    bodies = _bodies(_named(schema), _listed(schema), v2_inputs(schema), outputs)
    values = {name: service.example.get(name) for name in schema.names}
    bodies["predict"]["example"] = {"features": values}
    bodies["v1"]["example"] = {"instances": [values]}
    bodies["v2"]["example"] = {"inputs": v2_example(schema, values)}
    return bodies


def _bodies(
    row: dict[str, Any], listed: dict[str, Any], inputs: dict[str, Any], outputs: list[str]
) -> dict[str, dict[str, Any]]:
    parameters = {"parameters": _parameters("probability" in outputs)}
    rows = {"anyOf": [{"type": "array", "minItems": 1, "items": each} for each in (row, listed)]}
    output = json_struct(v2.OutputTensor, {"name": {"enum": outputs}})
    v2_known = {"inputs": inputs, "outputs": {"type": ["array", "null"], "items": output}}
    beside = json_struct(plain.Wish, parameters)["properties"]
    return {
        "predict": {"schema": json_object({"features": row}, beside)},
        "v1": {"schema": json_struct(v1.Request, {"instances": rows, **parameters})},
        "v2": {"schema": json_struct(v2.Request, v2_known)},
    }


def _outputs(has_probabilities: bool) -> list[str]:
    return [name for name, is_of in v2.OUTPUT_NAMES.items() if has_probabilities or is_of != "probability"]


def _parameters(has_probabilities: bool) -> dict[str, Any]:
    wish: dict[str, Any] = {
        "type": "boolean",
        "description": "Whether to answer the probability of each class",
    }
    if not has_probabilities:
        wish = {"const": False, "description": "This model answers no probabilities"}
    described = json_struct(Parameters, {"probabilities": wish})
    return {**described, "type": ["object", "null"]}


def _named(schema: RowSchema) -> dict[str, Any]:
    properties = dict(zip(schema.names, _values(schema), strict=True))
    return {**json_object(properties, {}), "additionalProperties": False}


def _listed(schema: RowSchema) -> dict[str, Any]:
    return json_list(_values(schema))


def _values(schema: RowSchema) -> list[dict[str, Any]]:
    return list(map(_value, schema.features, schema.types, schema.accepts_missing))


def _value(feature: Feature, column: ColumnType, accepts_missing: bool) -> dict[str, Any]:
    kinds = {"string": str, "number": float, "boolean": bool}
    return json_value(feature, [name for name, kind in kinds.items() if takes(column, kind)], accepts_missing)
