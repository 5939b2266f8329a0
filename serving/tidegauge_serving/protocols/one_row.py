"""The commonest request of V2, without a block: one row of numbers in one FP64 tensor as JSON.

Arrays for a single row cost more than a quick model. The answer is byte for byte that of `v2`; a request with
anything unusual in it is left to `v2`, which reads it or says what is wrong with it.
"""

from collections.abc import Callable
from typing import Any, Literal

import msgspec

from tidegauge.protocol.coercion import takes
from tidegauge_serving.models import Label
from tidegauge_serving.protocols.answers import V2Answer, V2Tensor, given_id
from tidegauge_serving.rows.schema import RowSchema, Value

__all__ = ["OneRow"]


class OneRow:
    """Reads and answers requests of one row.

    Parameters
    ----------
    schema
        What a row must be.
    model_name, datatype
        Of the answer: the model, and the prediction's datatype.
    """

    def __init__(self, schema: RowSchema, model_name: str, datatype: str) -> None:
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
        self._decode: Callable[[bytes], Any] = msgspec.json.Decoder(request).decode
        self._encode = msgspec.json.Encoder().encode
        self._shape = [1, len(schema.names)]
        self._names = frozenset(schema.names)
        self._model_name = model_name
        self._datatype = datatype

    @staticmethod
    def fits(schema: RowSchema) -> bool:
        """Return whether an FP64 tensor may hold a row: all columns are numbers, none a truth value."""
        return not schema.categorical and not any(takes(column, bool) for column in schema.types)

    def read(self, body: bytes) -> tuple[tuple[Value, ...], str | None] | None:
        """Return a request's row and id; None if it is no such request."""
        try:
            request = self._decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None
        (tensor,) = request.inputs
        if tensor.shape != self._shape or tensor.name in self._names:
            return None
        return msgspec.structs.astuple(tensor.data), request.id

    def answer(self, label: Label, request_id: str | None) -> bytes:
        """Return the answer's JSON."""
        output = V2Tensor("prediction", [1], self._datatype, [label])
        return self._encode(V2Answer(self._model_name, [output], given_id(request_id)))
