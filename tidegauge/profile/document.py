"""A profile as a JSON document and back (`docs/profile-format.md`), and the hash that identifies it."""

import base64
import hashlib
import json
import math
import zlib
from collections.abc import Sequence
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np

from tidegauge.arrays import IntArray
from tidegauge.errors import ProfileError
from tidegauge.profile.document_parts import CATEGORICAL, COUNT, NUMERIC, Part, Record, hourly_counts, wrong
from tidegauge.profile.features import CategoricalFeature, Feature, NumericFeature
from tidegauge.protocol.names import PROFILE_SCHEMA

__all__ = [
    "PROFILE_JSON_SCHEMA",
    "Contents",
    "body_hash",
    "decode",
    "encode",
    "profile_body",
    "read_document",
    "whole_document",
]

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
    """Return the document of a whole profile, without `schema` and `hash`; types only where `typed`."""
    return {
        "rows": rows,
        "features": [_feature_document(feature, typed) for feature in features],
        "prediction": None if prediction is None else _feature_document(prediction, typed),
    }


def body_hash(body: Document) -> str:
    """Return SHA-256 of a document without `schema`, `hash` and types: JSON, keys sorted, no spaces."""
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def whole_document(body: Document, digest: str) -> Document:
    """Return the document with `schema` and `hash`."""
    return {"schema": PROFILE_SCHEMA, "hash": digest, **body}


def encode(document: Document) -> bytes:
    """Return the document as JSON, one feature a line, so that two profiles can be compared line by line."""
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
    fields = _DOCUMENT.read(document, "")
    return Contents(fields["features"], fields["prediction"], fields["rows"], fields["hash"])


def _no_constant(name: str) -> float:
    raise ValueError(f'{name} is not JSON; infinities are the texts "inf" and "-inf"')


def _read_schema(value: object, _: str) -> object:
    if value != PROFILE_SCHEMA:
        raise wrong("schema", value, f"this version reads {PROFILE_SCHEMA}")
    return value


def _read_features(value: object, where: str) -> tuple[Feature, ...]:
    if type(value) is not list:
        raise wrong(where, value, "it must be a list")
    return tuple(_read_feature(item, f"{where}[{i}]") for i, item in enumerate(value))


def _read_prediction(value: object, where: str) -> Feature | None:
    return None if value is None else _read_feature(value, where)


def _read_feature(item: object, where: str) -> Feature:
    kind = item.get("kind") if isinstance(item, dict) else None
    if kind == "numeric":
        return _numeric(NUMERIC.read(item, where), where)
    if kind == "categorical":
        fields = CATEGORICAL.read(item, where)
        categories = tuple(fields.pop("categories"))
        return CategoricalFeature(categories=categories, **_with_hours(fields, len(categories) + 1, where))
    raise wrong(f"{where}.kind", kind, "it must be numeric or categorical")


def _numeric(fields: dict[str, Any], where: str) -> NumericFeature:
    cuts = fields["cut_points"]
    finite = np.abs(cuts[np.isfinite(cuts)])
    if fields["dtype"] == "float32" and not (finite <= np.finfo(np.float32).max).all():
        raise wrong(f"{where}.cut_points", float(finite.max()), "a float32 cannot be so large")
    return NumericFeature(**_with_hours(fields, 2 * cuts.size + 1, where))


def _with_hours(fields: dict[str, Any], cells: int, where: str) -> dict[str, Any]:
    """The fields of a feature as its class takes them."""
    packed = fields["hourly"]
    hourly = None if packed is None else hourly_counts(packed, cells, f"{where}.hourly")
    return {**{name: value for name, value in fields.items() if name != "kind"}, "hourly": hourly}


_FEATURE: Final = {"anyOf": [NUMERIC.schema, CATEGORICAL.schema]}
_DOCUMENT: Final = Record(
    {
        "schema": Part(_read_schema, {"const": PROFILE_SCHEMA}),
        "hash": Part(lambda value, _: value, {"type": "string", "pattern": "^[0-9a-f]{64}$"}),
        "rows": COUNT,
        "features": Part(_read_features, {"type": "array", "items": _FEATURE}),
        "prediction": Part(_read_prediction, {"anyOf": [_FEATURE, {"type": "null"}]}),
    }
)
PROFILE_JSON_SCHEMA: Final = _DOCUMENT.schema
"""What `read_document` takes, as a JSON schema."""
