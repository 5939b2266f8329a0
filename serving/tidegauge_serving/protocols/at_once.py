"""One row, answered at once, where the model itself answers at once: no block, no task, nothing to wait for.

An answer is byte for byte that of the protocol's ordinary way. Whatever is unusual in a request is declined
with None: the ordinary way answers or refuses it. A row that was answered is staged for the log, so
`Service.commit` comes before its answer leaves.
"""

from collections.abc import Callable
from typing import Any, Final, Literal, TypeAlias

import msgspec

from tidegauge.coercion import takes
from tidegauge_serving.protocols import Answer, Headers
from tidegauge_serving.protocols.plain import Plain
from tidegauge_serving.protocols.v2 import HEADER_LENGTH
from tidegauge_serving.service import Service

__all__ = ["AtOnce", "predict_at_once", "v1_at_once", "v2_at_once"]

AtOnce: TypeAlias = Callable[[bytes, Headers], Answer | None]
"""From a request's body and headers to its answer, or None if the ordinary way must be taken."""
_ASKS_MORE: Final = b'"parameters"'


def predict_at_once(service: Service, plain: Plain) -> AtOnce:
    """For ``/predict``."""
    decode, answer, answer_of = service.schema.decode_row, service.answer_at_once, plain.answer_of

    def at_once(body: bytes, headers: Headers) -> Answer | None:  # noqa: ARG001
        if _ASKS_MORE in body:
            return None
        try:
            found = answer(decode(body))
        except Exception:  # the ordinary way says what it was
            return None
        return answer_of(*found)

    return at_once


class _Instances(msgspec.Struct, forbid_unknown_fields=True):
    instances: msgspec.Raw


def v1_at_once(service: Service) -> AtOnce:
    """For V1: a request of one instance that asks for nothing but predictions."""
    decode, decode_rows = msgspec.json.Decoder(_Instances).decode, service.schema.decode_rows
    encode, answer = msgspec.json.Encoder().encode, service.answer_at_once

    def at_once(body: bytes, headers: Headers) -> Answer | None:  # noqa: ARG001
        try:
            rows = decode_rows(decode(body).instances)
            if len(rows) != 1:
                return None
            label = answer(rows[0])[0]
        except Exception:  # the ordinary way says what it was
            return None
        return encode({"predictions": [label]}), 1, []

    return at_once


def v2_at_once(service: Service) -> AtOnce | None:
    """For V2: one tensor of all features, FP64 as JSON, one row, no parameters; None for models without."""
    schema = service.schema
    if service.has_probabilities or any(takes(column, bool) for column in schema.types):
        return None
    tensor = msgspec.defstruct(
        "Tensor",
        [("name", str), ("shape", list[int]), ("datatype", Literal["FP64"]), ("data", schema.row_type)],
        forbid_unknown_fields=True,
        gc=False,
    )
    request = msgspec.defstruct(
        "Request",
        [("inputs", tuple[tensor]), ("id", str | None, None)],  # type: ignore[valid-type]
        forbid_unknown_fields=True,
        gc=False,
    )
    decode: Callable[[bytes], Any] = msgspec.json.Decoder(request).decode
    encode, answer, astuple = msgspec.json.Encoder().encode, service.answer_at_once, msgspec.structs.astuple
    shape, names, datatype = [1, len(schema.names)], frozenset(schema.names), service.label_datatype

    def at_once(body: bytes, headers: Headers) -> Answer | None:
        for name, _ in headers:
            if name == HEADER_LENGTH:
                return None
        try:
            found = decode(body)
            (one,) = found.inputs
            if one.shape != shape or one.name in names:
                return None
            label = answer(astuple(one.data))[0]
        except Exception:  # the ordinary way says what it was
            return None
        output = {"name": "prediction", "shape": [1], "datatype": datatype, "data": [label]}
        document: dict[str, Any] = {"model_name": service.name, "outputs": [output]}
        if found.id is not None:
            document["id"] = found.id
        return encode(document), 1, []

    return at_once
