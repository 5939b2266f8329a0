"""Tensors of the V2 protocol: datatypes, data as JSON, data as bytes."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import chain
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from tidegauge.protocol.coercion import TYPES_OF_KIND, ColumnType, takes, wanted
from tidegauge_serving.protocols.datatypes import INTEGERS, JSON_TYPES, diagnose_data
from tidegauge_serving.rows.chunking import LARGE_BYTES, first_of, list_parts
from tidegauge_serving.rows.refusal import Refusal

__all__ = ["InputTensor", "encode_binary", "tensor_values"]

_DTYPES: Final[dict[str, str]] = {
    "FP16": "<f2",
    "FP32": "<f4",
    "FP64": "<f8",
    **{f"INT{8 * size}": f"<i{size}" for size in (1, 2, 4, 8)},
    **{f"UINT{8 * size}": f"<u{size}" for size in (1, 2, 4, 8)},
    "BOOL": "?",
}
_FLAT: Final = {name: msgspec.json.Decoder(list[kind]) for name, kind in JSON_TYPES.items()}  # type: ignore[valid-type]
_NESTED: Final = {name: msgspec.json.Decoder(list[list[kind]]) for name, kind in JSON_TYPES.items()}  # type: ignore[valid-type]
_LARGEST: Final = 2**64 - 1


class InputTensor(msgspec.Struct):
    """One tensor of a request; `data` is read by its datatype."""

    name: str
    shape: list[int]
    datatype: str
    data: msgspec.Raw = msgspec.Raw(b"")
    parameters: dict[str, Any] | None = None


def tensor_values(
    tensor: InputTensor, number: int, binary: bytes, columns: Mapping[str, ColumnType]
) -> tuple[Sequence[Any] | npt.NDArray[np.float64], bytes]:
    """Return a tensor's values in row order, and the binary data that is left for the next tensors.

    Parameters
    ----------
    tensor
        The tensor.
    number
        How many values its shape asks for.
    binary
        The request's binary data from this tensor on.
    columns
        The features that the values belong to, all of numbers or all of texts, and their types.

    Raises
    ------
    Refusal
        The datatype, the number of values or a value is wrong.
    """
    if tensor.datatype not in JSON_TYPES:
        raise Refusal(
            "wrong_type",
            f"tensor {tensor.name!r} has datatype {tensor.datatype!r}: known are {', '.join(JSON_TYPES)}",
        )
    _require_taken(tensor, columns)
    texts = any(column in TYPES_OF_KIND["categorical"] for column in columns.values())
    size = (tensor.parameters or {}).get("binary_data_size")
    if size is None:
        values: Any = _from_json(tensor, texts=texts)
    else:
        if type(size) is not int or not 0 <= size <= len(binary):
            raise Refusal(
                "bad_request",
                f"tensor {tensor.name!r} has binary_data_size {size!r}: {len(binary)} bytes are left",
            )
        values = _from_bytes(tensor, binary[:size])
        binary = binary[size:]
    if len(values) != number:
        raise Refusal(
            "wrong_shape",
            f"tensor {tensor.name!r} has {len(values)} values: its shape {tensor.shape} needs {number}",
        )
    return (values if texts else _numbers(values)), binary


def _require_taken(tensor: InputTensor, columns: Mapping[str, ColumnType]) -> None:
    """Refuse a datatype whose values one of the features does not take."""
    kind = {"BYTES": str, "BOOL": bool}.get(tensor.datatype, float)
    for name, column in columns.items():
        if not takes(column, kind):
            raise Refusal(
                "wrong_type",
                f"tensor {tensor.name!r} has datatype {tensor.datatype}: "
                f"feature {name!r} must be {wanted(column)}",
            )


def encode_binary(datatype: str, array: npt.NDArray[Any]) -> bytes:
    """Return an output tensor as the binary extension has it."""
    if datatype != "BYTES":
        return array.astype(_DTYPES[datatype]).tobytes()
    texts = [str(text).encode() for text in array.reshape(-1).tolist()]
    return b"".join(len(text).to_bytes(4, "little") + text for text in texts)


def _from_json(tensor: InputTensor, *, texts: bool) -> Sequence[Any] | npt.NDArray[np.float64]:
    if not tensor.data:
        raise Refusal("bad_request", f"tensor {tensor.name!r} has no data: it must be a list")
    nested = first_of(tensor.data) == b"["
    try:
        if len(memoryview(tensor.data)) > LARGE_BYTES:
            with suppress(msgspec.DecodeError):  # cut inside a text: the whole, then
                return _in_parts(tensor, nested=nested, texts=texts)
        return _decoded(tensor, tensor.data, nested=nested)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise diagnose_data(tensor.name, tensor.datatype, bytes(memoryview(tensor.data))) from None


def _numbers(values: Any) -> npt.NDArray[np.float64]:
    return np.asarray(values, dtype=np.float64)


def _in_parts(tensor: InputTensor, *, nested: bool, texts: bool) -> Sequence[Any] | npt.NDArray[np.float64]:
    found: list[Any] = []
    before = 0
    for part in list_parts(tensor.data):
        try:
            values = _decoded(tensor, part, nested=nested, before=before)
        except msgspec.ValidationError:
            raise diagnose_data(tensor.name, tensor.datatype, part, before) from None
        before += len(values)
        found.append(values if texts else _numbers(values))
    return list(chain.from_iterable(found)) if texts else np.concatenate(found)


def _decoded(tensor: InputTensor, data: bytes | msgspec.Raw, *, nested: bool, before: int = 0) -> list[Any]:
    """Values of a tensor's data, or of a part of it that so many values precede."""
    if not nested:
        return _fitting(tensor, _decode(tensor.datatype, data, nested=False))
    rows = _decode(tensor.datatype, data, nested=True)
    width = tensor.shape[1] if len(tensor.shape) == 2 else 1
    ragged = next((index for index, row in enumerate(rows) if len(row) != width), None)
    if ragged is not None:
        raise Refusal(
            "wrong_shape",
            f"tensor {tensor.name!r} has {len(rows[ragged])} values in row {before // width + ragged}: "
            f"its shape says {width}",
        )
    return _fitting(tensor, [value for row in rows for value in row])


def _fitting(tensor: InputTensor, values: list[Any]) -> list[Any]:
    """The values themselves, where they fit; msgspec itself has no bound as large as UINT64's."""
    if tensor.datatype == "UINT64" and any(value is not None and value > _LARGEST for value in values):
        raise Refusal(
            "out_of_range", f"tensor {tensor.name!r} of datatype UINT64 has a number above {_LARGEST}"
        )
    return values


def _decode(datatype: str, data: bytes | msgspec.Raw, *, nested: bool) -> list[Any]:
    """Values of a datatype; whole numbers may be written with a decimal point (``2.0``)."""
    decoders = _NESTED if nested else _FLAT
    try:
        return decoders[datatype].decode(data)
    except msgspec.ValidationError:
        if datatype not in INTEGERS:
            raise
        found = _whole(msgspec.json.decode(data))  # not by way of floats: they end at 2^53
        kind: Any = list[JSON_TYPES[datatype]]  # type: ignore[valid-type]
        return msgspec.convert(found, list[kind] if nested else kind)


def _whole(value: Any) -> Any:
    """Floats without a fraction as whole numbers, all else as it is."""
    if isinstance(value, list):
        return [_whole(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _from_bytes(tensor: InputTensor, data: bytes) -> Any:
    if tensor.datatype == "BYTES":
        return _texts(tensor.name, data)
    dtype = np.dtype(_DTYPES[tensor.datatype])
    if len(data) % dtype.itemsize:
        raise Refusal(
            "wrong_shape",
            f"tensor {tensor.name!r} has {len(data)} bytes: {tensor.datatype} takes {dtype.itemsize} each",
        )
    return np.frombuffer(data, dtype).tolist() if tensor.datatype == "BOOL" else np.frombuffer(data, dtype)


def _texts(name: str, data: bytes) -> list[str]:
    """Texts, each behind its length in 4 bytes."""
    found: list[str] = []
    at = 0
    while at < len(data):
        end = at + 4 + int.from_bytes(data[at : at + 4], "little")
        if at + 4 > len(data) or end > len(data):
            raise _wrong_text(
                name, len(found), f"ends after the data's {len(data)} bytes: send its length first"
            )
        try:
            found.append(data[at + 4 : end].decode())
        except UnicodeDecodeError:
            raise _wrong_text(name, len(found), "is not UTF-8") from None
        at = end
    return found


def _wrong_text(name: str, at: int, rule: str) -> Refusal:
    return Refusal("wrong_type", f"tensor {name!r} of datatype BYTES: the text at position {at} {rule}")
