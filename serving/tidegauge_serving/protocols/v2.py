"""Open Inference Protocol V2, JSON and the binary tensor extension.

Rows come as one tensor of all features, shape ``(n, features)``, or as one tensor per feature, named as the
feature, shape ``(n,)`` or ``(n, 1)``. The answer has ``prediction``, and ``probability`` for classifiers that
have it; ``drift_score`` on request.
"""

import math
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import numpy as np

from tidegauge_serving.models.base import Label, typed_labels
from tidegauge_serving.predict.service import Answered, Service
from tidegauge_serving.protocols import Answer, Headers, Single
from tidegauge_serving.protocols.answers import V2Answer, V2Tensor, given_id
from tidegauge_serving.protocols.one_row import OneRow
from tidegauge_serving.protocols.tensors import InputTensor, encode_binary, tensor_values
from tidegauge_serving.protocols.v2_diagnostics import diagnose_request
from tidegauge_serving.rows.chunking import SHORT_LIST, encode_list
from tidegauge_serving.rows.diagnostics import MAX_DIAGNOSED_BYTES, check_names, no_json, read_json
from tidegauge_serving.rows.refusal import Refusal, unreadable
from tidegauge_serving.rows.schema import Block, RowSchema

__all__ = ["OUTPUT_NAMES", "V2", "OutputTensor", "Request", "input_datatypes"]

OUTPUT_NAMES: Final = {
    "prediction": "prediction",
    "probability": "probability",
    "drift_score": "drift_score",
    "predict": "prediction",  # MLServer's names of the same
    "predict_proba": "probability",
}
"""Names that a request may give an output, and the output that each is."""

HEADER_LENGTH = b"inference-header-content-length"
_MOST_DIGITS = 20  # Python refuses to read thousands of them


class OutputTensor(msgspec.Struct):
    """An output that a request names."""

    name: str
    parameters: dict[str, Any] | None = None


class Request(msgspec.Struct):
    """The JSON part of a request."""

    inputs: list[InputTensor]
    id: str | None = None
    outputs: list[OutputTensor] | None = None
    parameters: dict[str, Any] | None = None


class V2:
    """The protocol over one service."""

    name = "v2"

    def __init__(self, service: Service) -> None:
        self._service = service
        self._decoder = msgspec.json.Decoder(Request)
        self._encode = msgspec.json.Encoder().encode
        named = self._encode(list(service.classes)).decode()  # a parameter may be no list, but a text
        self._classes = {"classes": named} if service.classes else {}
        self._one_row: OneRow | None = None
        if OneRow.fits(service.schema) and not service.has_probabilities:
            self._one_row = OneRow(service.schema, service.name, service.label_datatype)

    async def __call__(self, body: bytes, headers: Headers) -> Answer:
        """Answer one request."""
        found = self._read_row(body, headers)
        if found is not None:
            label, score, time_ns = await self._service.answer_row(found[0])
            return self.write_one(label, score, time_ns, found[1]), 1, []
        request, block = self._read(body, headers)
        return self._answer(request, await self._service.answer(block))

    async def large(self, body: bytes, headers: Headers) -> Answer:
        """Answer one request of a long body."""
        in_thread = self._service.in_thread
        request, block = await in_thread(self._read, body, headers)
        return await in_thread(self._answer, request, await self._service.answer(block))

    def read_one(self, body: bytes, headers: Headers) -> Single | None:
        """Read a request of the commonest form."""
        return self._read_row(body, headers) if self._service.is_quick else None

    def write_one(self, label: Label, score: float, time_ns: int, asked: str | None) -> bytes:  # noqa: ARG002
        """Write the answer to the request of this id."""
        assert self._one_row is not None
        return self._one_row.answer(label, asked)

    def _read_row(self, body: bytes, headers: Headers) -> Single | None:
        if self._one_row is None or _has_binary(headers):
            return None
        return self._one_row.read(body)

    def _read(self, body: bytes, headers: Headers) -> tuple[Request, Block]:
        try:
            text, binary = _split(body, headers)
            request = self._decode(text)
            self._check_outputs(request)
            return request, read_block(self._service.schema, request.inputs, binary)
        except Refusal:
            raise
        except Exception as error:  # whatever reading raises, the request caused it
            raise unreadable(error) from error

    def _decode(self, text: bytes) -> Request:
        try:
            return self._decoder.decode(text)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            if isinstance(error, msgspec.ValidationError):
                raise diagnose_request(text, error) from None
            if len(text) <= MAX_DIAGNOSED_BYTES:
                _explain_syntax(text)
            raise no_json(text, error) from None

    def _check_outputs(self, request: Request) -> None:
        for output in request.outputs or ():
            found = OUTPUT_NAMES.get(output.name)
            if found is None:
                raise Refusal(
                    "unknown_output",
                    f"no output {output.name[:100]!r}: there are prediction, probability and drift_score",
                )
            if found == "probability" and not self._service.has_probabilities:
                raise Refusal("unknown_output", "this model answers no probabilities")

    def _answer(self, request: Request, answered: Answered) -> Answer:
        tensors = self._tensors(answered)
        binary_default = bool((request.parameters or {}).get("binary_data_output", False))
        names = request.outputs or [OutputTensor(name) for name in tensors if name != "drift_score"]
        if any(OUTPUT_NAMES[output.name] == "probability" for output in names):
            answered.predictions.require_probabilities()
        parts: list[bytes] = []
        outputs = []
        for output in names:
            datatype, array, parameters = tensors[OUTPUT_NAMES[output.name]]
            tensor: dict[str, Any] = {"name": output.name, "shape": list(array.shape), "datatype": datatype}
            if (output.parameters or {}).get("binary_data", binary_default):
                parts.append(encode_binary(datatype, array))
                parameters = {**parameters, "binary_data_size": len(parts[-1])}
            else:
                flat = array.reshape(-1)
                tensor["data"] = flat.tolist() if len(flat) < SHORT_LIST else encode_list(flat)
            if parameters:
                tensor["parameters"] = parameters
            outputs.append(V2Tensor(**tensor))
        text = self._encode(V2Answer(self._service.name, outputs, given_id(request.id)))
        if not parts:
            return text, len(answered.scores), []
        return b"".join((text, *parts)), len(answered.scores), [(HEADER_LENGTH, str(len(text)).encode())]

    def _tensors(self, answered: Answered) -> dict[str, tuple[str, Any, dict[str, Any]]]:
        predictions = answered.predictions
        found: dict[str, Any] = {"prediction": (*typed_labels(predictions.labels), {})}
        if predictions.probabilities is not None:
            found["probability"] = ("FP64", predictions.probabilities, self._classes)
        found["drift_score"] = ("FP64", answered.scores, {})
        return found


def input_datatypes(schema: RowSchema) -> list[str]:
    """Return for each feature the datatype of its tensor in the metadata."""
    kinds = {"float32": "FP32", "float64": "FP64"}
    return [
        "BOOL" if column == "boolean" else kinds.get(getattr(feature, "dtype", ""), "BYTES")
        for feature, column in zip(schema.features, schema.types, strict=True)
    ]


def read_block(schema: RowSchema, inputs: Sequence[InputTensor], binary: bytes) -> Block:
    """Return the rows of a request's tensors; raises `Refusal`."""
    if not inputs:
        raise Refusal(
            "empty_batch", "inputs is empty: it must hold one tensor of all features or one per feature"
        )
    if len(inputs) == 1 and inputs[0].name not in schema.names:
        block = _read_one(inputs[0], binary, schema)
    else:
        block = schema.block_of_columns(_read_each(inputs, binary, schema))
    schema.check_values(block)
    return block


def _read_one(tensor: InputTensor, binary: bytes, schema: RowSchema) -> Block:
    """One tensor of all features."""
    features = len(schema.names)
    rows = _rows_of(tensor, features)
    _refuse_mixed(schema, tensor)
    columns = dict(zip(schema.names, schema.types, strict=True))
    values, rest = tensor_values(tensor, rows * features, binary, columns)
    _require_used(rest)
    if not schema.categorical:
        return Block(np.asarray(values).reshape(rows, features), {})
    return schema.block_of_columns([values[at::features] for at in range(features)])


def _read_each(inputs: Sequence[InputTensor], binary: bytes, schema: RowSchema) -> list[Any]:
    """One tensor per feature."""
    named = {tensor.name: tensor for tensor in inputs}
    if len(named) < len(inputs):
        raise Refusal("bad_request", "inputs has a name twice: one tensor per feature")
    check_names(schema, named, "inputs")
    rows = _rows_of(inputs[0], 1)
    found: dict[str, Any] = {}
    for tensor in inputs:
        if _rows_of(tensor, 1) != rows:
            raise Refusal(
                "wrong_shape",
                f"tensor {tensor.name!r} has {_rows_of(tensor, 1)} rows, {inputs[0].name!r} has {rows}",
            )
        at = schema.names.index(tensor.name)
        columns = {tensor.name: schema.types[at]}
        found[tensor.name], binary = tensor_values(tensor, rows, binary, columns)
    _require_used(binary)
    return [found[name] for name in schema.names]


def _refuse_mixed(schema: RowSchema, tensor: InputTensor) -> None:
    """Features of both kinds do not fit into one tensor."""
    if schema.categorical and len(schema.categorical) < len(schema.names):
        raise Refusal(
            "bad_request",
            f"one tensor {tensor.name!r} cannot hold texts and numbers: "
            "send one tensor per feature, named as the feature",
        )


def _rows_of(tensor: InputTensor, features: int) -> int:
    shape = tensor.shape
    wanted = f"(n, {features})" if features > 1 else "(n,) or (n, 1)"
    fits = (len(shape) == 2 and shape[1] == features) or (len(shape) == 1 and features == 1)
    if not fits or shape[0] < 0:
        raise Refusal("wrong_shape", f"tensor {tensor.name!r} has shape {shape[:8]}: it must be {wanted}")
    if shape[0] == 0:
        raise Refusal("empty_batch", f"tensor {tensor.name!r} has no rows: it must have at least one")
    return shape[0]


def _require_used(rest: bytes) -> None:
    if rest:
        raise Refusal("wrong_shape", f"{len(rest)} bytes of binary data belong to no tensor")


def _has_binary(headers: Headers) -> bool:
    for name, _ in headers:  # noqa: SIM110 - any() costs more than the loop
        if name == HEADER_LENGTH:
            return True
    return False


def _split(body: bytes, headers: Headers) -> tuple[bytes, bytes]:
    """The JSON part and the binary part of a body."""
    for name, value in headers:
        if name == HEADER_LENGTH:
            length = _whole_number(value)
            if length is None or length > len(body):
                shown = value[:40].decode("latin-1")
                raise Refusal(
                    "bad_request",
                    f"Inference-Header-Content-Length is {shown!r}: "
                    f"it must be a whole number up to the body's length, {len(body)}",
                )
            return body[:length], body[length:]
    return body, b""


def _whole_number(digits: bytes) -> int | None:
    """A header's number; None for what is no number, or longer than any length there is."""
    return int(digits) if digits.isdigit() and len(digits) <= _MOST_DIGITS else None


def _explain_syntax(text: bytes) -> None:
    """Raise the refusal for text that is not JSON, naming the tensor that holds a NaN or an infinity."""
    document = read_json(text)
    for tensor in document.get("inputs") or () if isinstance(document, dict) else ():
        if isinstance(tensor, dict) and not _all_finite(tensor.get("data")):
            raise Refusal(
                "not_finite",
                f"tensor {tensor.get('name')!r} holds NaN or an infinity, which JSON has not: "
                "send null for a missing value",
            )


def _all_finite(data: object) -> bool:
    if isinstance(data, list):
        return all(_all_finite(each) for each in data)
    return not isinstance(data, float) or math.isfinite(data)
