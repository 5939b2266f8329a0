"""The OpenAPI document's words: what requests hold, of the model that is served, and what answers hold."""

from typing import Any, Final

import msgspec

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
from tidegauge_serving.protocols.answers import (
    PredictAnswer,
    V1Answer,
    V2Answer,
    V2ModelAnswer,
    V2ServerAnswer,
)
from tidegauge_serving.protocols.parameters import Parameters
from tidegauge_serving.rows.refusal import ErrorAnswer
from tidegauge_serving.rows.schema import RowSchema

__all__ = ["ERRORS", "binary_answers", "describe_answers", "describe_requests", "json_answers"]

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


def _json_of(answer: type[msgspec.Struct]) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{answer.__name__}"}}}


def json_answers(answer: type[msgspec.Struct]) -> dict[int | str, dict[str, Any]]:
    """Describe a route's answer by the struct that it encodes."""
    return {200: {"content": _json_of(answer)}}


def binary_answers(answer: type[msgspec.Struct]) -> dict[int | str, dict[str, Any]]:
    """Describe one that is JSON, with bytes behind it where a request asks for binary tensors."""
    binary = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
    return {200: {"content": _json_of(answer) | binary}}


ERRORS: Final[dict[int | str, dict[str, Any]]] = {
    status: {"description": text, "content": _json_of(ErrorAnswer)} for status, text in _STATUSES.items()
}
_ANSWERS: Final = (PredictAnswer, V1Answer, V2Answer, V2ModelAnswer, V2ServerAnswer, ErrorAnswer)
_TENSORS: Final = (
    "Tensors with their data as JSON. With the header Inference-Header-Content-Length the body is the JSON "
    "part that the schema V2BinaryRequest describes, and the tensors' bytes behind it."
)


def describe_answers(document: dict[str, Any]) -> None:
    """Put the schemas of all answers into a document whose operations name them."""
    _, schemas = msgspec.json.schema_components(_ANSWERS, ref_template="#/components/schemas/{name}")
    document.setdefault("components", {}).setdefault("schemas", {}).update(schemas)


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
