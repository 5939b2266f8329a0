"""A profile as a JSON document and back (`docs/profile-format.md`), and the hash that identifies it."""

import base64
import hashlib
import json
import math
import zlib
from collections.abc import Sequence
from typing import Any, Final, NamedTuple, TypeAlias, TypeVar

import numpy as np

from tidegauge.errors import ProfileError
from tidegauge.profile.features import (
    HOURS,
    MAX_ROWS,
    CategoricalFeature,
    DesignEffect,
    Feature,
    IntArray,
    NumericFeature,
)
from tidegauge.protocol.names import PROFILE_SCHEMA
from tidegauge.telling import told

__all__ = ["Contents", "body_hash", "decode", "encode", "profile_body", "read_document", "whole_document"]

_SHARED: Final = ("name", "kind", "counts", "missing", "distinct", "hourly", "design_effect")
_NUMERIC: Final = frozenset((*_SHARED, "dtype", "cut_points", "mean", "sd", "min", "max", "beyond"))
_CATEGORICAL: Final = frozenset((*_SHARED, "categories"))
_IN_WORDS: Final[dict[type, str]] = {list: "a list", str: "a text", int: "a whole number"}
_T = TypeVar("_T")
Document: TypeAlias = dict[str, Any]


class Contents(NamedTuple):
    """The contents of a profile's document."""

    features: tuple[Feature, ...]
    prediction: Feature | None
    rows: int
    hash: object


# --- profile to document -----------------------------------------------------------------------------------


def profile_body(
    features: Sequence[Feature], prediction: Feature | None, rows: int, *, typed: bool = False
) -> Document:
    """The document of a whole profile, without `schema` and `hash`; types only where `typed`."""
    return {
        "rows": rows,
        "features": [_feature_document(feature, typed) for feature in features],
        "prediction": None if prediction is None else _feature_document(prediction, typed),
    }


def body_hash(body: Document) -> str:
    """SHA-256 of a document without `schema`, `hash` and types: JSON, keys sorted, no spaces."""
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def whole_document(body: Document, digest: str) -> Document:
    """The document with `schema` and `hash`."""
    return {"schema": PROFILE_SCHEMA, "hash": digest, **body}


def encode(document: Document) -> bytes:
    """The document as JSON, one feature a line, so that two profiles can be compared line by line."""
    head = {name: value for name, value in document.items() if name not in ("features", "prediction")}
    lines = ",\n  ".join(_json(feature) for feature in document["features"])
    last = _json(document["prediction"])
    return f'{_json(head)[:-1]},\n"features": [\n  {lines}\n],\n"prediction": {last}}}\n'.encode()


def _json(value: object) -> str:
    return json.dumps(value, allow_nan=False)


def _feature_document(feature: Feature, typed: bool) -> dict[str, Any]:
    effect = feature.design_effect
    shared = {
        **({"type": feature.type} if typed and feature.type is not None else {}),
        "name": feature.name,
        "kind": feature.kind,
        "counts": feature.counts.tolist(),
        "missing": feature.missing,
        "distinct": feature.distinct,
        "hourly": None if feature.hourly is None else _pack(feature.hourly),
        "design_effect": None
        if effect is None
        else {"window_seconds": list(effect.window_seconds), "values": list(effect.values)},
    }
    if isinstance(feature, CategoricalFeature):
        held_out = {} if feature.held_out is None else {"held_out": feature.held_out.tolist()}
        return {**shared, "categories": list(feature.categories), **held_out}
    return {
        **shared,
        "dtype": feature.dtype,
        "cut_points": [_number_out(value) for value in feature.cut_points.tolist()],
        **{name: _number_out(getattr(feature, name)) for name in ("mean", "sd", "min", "max")},
        "beyond": feature.beyond,
    }


def _number_out(value: float) -> float | str | None:
    if math.isnan(value):
        return None
    return value if math.isfinite(value) else ("inf" if value > 0 else "-inf")


def _pack(counts: IntArray) -> str:
    return base64.b64encode(zlib.compress(counts.astype("<u8").tobytes(), 9)).decode()


# --- document to profile -----------------------------------------------------------------------------------


def decode(data: bytes) -> object:
    """Read JSON; raises `ProfileError` for what is none."""
    try:
        return json.loads(data, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise ProfileError(_no_profile(data)) from error


def _no_profile(data: bytes) -> str:
    """Return the type of a file that is no profile, by its first bytes."""
    if data[:4] == b"PAR1":
        return "not a profile but Parquet data: `tidegauge profile build` makes a profile of it"
    if data.lstrip()[:1] == b"{":
        return "not a whole profile: its JSON breaks off or is damaged, make it again"
    return "not a profile, which is JSON: if it holds rows, `tidegauge profile build` makes a profile of them"


def read_document(document: object) -> Contents:
    """Read a document and check every rule but its hash."""
    fields = _fields(document, "a profile", {"schema", "hash", "rows", "features", "prediction"})
    if fields["schema"] != PROFILE_SCHEMA:
        raise ProfileError(f"schema is {told(fields['schema'])}, this version reads {PROFILE_SCHEMA}")
    prediction = fields["prediction"]
    items = enumerate(_list(fields["features"], "features"))
    return Contents(
        tuple(_feature(item, f"features[{i}]") for i, item in items),
        None if prediction is None else _feature(prediction, "prediction"),
        _count(fields["rows"], "rows"),
        fields["hash"],
    )


def _no_constant(name: str) -> float:
    raise ValueError(f'{name} is not JSON; infinities are the texts "inf" and "-inf"')


def _feature(item: object, where: str) -> Feature:
    held = item if isinstance(item, dict) else {}
    kind = held.get("kind")
    if kind == "numeric":
        return _numeric(_fields(item, where, _NUMERIC | ({"type"} & held.keys())), where)
    if kind == "categorical":
        optional = {"held_out", "type"} & held.keys()
        return _categorical(_fields(item, where, _CATEGORICAL | optional), where)
    raise ProfileError(f"{where} is of kind {told(kind)}: it must be numeric or categorical")


def _numeric(fields: dict[str, Any], where: str) -> NumericFeature:
    values = _list(fields["cut_points"], f"{where}.cut_points")
    cuts = np.array([_number(value, f"{where}.cut_points") for value in values], dtype=np.float64)
    dtype = _typed(fields["dtype"], str, f"{where}.dtype")
    if (
        dtype == "float32"
        and cuts.size
        and not (np.abs(cuts[np.isfinite(cuts)]) <= np.finfo(np.float32).max).all()
    ):
        raise ProfileError(f"{where}.cut_points holds a number that no float32 can be")
    shared = _shared(fields, where, 2 * cuts.size + 1)
    for name in ("mean", "sd", "min", "max"):
        shared[name] = math.nan if fields[name] is None else _number(fields[name], f"{where}.{name}")
    beyond = _count(fields["beyond"], f"{where}.beyond")
    return NumericFeature(dtype=dtype, cut_points=cuts, beyond=beyond, **shared)


def _categorical(fields: dict[str, Any], where: str) -> CategoricalFeature:
    items = _list(fields["categories"], f"{where}.categories")
    categories = tuple(_text(item, f"{where}.categories") for item in items)
    held_out = None
    if "held_out" in fields:
        held_out = _counts(fields["held_out"], f"{where}.held_out")
    shared = _shared(fields, where, len(categories) + 1)
    return CategoricalFeature(categories=categories, held_out=held_out, **shared)


def _shared(fields: dict[str, Any], where: str, cells: int) -> dict[str, Any]:
    distinct, hourly, effect = fields["distinct"], fields["hourly"], fields["design_effect"]
    return {
        "name": _text(fields["name"], f"{where}.name"),
        "counts": _counts(fields["counts"], f"{where}.counts"),
        "missing": _count(fields["missing"], f"{where}.missing"),
        "distinct": None if distinct is None else _count(distinct, f"{where}.distinct"),
        "hourly": None if hourly is None else _unpack(hourly, cells, f"{where}.hourly"),
        "design_effect": None if effect is None else _design_effect(effect, f"{where}.design_effect"),
        "type": _text(fields["type"], f"{where}.type") if "type" in fields else None,
    }


def _design_effect(item: object, where: str) -> DesignEffect:
    fields = _fields(item, where, {"window_seconds", "values"})
    seconds, values = (_list(fields[name], f"{where}.{name}") for name in ("window_seconds", "values"))
    return DesignEffect(
        tuple(_number(value, f"{where}.window_seconds") for value in seconds),
        tuple(_number(value, f"{where}.values") for value in values),
    )


def _unpack(text: object, cells: int, where: str) -> IntArray:
    """Inflate no further than the counts' own length, whatever the document claims."""
    size = HOURS * cells * 8
    try:
        packed = base64.b64decode(_typed(text, str, where), validate=True)
        inflate = zlib.decompressobj()
        data = inflate.decompress(packed, size + 1)
    except (ValueError, zlib.error) as error:
        raise ProfileError(f"{where} is not base64 of zlib: {error}") from error
    if len(data) != size or not inflate.eof or inflate.unused_data:
        raise ProfileError(f"{where} does not hold {HOURS} x {cells} counts")
    counts = np.frombuffer(data, dtype="<u8")
    if counts.size and int(counts.max()) > MAX_ROWS:
        raise ProfileError(f"{where} holds {counts.max()}: a count is at most {MAX_ROWS}")
    return counts.astype(np.int64).reshape(HOURS, cells)


# --- parts of a document -----------------------------------------------------------------------------------


def _fields(item: object, where: str, names: set[str] | frozenset[str]) -> dict[str, Any]:
    if not isinstance(item, dict) or item.keys() != names:
        held = ", ".join(sorted(map(str, item))) if isinstance(item, dict) and item else told(item)
        raise ProfileError(f"{where} must have exactly the fields {', '.join(sorted(names))}; it is {held}")
    return item


def _typed(value: object, wanted: type[_T], where: str) -> _T:
    if type(value) is not wanted:
        raise ProfileError(f"{where} holds {told(value)}: it must be {_IN_WORDS[wanted]}")
    return value


def _list(value: object, where: str) -> list[Any]:
    return _typed(value, list, where)


def _text(value: object, where: str) -> str:
    text = _typed(value, str, where)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ProfileError(f"{where} holds {told(text)}, which is not Unicode text") from error
    return text


def _counts(values: object, where: str) -> IntArray:
    return np.array([_count(value, where) for value in _list(values, where)], dtype=np.int64)


def _count(value: object, where: str) -> int:
    count = _typed(value, int, where)
    if not 0 <= count <= MAX_ROWS:
        raise ProfileError(f"{where} holds {count}: a count is 0 to {MAX_ROWS}")
    return count


def _number(value: object, where: str) -> float:
    if value in ("inf", "-inf"):
        return float(str(value))
    if type(value) is float and math.isfinite(value):
        return value
    if type(value) is int and abs(value) <= 1 << 53:
        return float(value)
    raise ProfileError(f'{where} holds {told(value)}: it must be a number, "inf" or "-inf"')
