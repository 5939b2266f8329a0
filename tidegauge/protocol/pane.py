"""The pane message: what a drift sidecar sends for one pane, and an aggregator takes once.

Layout: ``TIDEPAN1``, length of the JSON part (u32, little-endian), the JSON part, the counts
(`counting.codec`), and the crc32 of all before it (u32). A message is bytes that never change once made, so
that sending it again is sending the same fact.
"""

import json
import re
import struct
import zlib
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Final, Self

from tidegauge.errors import WireError
from tidegauge.telling import told

__all__ = ["MAX_PANE_BYTES", "Pane"]

MAGIC: Final = b"TIDEPAN1"
MAX_PANE_BYTES: Final = 32 << 20
_LENGTH: Final = struct.Struct("<I")
_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_HASH: Final = re.compile(r"[0-9a-f]{64}")
_REASON: Final = re.compile(r"[a-z_]{1,32}")


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
        _require(_NAME.fullmatch(self.model), "model", self.model, "a lower-case DNS name")
        _require(_NAME.fullmatch(self.instance), "instance", self.instance, "a lower-case DNS name")
        _require(_HASH.fullmatch(self.profile), "profile", self.profile, "64 hexadecimal digits")
        _require(0 <= self.pane < 1 << 53, "pane", self.pane, "an index from 0 on")
        _require(1 <= self.pane_seconds <= 86_400, "pane_seconds", self.pane_seconds, "1 to 86400")
        _require(0 <= self.shard < self.shards <= 1024, "shard", self.shard, f"below shards={self.shards}")
        _require(len(self.pod) <= 253 and self.pod.isprintable(), "pod", self.pod, "253 printable characters")
        _require(len(self.lost) <= 16, "lost", len(self.lost), "at most 16 reasons")
        _require(all(map(_REASON.fullmatch, self.lost)), "lost", [*self.lost], "reasons like 'full'")
        counts = (self.rows, self.rows_before, self.lost_before, *self.lost.values())
        _require(all(0 <= n < 1 << 63 for n in counts), "rows", counts, "counts from 0 on")

    def to_bytes(self) -> bytes:
        """The message's bytes."""
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


_IN_WORDS: Final = {str: "a text", int: "a whole number", dict: "an object", bool: "true or false"}
_TYPES: Final[dict[str, type]] = {
    **dict.fromkeys(("model", "profile", "instance", "pod"), str),
    **dict.fromkeys(("pane", "pane_seconds", "rows", "shard", "shards", "rows_before", "lost_before"), int),
    "lost": dict,
    "final": bool,
}


def _read_meta(text: bytes) -> dict[str, Any]:
    try:
        meta = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise WireError(f"a pane message whose JSON part cannot be read: {error}") from error
    if not isinstance(meta, dict) or set(meta) != {f.name for f in fields(Pane)} - {"counts"}:
        raise WireError(
            f"a pane message whose JSON part has not exactly the fields {', '.join(sorted(_TYPES))}"
        )
    for name, value in meta.items():
        _require(type(value) is _TYPES[name], name, value, _IN_WORDS[_TYPES[name]])
    _require(all(type(n) is int for n in meta["lost"].values()), "lost", meta["lost"], "whole numbers")
    return meta


def _require(holds: object, name: str, value: object, rule: str) -> None:
    if not holds:
        raise WireError(f"a pane message with {name}={told(value)}: it must be {rule}")
