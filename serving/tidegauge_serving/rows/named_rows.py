"""Rows given by names, decoded into values in the model's order."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

__all__ = ["NamedRows", "Row"]

Row = tuple[Any, ...]
_Decode = Callable[[bytes | msgspec.Raw], Any]
_FORBIDDEN: Final = frozenset('"\\') | {chr(code) for code in range(32)}
_ANY_VALUE: Final = dict[str, str | bool | int | float | None]
astuple = msgspec.structs.astuple


class NamedRows:
    """Decodes one row or many.

    Parameters
    ----------
    names
        The features, in the model's order.
    row_type
        A structure like an array, with the type of each value in the same order.
    """

    def __init__(self, names: Sequence[str], row_type: type) -> None:
        self._names = tuple(names)
        self._row_type = row_type
        plain = _FORBIDDEN.isdisjoint("".join(names))
        row = _structure(names, row_type) if plain else _ANY_VALUE
        self._values: Callable[[Any], Row] = astuple if plain else self._by_name
        body = msgspec.defstruct("Predict", [("features", row)], gc=False)
        self._one: _Decode = msgspec.json.Decoder(body).decode
        only = msgspec.defstruct("V1", [("instances", tuple[row])], forbid_unknown_fields=True, gc=False)  # type: ignore[valid-type]
        self._only: _Decode = msgspec.json.Decoder(only).decode
        self._many: _Decode = msgspec.json.Decoder(list[row]).decode  # type: ignore[valid-type]

    def decode_one(self, body: bytes) -> Row:
        """Return the values of ``{"features": {...}}``; raise `msgspec.MsgspecError`."""
        return self._values(self._one(body).features)

    def decode_only(self, body: bytes) -> Row:
        """Return the values of ``{"instances": [{...}]}``; raise `msgspec.MsgspecError`."""
        return self._values(self._only(body).instances[0])

    def decode_many(self, rows: bytes | msgspec.Raw) -> list[Row]:
        """Return the values of each object of a list; raise `msgspec.MsgspecError`."""
        return [self._values(row) for row in self._many(rows)]

    def _by_name(self, row: dict[str, Any]) -> Row:
        """Return the values of a row whose names no field of msgspec can have."""
        if len(row) != len(self._names) or not all(name in row for name in self._names):
            raise msgspec.ValidationError("the names are not the model's features")
        return astuple(msgspec.convert([row[name] for name in self._names], self._row_type))


def _structure(names: Sequence[str], row_type: type) -> type:
    """Return the structure with a field for each name."""
    fields = [(field.name, field.type) for field in msgspec.structs.fields(row_type)]
    rename = {field: name for (field, _), name in zip(fields, names, strict=True)}
    return msgspec.defstruct("Features", fields, rename=rename, forbid_unknown_fields=True, gc=False)
