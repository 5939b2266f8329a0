"""The pane message: what a drift sidecar sends for one pane, and an aggregator takes once.

Layout: ``TIDEPAN1``, length of the JSON part (u32, little-endian), the JSON part, the counts
(`counting.codec`), and the crc32 of all before it (u32). A message is bytes that never change once made, so
that sending it again is sending the same fact.
"""

import json
import re
import struct
import zlib
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Self, TypeAlias

from tidegauge.errors import WireError
from tidegauge.telling import found, told

__all__ = ["MAX_PANE_BYTES", "PANE_SCHEMA", "Pane"]

MAGIC: Final = b"TIDEPAN1"
MAX_PANE_BYTES: Final = 32 << 20
_LENGTH: Final = struct.Struct("<I")
Schema: TypeAlias = dict[str, Any]


def _pattern(pattern: str, words: str) -> Schema:
    return {"type": "string", "pattern": f"^{pattern}$", "description": words}


def _whole(minimum: int, maximum: int, words: str) -> Schema:
    return {"type": "integer", "minimum": minimum, "maximum": maximum, "description": words}


_NAME: Final = _pattern("[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?", "a lower-case DNS name")
_COUNT: Final = _whole(0, (1 << 63) - 1, "a count from 0 on")
_FIELDS: Final[dict[str, Schema]] = {
    "model": _NAME,
    "profile": _pattern("[0-9a-f]{64}", "64 hexadecimal digits"),
    "pane": _whole(0, (1 << 53) - 1, "an index from 0 on"),
    "pane_seconds": _whole(1, 86_400, "1 to 86400"),
    "instance": _NAME,
    "rows": _COUNT,
    "shard": _whole(0, 1023, "an index below shards"),
    "shards": _whole(1, 1024, "1 to 1024"),
    "lost": {
        "type": "object",
        "maxProperties": 16,
        "propertyNames": {"pattern": "^[a-z_]{1,32}$"},
        "additionalProperties": _COUNT,
        "description": "at most 16 reasons like 'full', each with a count from 0 on",
    },
    "rows_before": _COUNT,
    "lost_before": _COUNT,
    "pod": {"type": "string", "maxLength": 253, "description": "at most 253 printable characters"},
    "final": {"type": "boolean", "description": "true or false"},
}
PANE_SCHEMA: Final[Schema] = {
    "type": "object",
    "properties": _FIELDS,
    "required": list(_FIELDS),
    "additionalProperties": False,
}
"""The JSON part of a message as a JSON schema; messages are read by it."""
_PATTERNS: Final = {
    name: re.compile(rules["pattern"]) for name, rules in _FIELDS.items() if "pattern" in rules
}
_REASON: Final = re.compile(_FIELDS["lost"]["propertyNames"]["pattern"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Pane:
    """One pod's counts of one pane, with all that coverage needs.

    Parameters
    ----------
    model
        Name of the model, a DNS label.
    profile
        Hash of the whole profile, 64 hexadecimal digits; the same for all shards.
    pane
        Index of the pane: its start in seconds since the epoch, divided by `pane_seconds`.
    pane_seconds
        Length of a pane in seconds.
    instance
        Name of the log volume that the rows came from: unique, and new for every pod.
    shard, shards
        Which share of the features the counts hold, and of how many.
    rows
        Rows counted in this pane.
    lost
        Rows answered but not counted, by `tidegauge.protocol.names.Lost` reason, that this pane reports.
    rows_before, lost_before
        The instance's running totals before this pane: they tell an aggregator with a new disk what it never
        saw.
    pod
        Name for people of the pod: at most 253 printable characters.
    final
        Whether the instance ended on purpose with this pane.
    counts
        `tidegauge.Counts.to_bytes()` of the shard's features.
    """

    model: str
    profile: str
    pane: int
    pane_seconds: int
    instance: str
    rows: int
    counts: bytes
    shard: int = 0
    shards: int = 1
    lost: dict[str, int] = field(default_factory=dict)
    rows_before: int = 0
    lost_before: int = 0
    pod: str = ""
    final: bool = False

    def __post_init__(self) -> None:
        for name, rules in _FIELDS.items():
            value = getattr(self, name)
            _require(_holds(name, value, rules), name, value, rules["description"])
        _require(self.shard < self.shards, "shard", self.shard, f"below shards={self.shards}")
        _require(self.pod.isprintable(), "pod", self.pod, _FIELDS["pod"]["description"])

    def to_bytes(self) -> bytes:
        """Return the message's bytes."""
        meta = {name: value for name, value in asdict(self).items() if name != "counts"}
        text = json.dumps(meta, separators=(",", ":"), sort_keys=True).encode()
        body = b"".join((MAGIC, _LENGTH.pack(len(text)), text, self.counts))
        return body + _LENGTH.pack(zlib.crc32(body))

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read a message; raises `WireError` saying what is wrong with bytes that are not one."""
        if len(data) > MAX_PANE_BYTES:
            raise WireError(f"a pane message of {len(data)} bytes: at most {MAX_PANE_BYTES} are taken")
        if len(data) < 16 or data[:8] != MAGIC:
            raise WireError(f"not a pane message: its first 8 bytes are not {MAGIC.decode()}")
        if zlib.crc32(memoryview(data)[:-4]) != _LENGTH.unpack(data[-4:])[0]:
            raise WireError("a torn or damaged pane message: its checksum does not fit")
        end = 12 + _LENGTH.unpack_from(data, 8)[0]
        if end > len(data) - 4:
            raise WireError(f"a pane message whose JSON part ends at {end}, behind its end")
        return cls(**_read_meta(data[12:end]), counts=data[end:-4])


_TYPES: Final[dict[str, tuple[type, str]]] = {
    "string": (str, "a text"),
    "integer": (int, "a whole number"),
    "object": (dict, "an object"),
    "boolean": (bool, "true or false"),
}


def _read_meta(text: bytes) -> dict[str, Any]:
    try:
        meta = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise WireError(f"a pane message whose JSON part cannot be read: {error}") from error
    if not isinstance(meta, dict) or meta.keys() != _FIELDS.keys():
        raise WireError(
            f"a pane message whose JSON part has not exactly the fields {', '.join(sorted(_FIELDS))}"
        )
    for name, value in meta.items():
        kind, words = _TYPES[_FIELDS[name]["type"]]
        _require(type(value) is kind, name, value, words)
    _require(all(type(n) is int for n in meta["lost"].values()), "lost", meta["lost"], "whole numbers")
    return meta


def _holds(name: str, value: Any, rules: Schema) -> bool:
    """Whether a value of the right type keeps the rules of its field."""
    if name in _PATTERNS:
        return _PATTERNS[name].fullmatch(value) is not None
    if rules["type"] == "integer":
        return bool(rules["minimum"] <= value <= rules["maximum"])
    if rules["type"] == "object":
        reasons, counts = all(map(_REASON.fullmatch, value)), value.values()
        return reasons and len(value) <= 16 and all(0 <= n <= _COUNT["maximum"] for n in counts)
    return rules["type"] != "string" or bool(len(value) <= rules["maxLength"])


def _require(holds: object, name: str, value: object, rule: str) -> None:
    if not holds:
        said = found(name, value, f"a pane message with {name}={told(value)}")
        raise WireError(f"it must be {rule}", argument=said)
