"""The OpenAPI document's words: what requests hold, of the model that is served, and what answers hold."""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel, Field

from tidegauge.coercion import ColumnType, takes
from tidegauge.profile import Feature, NumericFeature
from tidegauge_serving.protocols.datatypes import JSON_TYPES
from tidegauge_serving.protocols.v2 import OUTPUT_NAMES, input_datatypes
from tidegauge_serving.schema import FLOAT32_MAX, RowSchema
from tidegauge_serving.service import Service

__all__ = [
    "ERRORS",
    "PredictAnswer",
    "V1Answer",
    "V2Answer",
    "V2ModelAnswer",
    "V2ServerAnswer",
    "request_bodies",
]

Scalar = float | int | str | bool
_FLOAT64_MAX: Final = 1.7976931348623157e308


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
    413: "The body is too long",
    415: "A Content-Encoding that is not taken",
    422: "The request breaks a rule, which the answer names",
    500: "The model or the server failed",
    503: "The model is not ready",
}
ERRORS: Final[dict[int | str, dict[str, Any]]] = {
    status: {"model": ErrorAnswer, "description": text} for status, text in _STATUSES.items()
}


def request_bodies(service: Service | None) -> dict[str, dict[str, Any]]:
    """Schema and example of each protocol's request, by protocol; without a service, of any model."""
    if service is None:
        row: dict[str, Any] = {"type": "object"}
        listed: dict[str, Any] = {"type": "array"}
        return _bodies(row, listed, has_probabilities=True)
    schema = service.schema
    values = {name: service.example.get(name) for name in schema.names}
    bodies = _bodies(_named(schema), _listed(schema), has_probabilities=service.has_probabilities)
    bodies["predict"]["example"] = {"features": values}
    bodies["v1"]["example"] = {"instances": [values]}
    bodies["v2"]["example"] = {"inputs": _example_tensors(schema, values)}
    return bodies


def _bodies(row: dict[str, Any], listed: dict[str, Any], *, has_probabilities: bool) -> dict[str, Any]:
    parameters = {"parameters": _parameters(has_probabilities)}
    rows = {"anyOf": [{"type": "array", "minItems": 1, "items": each} for each in (row, listed)]}
    return {
        "predict": {"schema": _object({"features": row}, parameters)},
        "v1": {"schema": _object({"instances": rows}, parameters)},
        "v2": {"schema": _v2_request()},
    }


def _object(needed: Mapping[str, Any], others: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": {**needed, **others}, "required": list(needed)}


def _parameters(has_probabilities: bool) -> dict[str, Any]:
    wish: dict[str, Any] = {
        "type": "boolean",
        "description": "Whether to answer the probability of each class",
    }
    if not has_probabilities:
        wish = {"const": False, "description": "This model answers no probabilities"}
    return {"type": ["object", "null"], "properties": {"probabilities": wish}}


def _named(schema: RowSchema) -> dict[str, Any]:
    values = map(_value, schema.features, schema.types, schema.accepts_missing)
    properties = dict(zip(schema.names, values, strict=True))
    return {**_object(properties, {}), "additionalProperties": False}


def _listed(schema: RowSchema) -> dict[str, Any]:
    values = list(map(_value, schema.features, schema.types, schema.accepts_missing))
    size = {"type": "array", "minItems": len(values), "maxItems": len(values)}
    alike = all(value == values[0] for value in values)
    return {**size, "items": values[0]} if alike else {**size, "prefixItems": values}


def _value(feature: Feature, column: ColumnType, accepts_missing: bool) -> dict[str, Any]:
    kinds = {"string": str, "number": float, "boolean": bool}
    types = [name for name, kind in kinds.items() if takes(column, kind)]
    types += ["null"] if accepts_missing else []
    value: dict[str, Any] = {"type": types if len(types) > 1 else types[0]}
    if isinstance(feature, NumericFeature):
        largest = FLOAT32_MAX if feature.dtype == "float32" else _FLOAT64_MAX
        value |= {"minimum": -largest, "maximum": largest}
    return value


def _v2_request() -> dict[str, Any]:
    texts = {"type": "string"}
    extra = {"type": ["object", "null"]}
    tensor = _object(
        {
            "name": texts,
            "shape": {"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 2},
            "datatype": {"enum": list(JSON_TYPES)},
            "data": {"type": "array", "minItems": 1},
        },
        {"parameters": extra},
    )
    tensor["description"] = (
        "All features, shape (n, features), or one feature by its name, shape (n,) or (n, 1)"
    )
    output = _object({"name": {"type": "string", "enum": list(OUTPUT_NAMES)}}, {"parameters": extra})
    return _object(
        {"inputs": {"type": "array", "minItems": 1, "items": tensor}},
        {
            "id": {"type": ["string", "null"]},
            "outputs": {"type": ["array", "null"], "items": output},
            "parameters": extra,
        },
    )


def _example_tensors(schema: RowSchema, values: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {"name": name, "shape": [1], "datatype": datatype, "data": [values[name]]}
        for name, datatype in zip(schema.names, input_datatypes(schema), strict=True)
    ]
