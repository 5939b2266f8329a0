"""Datatypes of the Open Inference Protocol: which JSON values each of them takes."""

import math
from typing import Annotated, Any, Final

import msgspec

from tidegauge_serving.rows.diagnostics import MAX_DIAGNOSED_BYTES, read_json, type_name
from tidegauge_serving.rows.refusal import Refusal
from tidegauge_serving.rows.schema import FLOAT32_MAX

__all__ = ["INTEGERS", "JSON_TYPES", "diagnose_data"]

INTEGERS: Final = {
    f"{sign}INT{bits}": (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if not sign else (0, 2**bits - 1)
    for sign in ("", "U")
    for bits in (8, 16, 32, 64)
}
FLOATS: Final = {"FP16": 65_504.0, "FP32": FLOAT32_MAX, "FP64": math.inf}
_MSGSPEC_MOST: Final = 2**63 - 1  # msgspec takes no larger bound


def _json_type(datatype: str) -> Any:
    if datatype in FLOATS:
        largest = FLOATS[datatype]
        bounds = msgspec.Meta() if largest == math.inf else msgspec.Meta(ge=-largest, le=largest)
        return Annotated[float, bounds] | None
    if datatype in INTEGERS:
        least, most = INTEGERS[datatype]
        return Annotated[int, msgspec.Meta(ge=least, le=most if most <= _MSGSPEC_MOST else None)] | None
    return {"BOOL": bool | None, "BYTES": str | None}[datatype]


JSON_TYPES: Final[dict[str, Any]] = {name: _json_type(name) for name in (*FLOATS, *INTEGERS, "BOOL", "BYTES")}
"""The type by which msgspec decodes one value of a datatype; null is a missing value."""


def diagnose_data(name: str, datatype: str, data: bytes, values_before: int = 0) -> Refusal:
    """Return the refusal of a tensor's JSON data that does not decode.

    Parameters
    ----------
    name, datatype
        The tensor's.
    data
        Its data, or a part of it.
    values_before
        How many values precede that part.
    """
    what = f"tensor {name!r} of datatype {datatype}"
    if len(data) > MAX_DIAGNOSED_BYTES:
        return Refusal("wrong_type", f"{what} holds a value that is not {_rule(datatype)}")
    try:
        values = read_json(data)
        if not isinstance(values, list):
            return Refusal("wrong_type", f"{what} has data that is {type_name(values)}: it must be a list")
        nested = bool(values) and isinstance(values[0], list)
        for at, value in enumerate(_flat(values) if nested else values):
            reason = _broken(datatype, value)
            if reason:
                place = f"{what} has {_shown(value)} at position {values_before + at}"
                return Refusal(reason, f"{place}: it must be {_rule(datatype)}")
    except Refusal as refusal:
        return refusal
    return Refusal("bad_json", f"{what} has data that is not JSON: it may hold half a surrogate pair")


def _flat(rows: list[Any]) -> list[Any]:
    return [value for row in rows for value in (row if isinstance(row, list) else [row])]


def _broken(datatype: str, value: object) -> str:
    """The reason why a datatype does not take a value; empty if it does."""
    if value is None:
        return ""
    if datatype in ("BOOL", "BYTES"):
        return "" if type(value) is {"BOOL": bool, "BYTES": str}[datatype] else "wrong_type"
    if isinstance(value, float) and not math.isfinite(value):
        return "not_finite"
    if datatype in FLOATS:
        largest = min(FLOATS[datatype], 1.7976931348623157e308)
        fits = type(value) in (int, float) and -largest <= value <= largest  # type: ignore[operator]
        return "" if fits else "out_of_range" if type(value) in (int, float) else "wrong_type"
    least, most = INTEGERS[datatype]
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if type(value) is not int:
        return "wrong_type"
    return "" if least <= value <= most else "out_of_range"


def _rule(datatype: str) -> str:
    if datatype in INTEGERS:
        least, most = INTEGERS[datatype]
        return f"a whole number from {least} to {most}"
    if datatype in FLOATS:
        return "a finite number" if datatype == "FP64" else f"a number up to {FLOATS[datatype]:.5g}"
    return "true or false" if datatype == "BOOL" else "a text"


def _shown(value: object) -> str:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return str(value)[:40] if number else type_name(value)
