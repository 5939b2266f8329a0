"""Why a body was refused: the field and the rule, in words. Only refused requests come here."""

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from tidegauge.nearest import or_nearest
from tidegauge.profile.profile import NumericFeature
from tidegauge.protocol.coercion import takes, wanted
from tidegauge_serving.rows.refusal import Refusal, unreadable
from tidegauge_serving.rows.schema import FLOAT32_MAX, RowSchema, missing_value

__all__ = [
    "MAX_DIAGNOSED_BYTES",
    "diagnose",
    "diagnose_features",
    "no_json",
    "read_json",
    "type_name",
    "unnamed_fault",
]

MOST_DIGITS: Final = 1_000
MAX_DIAGNOSED_BYTES: Final = (
    1 << 20
)  # for a longer body only the place is named, so that a refusal is never slow
_FORMS: Final = {
    "features": '{"features": {name: value, ...}}',
    "instances": '{"instances": [row, ...]}',
}
_PLACE: Final = re.compile(r"- at `\$(.+)`")
_BYTE: Final = re.compile(r"\(byte (\d+)\)")
_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")


def diagnose(schema: RowSchema, body: bytes, error: Exception, key: str, rows_before: int = 0) -> Refusal:
    """Return the refusal for a body whose decoding failed.

    Parameters
    ----------
    schema
        The rows' schema.
    body
        The request's body.
    error
        What reading it raised.
    key
        ``features`` for one row, ``instances`` for a list of rows.
    rows_before
        How many rows of the request stood before those of this body.
    """
    if isinstance(error, Refusal):
        return error
    if not isinstance(error, msgspec.MsgspecError | UnicodeDecodeError | RecursionError):
        return unreadable(error)
    invalid = isinstance(error, msgspec.ValidationError)
    found = None
    if len(body) <= MAX_DIAGNOSED_BYTES:
        found = _broken_rule(schema, body, key, rows_before)
    if found is not None and (invalid or found.reason in ("bad_json", "not_finite")):
        return found
    return unnamed_fault(error, rows_before) if invalid else no_json(body, error)


def unnamed_fault(error: Exception, rows_before: int = 0) -> Refusal:
    """Return the refusal if no broken rule is found, as with a key that is there twice."""
    found = _PLACE.search(str(error))
    place = found[1].lstrip(".") if found else "the body"
    counted = f", counted from row {rows_before}" if rows_before else ""
    said = f"{place}{counted} is not what it must be, or is there twice: /docs shows a request"
    return Refusal("bad_request", said)


def no_json(body: bytes, error: Exception) -> Refusal:
    """Return the refusal of a body that msgspec does not take for JSON.

    Parameters
    ----------
    body
        The body.
    error
        What msgspec raised, which may know the byte.
    """
    if not body:
        return Refusal("bad_json", "the body is empty: it must be a JSON object")
    if isinstance(error, RecursionError):
        return _too_deep()
    if len(body) <= MAX_DIAGNOSED_BYTES:
        try:
            read_json(body, parse_constant=_refuse_constant)
        except Refusal as refusal:
            return refusal
        if _SURROGATE.search(body):
            said = "a text in it holds half of a surrogate pair, as \\ud83d without the other half"
            return Refusal("bad_json", f"the body is not JSON: {said}")
    found = _BYTE.search(str(error))
    where = f"byte {found[1]} is wrong" if found else "it ends before it is complete"
    return Refusal("bad_json", f"the body is not JSON: {where}")


def _refuse_constant(name: str) -> None:
    raise Refusal("bad_json", f"the body is not JSON: it holds {name}; send null for a missing value")


def _too_deep() -> Refusal:
    return Refusal("bad_json", "the body is nested too deeply: rows need no more than lists in a list")


def _broken_rule(schema: RowSchema, body: bytes, key: str, rows_before: int) -> Refusal | None:
    try:
        document = read_json(body)
        if not isinstance(document, dict):
            raise Refusal(
                "bad_request", f"the body is {type_name(document)}: it must be an object with {key!r}"
            )
        if key not in document:
            raise Refusal(
                "bad_request",
                f"the body has no {key!r}: {_held(document)}; it must be {_FORMS[key]}",
            )
        _explain_parameters(document.get("parameters"))
        if key == "features":
            diagnose_features(schema, document[key], "features")
        else:
            _explain_instances(schema, document[key], rows_before)
    except Refusal as refusal:
        return refusal
    return None


def _held(document: dict[str, Any]) -> str:
    return f"it has {_quoted(sorted(document)[:10])}" if document else "it is empty"


def read_json(body: bytes, parse_constant: Callable[[str], Any] | None = None) -> Any:
    """Return JSON with NaN and infinities as values, so that their field can be named; raises `Refusal`."""
    if not body:
        raise Refusal("bad_json", "the body is empty: it must be a JSON object")
    try:
        text = body.decode()  # json itself would guess UTF-16 and take it
    except UnicodeDecodeError as error:
        raise Refusal("bad_json", f"the body is not JSON: byte {error.start} is not UTF-8") from None
    if text.startswith("\ufeff"):
        raise Refusal("bad_json", "the body is not JSON: it begins with a byte order mark; leave it out")
    try:
        return json.loads(text, parse_int=_whole_number, parse_constant=parse_constant)
    except RecursionError:
        raise _too_deep() from None
    except json.JSONDecodeError as error:
        raise Refusal("bad_json", f"the body is not JSON: {_syntax(error)}") from None


def _syntax(error: json.JSONDecodeError) -> str:
    """Where a text stops to be JSON."""
    place = f"line {error.lineno}, column {error.colno}"
    rest = error.doc[error.pos : error.pos + 10]
    if not rest:
        return f"it ends at {place} before it is complete"
    if error.msg.startswith("Unterminated"):
        return f"the text that begins at {place} has no end"
    return f"at {place} is {rest!r}, which cannot be there"


def _whole_number(digits: str) -> int:
    """A whole number. Python reads no more than some thousand digits; so many are too large anyway."""
    return int(digits[:MOST_DIGITS])


def diagnose_features(schema: RowSchema, features: object, where: str) -> None:
    """Raise the refusal for one row given by names; nothing if it breaks no rule."""
    if not isinstance(features, dict):
        raise Refusal(
            "bad_request", f"{where} is {type_name(features)}: it must be an object of name and value"
        )
    check_names(schema, features, where)
    for at, name in enumerate(schema.names):
        _explain_value(schema, at, features[name], where)


def check_names(schema: RowSchema, names: Mapping[str, object], where: str) -> None:
    """Raise the refusal for names that are not exactly the model's features."""
    missing = [name for name in schema.names if name not in names]
    extra = [name for name in names if name not in schema.names]
    if extra:
        hint = or_nearest(extra[0], missing or schema.names)
        raise Refusal(
            "unknown_feature", f"{where} has {_quoted(extra)}, which the model does not have; {hint}"
        )
    if missing:
        raise Refusal("missing_feature", f"{where} lacks {_quoted(missing)}: every feature must be sent")


def _explain_instances(schema: RowSchema, rows: object, rows_before: int) -> None:
    if not isinstance(rows, list):
        raise Refusal("bad_request", f"instances is {type_name(rows)}: it must be a list of rows")
    for index, row in enumerate(rows):
        where = f"instances[{rows_before + index}]"
        if type(row) is not type(rows[0]):
            raise Refusal("wrong_type", f"{where} is {type_name(row)}, the first row is {type_name(rows[0])}")
        if isinstance(row, list):
            _explain_listed(schema, row, where)
        else:
            diagnose_features(schema, row, where)


def _explain_parameters(parameters: object) -> None:
    if parameters is None:
        return
    if not isinstance(parameters, dict):
        raise Refusal("bad_request", f"parameters is {type_name(parameters)}: it must be an object")
    wish = parameters.get("probabilities", False)
    if not isinstance(wish, bool):
        raise Refusal(
            "bad_request", f"parameters has probabilities that is {type_name(wish)}: it must be true or false"
        )


def _explain_listed(schema: RowSchema, row: list[object], where: str) -> None:
    if len(row) != len(schema.names):
        raise Refusal(
            "wrong_shape",
            f"{where} has {len(row)} values: it must have {len(schema.names)}, "
            "one per feature in the model's order",
        )
    for at, value in enumerate(row):
        _explain_value(schema, at, value, where)


def _explain_value(schema: RowSchema, at: int, value: object, where: str) -> None:
    feature, name = schema.features[at], schema.names[at]
    place = f"feature {name!r} in {where}"
    if value is None:
        if not schema.accepts_missing[at]:
            raise missing_value(name, f" in {where}")
    elif isinstance(value, float) and not math.isfinite(value):
        raise Refusal(
            "not_finite", f"{place} is {_unbounded(value)}: it must be a finite number; null is a missing one"
        )
    elif not takes(schema.types[at], type(value)):
        raise Refusal(
            "wrong_type",
            f"{place} is {type_name(value)}: it must be {wanted(schema.types[at])}{_advice(value)}",
        )
    elif isinstance(feature, NumericFeature) and not _fits(value, _largest(feature)):
        raise Refusal("out_of_range", f"{place} is too large for {feature.dtype}")


def _unbounded(value: float) -> str:
    return "NaN" if math.isnan(value) else f"{'-' if value < 0 else ''}Infinity, or beyond 1.8e308"


def _advice(value: object) -> str:
    return ", which it was in training; send 1 or 0" if isinstance(value, bool) else ""


def _largest(feature: NumericFeature) -> float:
    return FLOAT32_MAX if feature.dtype == "float32" else math.inf


def _fits(value: Any, largest: float) -> bool:
    try:
        return abs(float(value)) <= largest
    except OverflowError:
        return False


def _quoted(names: list[str]) -> str:
    shown = ", ".join(repr(name[:100]) for name in names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"


def type_name(value: object) -> str:
    """Return what a JSON value is, in words."""
    names = {dict: "an object", list: "a list", str: "a text", bool: "a truth value", type(None): "null"}
    return names.get(type(value), "a number")
