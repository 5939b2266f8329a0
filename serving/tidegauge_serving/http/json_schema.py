"""JSON schemas of rows and tensors of one model."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import msgspec

from tidegauge.profile.features import category_text
from tidegauge.profile.profile import CategoricalFeature, Feature, NumericFeature
from tidegauge_serving.protocols.datatypes import JSON_TYPES
from tidegauge_serving.protocols.tensors import InputTensor
from tidegauge_serving.protocols.v2 import OutputTensor, Request, input_datatypes
from tidegauge_serving.rows.schema import FLOAT32_MAX, RowSchema

__all__ = [
    "json_list",
    "json_object",
    "json_struct",
    "json_value",
    "v2_binary_request",
    "v2_example",
    "v2_inputs",
]

_FLOAT32_BOUND: Final = int(FLOAT32_MAX) + 2**74
"""The largest JSON number that is read as the largest float32, by way of a float64."""
_FLOAT64_BOUND: Final = 2**1024 - 2**970 - 1
"""The largest whole number that is read as a finite float64."""
_ONE_ROW: Final = (
    "One row. More rows are sent alike: n values in each tensor of shape [n], or n times as many in one of "
    "shape [n, features]. The order of tensors is free, and every datatype of the protocol is taken that the "
    "values fit. A JSON schema cannot tie the number of values to the shape, so those are not shown here."
)
_BINARY: Final = (
    "The JSON part of a request with binary tensors. Its length is in the header "
    "Inference-Header-Content-Length, and the body goes on with the bytes of the tensors: little-endian "
    "numbers, or texts that each have their length in 4 bytes before them. Such a tensor has no data, and "
    "says its bytes in binary_data_size."
)


def json_struct(kind: type, known: Mapping[str, Any], needed: Collection[str] = ()) -> dict[str, Any]:
    """Return the object that a decoder reads; fields without a description have their own type.

    Parameters
    ----------
    kind
        The `msgspec.Struct` of the decoder.
    known
        What is known better of some fields, for this model.
    needed
        Fields that must be there although the decoder has a default.
    """
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    if unread := known.keys() - fields.keys():
        raise ValueError(f"{kind.__name__} reads no {', '.join(sorted(unread))}")
    properties = {name: known.get(name) or _schema_of(field.type) for name, field in fields.items()}
    required = [name for name, field in fields.items() if field.required or name in needed]
    return {"type": "object", "properties": properties, "required": required}


def _schema_of(kind: Any) -> dict[str, Any]:
    return {} if kind is msgspec.Raw else msgspec.json.schema(kind)


def json_object(needed: Mapping[str, Any], others: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object with these properties, of which some are needed."""
    return {"type": "object", "properties": {**needed, **others}, "required": list(needed)}


def json_list(values: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return a list of exactly these values."""
    size = {"type": "array", "minItems": len(values), "maxItems": len(values)}
    alike = all(value == values[0] for value in values)
    return {**size, "items": values[0]} if alike else {**size, "prefixItems": list(values)}


def json_value(feature: Feature, types: Sequence[str], accepts_missing: bool) -> dict[str, Any]:
    """Return a feature's value of one of these JSON types, or null where it may be missing."""
    every = [*types, "null"] if accepts_missing else list(types)
    value: dict[str, Any] = {"type": every if len(every) > 1 else every[0]}
    if isinstance(feature, NumericFeature):
        value |= _bounds(feature)
    return value


def _bounds(feature: NumericFeature) -> dict[str, int]:
    """Bounds to the last digit, since checkers of schemas do not round as readers of numbers do."""
    largest = _FLOAT32_BOUND if feature.dtype == "float32" else _FLOAT64_BOUND
    return {"minimum": -largest, "maximum": largest}


def v2_inputs(schema: RowSchema) -> dict[str, Any]:
    """Return the tensors of one row: one per feature, or one of all features where they are of one kind."""
    datatypes = input_datatypes(schema)
    values = _tensor_values(schema, datatypes)
    each = [
        _tensor({"const": name}, [[1], [1, 1]], datatype, [value])
        for name, datatype, value in zip(schema.names, datatypes, values, strict=True)
    ]
    forms = [json_list(each)]
    if len(schema.categorical) in (0, len(values)) and len(values) > 1:
        name = {"type": "string", "not": {"enum": list(schema.names)}}
        datatype = next((each for each in ("BYTES", "FP64") if each in datatypes), "FP32")
        values = _tensor_values(schema, [datatype] * len(values))
        forms.append(json_list([_tensor(name, [[1, len(values)]], datatype, values)]))
    return {"description": _ONE_ROW, "anyOf": forms}


def _tensor_values(schema: RowSchema, datatypes: Sequence[str]) -> list[dict[str, Any]]:
    kinds = [{"BYTES": "string", "BOOL": "boolean"}.get(datatype, "number") for datatype in datatypes]
    described = zip(schema.features, kinds, schema.accepts_missing, strict=True)
    return [json_value(feature, [kind], missing) for feature, kind, missing in described]


def _tensor(
    name: dict[str, Any], shapes: list[list[int]], datatype: str, values: list[dict[str, Any]]
) -> dict[str, Any]:
    flat = json_list(values)
    data = {"anyOf": [flat, json_list([flat])]}
    known = {"name": name, "shape": {"enum": shapes}, "datatype": {"const": datatype}, "data": data}
    return json_struct(InputTensor, known, needed=("data",))


def v2_binary_request() -> dict[str, Any]:
    """Return the JSON part of a request with binary tensors, whose data follow it in their order."""
    size = {"type": "integer", "minimum": 0, "description": "Bytes of this tensor behind the JSON part"}
    of_tensor = json_object({"binary_data_size": size}, {})
    datatype = {"enum": list(JSON_TYPES)}
    tensor = json_struct(InputTensor, {"parameters": of_tensor, "datatype": datatype}, needed=("parameters",))
    output = json_struct(OutputTensor, {"parameters": _nullable({"binary_data": {"type": "boolean"}})})
    known = {
        "inputs": {"type": "array", "minItems": 1, "items": tensor},
        "outputs": {"anyOf": [{"type": "array", "items": output}, {"type": "null"}]},
        "parameters": _nullable({"binary_data_output": {"type": "boolean"}}),
    }
    return {"description": _BINARY, **json_struct(Request, known)}


def _nullable(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {"anyOf": [json_object({}, properties), {"type": "null"}]}


def v2_example(schema: RowSchema, values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a row as one tensor per feature."""
    found = []
    for feature, datatype in zip(schema.features, input_datatypes(schema), strict=True):
        value = values[feature.name]
        if isinstance(feature, CategoricalFeature) and value is not None:
            value = category_text(value)
        elif datatype == "BOOL" and value is not None:
            value = bool(value)
        found.append({"name": feature.name, "shape": [1], "datatype": datatype, "data": [value]})
    return found
