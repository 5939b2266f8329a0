"""Parts of a profile's document: how each is read, and the JSON schema of what is read.

`document` reads with these parts, and the aggregator's OpenAPI document shows their schemas.
"""

import base64
import math
import zlib
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, TypeAlias, TypeVar

import numpy as np

from tidegauge.arrays import IntArray
from tidegauge.errors import ProfileError
from tidegauge.profile.features import DTYPES, HOURS, MAX_ROWS, DesignEffect
from tidegauge.protocol.coercion import TYPES_OF_KIND
from tidegauge.telling import found, told

__all__ = ["CATEGORICAL", "COUNT", "NUMERIC", "Part", "Record", "hourly_counts", "wrong"]

_IN_WORDS: Final[dict[type, str]] = {list: "a list", str: "a text", int: "a whole number"}
_T = TypeVar("_T")
Schema: TypeAlias = dict[str, Any]


class Part(NamedTuple):
    """One value of a document: the function that reads it at a place, and what it takes as a JSON schema."""

    read: Callable[[object, str], Any]
    schema: Schema


class Record:
    """An object of exactly these fields.

    Parameters
    ----------
    needed
        The fields that it always has.
    optional
        Fields that it may have too.
    """

    def __init__(self, needed: Mapping[str, Part], optional: Mapping[str, Part] | None = None) -> None:
        self._needed, self._all = needed, {**needed, **(optional or {})}

    @property
    def schema(self) -> Schema:
        """The object as a JSON schema."""
        properties = {name: part.schema for name, part in self._all.items()}
        return {
            "type": "object",
            "properties": properties,
            "required": list(self._needed),
            "additionalProperties": False,
        }

    def read(self, item: object, where: str) -> dict[str, Any]:
        """Read each field at its place, which is empty for the whole document; raises `ProfileError`."""
        held = item if isinstance(item, dict) else {}
        names = self._needed.keys() | (held.keys() & self._all.keys())
        if held.keys() != names or held is not item:
            subject, shown = where or "a profile", ", ".join(sorted(map(str, held))) or told(item)
            said = found(where, item, f"{subject} is {shown}")
            raise ProfileError(f"it must have exactly the fields {', '.join(sorted(names))}", argument=said)
        prefix = f"{where}." if where else ""
        return {name: self._all[name].read(value, prefix + name) for name, value in held.items()}


def wrong(where: str, value: object, rule: str) -> ProfileError:
    """Return the error of a value that breaks a rule at a place of the document."""
    return ProfileError(rule, argument=found(where, value, f"{where} holds {told(value)}"))


# --- readers -----------------------------------------------------------------------------------------------


def _typed(value: object, wanted: type[_T], where: str) -> _T:
    if type(value) is not wanted:
        raise wrong(where, value, f"it must be {_IN_WORDS[wanted]}")
    return value


def _text(value: object, where: str) -> str:
    text = _typed(value, str, where)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise wrong(where, text, "it must be Unicode text") from error
    return text


def _count(value: object, where: str) -> int:
    number = _typed(value, int, where)
    if not 0 <= number <= MAX_ROWS:
        raise wrong(where, number, f"a count is 0 to {MAX_ROWS}")
    return number


def _number(value: object, where: str) -> float:
    if value in ("inf", "-inf"):
        return float(str(value))
    if type(value) is float and math.isfinite(value):
        return value
    if type(value) is int and abs(value) <= 1 << 53:
        return float(value)
    raise wrong(where, value, 'it must be a number, "inf" or "-inf"')


def _list_of(part: Part) -> Part:
    def read(value: object, where: str) -> list[Any]:
        return [part.read(item, where) for item in _typed(value, list, where)]

    return Part(read, {"type": "array", "items": part.schema})


def _optional(part: Part, nothing: object = None) -> Part:
    def read(value: object, where: str) -> Any:
        return nothing if value is None else part.read(value, where)

    return Part(read, {"anyOf": [part.schema, {"type": "null"}]})


def _read_design_effect(item: object, where: str) -> DesignEffect:
    fields = _DESIGN_EFFECT.read(item, where)
    return DesignEffect(tuple(fields["window_seconds"]), tuple(fields["values"]))


def hourly_counts(packed: str, cells: int, where: str) -> IntArray:
    """Inflate hourly counts no further than their own length, whatever the document claims."""
    size = HOURS * cells * 8
    try:
        compressed = base64.b64decode(packed, validate=True)
        inflate = zlib.decompressobj()
        data = inflate.decompress(compressed, size + 1)
    except (ValueError, zlib.error) as error:
        raise wrong(where, packed, f"it must be base64 of zlib ({error})") from error
    if len(data) != size or not inflate.eof or inflate.unused_data:
        raise wrong(where, packed, f"it must hold {HOURS} x {cells} counts")
    counts = np.frombuffer(data, dtype="<u8")
    if counts.size and int(counts.max()) > MAX_ROWS:
        raise wrong(where, int(counts.max()), f"a count is at most {MAX_ROWS}")
    return counts.astype(np.int64).reshape(HOURS, cells)


# --- the parts ---------------------------------------------------------------------------------------------

TEXT: Final = Part(_text, {"type": "string"})
COUNT: Final = Part(_count, {"type": "integer", "minimum": 0, "maximum": MAX_ROWS})
_NUMBER: Final = Part(_number, {"anyOf": [{"type": "number"}, {"enum": ["inf", "-inf"]}]})
_COUNTS: Final = Part(
    lambda value, where: np.array(_list_of(COUNT).read(value, where), dtype=np.int64),
    {"type": "array", "items": COUNT.schema, "description": "One for each cell"},
)
_HOURLY: Final = Part(
    lambda value, where: _typed(value, str, where),
    {
        "type": "string",
        "contentEncoding": "base64",
        "description": f"{HOURS} x cells counts, u64 little-endian, compressed with zlib",
    },
)
_DESIGN_EFFECT: Final = Record({"window_seconds": _list_of(_NUMBER), "values": _list_of(_NUMBER)})
_SHARED: Final = {
    "name": Part(_text, {"type": "string", "minLength": 1}),
    "counts": _COUNTS,
    "missing": COUNT,
    "distinct": _optional(COUNT),
    "hourly": _optional(_HOURLY),
    "design_effect": _optional(Part(_read_design_effect, _DESIGN_EFFECT.schema)),
}


def _kind(name: str) -> Part:
    return Part(_text, {"const": name})


def _type_of(kind: str) -> Part:
    return Part(_text, {"enum": list(TYPES_OF_KIND[kind])})


NUMERIC: Final = Record(
    {
        **_SHARED,
        "kind": _kind("numeric"),
        "dtype": Part(_text, {"enum": list(DTYPES)}),
        "cut_points": Part(
            lambda value, where: np.array(_list_of(_NUMBER).read(value, where), dtype=np.float64),
            {"type": "array", "items": _NUMBER.schema, "description": "Rising numbers"},
        ),
        **dict.fromkeys(("mean", "sd", "min", "max"), _optional(_NUMBER, math.nan)),
        "beyond": COUNT,
    },
    {"type": _type_of("numeric")},
)
"""A numeric feature."""
CATEGORICAL: Final = Record(
    {**_SHARED, "kind": _kind("categorical"), "categories": _list_of(TEXT)},
    {"held_out": _COUNTS, "type": _type_of("categorical")},
)
"""A categorical feature."""
