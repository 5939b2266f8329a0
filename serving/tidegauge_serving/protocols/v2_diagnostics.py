"""Why a V2 request is none: the field, its value and the rule. Only refused requests come here."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from tidegauge_serving.rows.diagnostics import no_json, type_name, unnamed_fault
from tidegauge_serving.rows.refusal import Refusal

__all__ = ["diagnose_request"]

_Fields = Mapping[str, tuple[Any, str]]
_Members = dict[str, msgspec.Raw]
_TEXT: Final = (str, "a text")
_OBJECT: Final = (dict[str, Any] | None, "an object")
_REQUEST: Final[_Fields] = {
    "inputs": (list[msgspec.Raw], "a list of tensors"),
    "id": (str | None, "a text"),
    "outputs": (list[msgspec.Raw] | None, "a list of objects, each with a name"),
    "parameters": _OBJECT,
}
_TENSOR: Final[_Fields] = {
    "name": _TEXT,
    "shape": (list[int], "a list of whole numbers, as [2, 5]"),
    "datatype": (str, "a text, as FP64"),
    "parameters": _OBJECT,
}
_OUTPUT: Final[_Fields] = {"name": _TEXT, "parameters": _OBJECT}
_MOST_SHOWN: Final = 40


def diagnose_request(text: bytes, error: Exception) -> Refusal:
    """Return the refusal of JSON that is no V2 request; a tensor's data is not looked at.

    Parameters
    ----------
    text
        The request's JSON.
    error
        What decoding it raised.
    """
    try:
        request = _checked(text, "the body", _REQUEST, ["inputs"])
        for at, tensor in enumerate(_items(request, "inputs")):
            _checked(tensor, f"inputs[{at}]", _TENSOR, ["name", "shape", "datatype"])
        for at, output in enumerate(_items(request, "outputs")):
            _checked(output, f"outputs[{at}]", _OUTPUT, ["name"])
    except Refusal as refusal:
        return refusal
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as worse:  # behind the first fault
        return no_json(text, worse)
    return unnamed_fault(error)


def _items(request: _Members, name: str) -> list[msgspec.Raw]:
    found: list[msgspec.Raw] | None = None
    if name in request:
        found = msgspec.json.decode(request[name], type=list[msgspec.Raw] | None)
    return found or []


def _checked(
    text: bytes | msgspec.Raw, what: str, fields: _Fields, needed: list[str]
) -> dict[str, msgspec.Raw]:
    """The members of an object; raises `Refusal` for one that is missing or wrong."""
    try:
        members = msgspec.json.decode(text, type=_Members)
    except msgspec.ValidationError:
        raise Refusal("bad_request", f"{what} is {_shown(text)}: it must be an object") from None
    for name in needed:
        if name not in members:
            raise Refusal("bad_request", f"{what} has no {name!r}: it must have {', '.join(needed)}")
    for name, (kind, rule) in fields.items():
        if name in members and not _fits(members[name], kind):
            place = name if what == "the body" else f"{what}.{name}"
            raise Refusal("bad_request", f"{place} is {_shown(members[name])}: it must be {rule}")
    return members


def _fits(value: msgspec.Raw, kind: Any) -> bool:
    try:
        msgspec.json.decode(value, type=kind)
    except msgspec.ValidationError:
        return False
    return True


def _shown(text: bytes | msgspec.Raw) -> str:
    """A short value itself, of a long one what it is."""
    data = bytes(memoryview(text)).strip()
    if len(data) <= _MOST_SHOWN:
        return data.decode()
    return type_name({b"{": {}, b"[": [], b'"': ""}.get(data[:1], 0))
