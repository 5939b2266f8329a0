"""Is this message a pane that may be counted? Checks in order of cost; each refusal has one reason."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tidegauge.counting.counts import Counts
from tidegauge.errors import ProfileMismatch, WireError
from tidegauge.kit.refusal import Refusal
from tidegauge.profile.profile import Profile
from tidegauge.protocol.pane import MAX_PANE_BYTES, PANE_SCHEMA, Pane

__all__ = [
    "FUTURE_SECONDS",
    "PaneName",
    "Shard",
    "check_model",
    "check_size",
    "check_time",
    "decode_counts",
    "digest_of",
    "known",
    "parse_pane",
]

FUTURE_SECONDS: Final = 60.0
MAX_PANE_ROWS: Final = 1 << 40  # a sum over all panes of any retention then stays far below 2 ** 63
MAX_TOTAL_ROWS: Final = 1 << 53
_NAME: Final = re.compile(PANE_SCHEMA["properties"]["model"]["pattern"])


@dataclass(frozen=True, slots=True)
class PaneName:
    """The names in the path of a pane."""

    model: str
    profile: str
    pane: str
    instance: str


@dataclass(frozen=True, slots=True)
class Shard:
    """Which share of the features this replica holds."""

    index: int = 0
    of: int = 1


def check_model(model: str) -> None:
    """Raise a `Refusal` for a name that no model can have."""
    if not _NAME.fullmatch(model):
        raise Refusal(422, "bad_name", f"model {model!r}: it must be a lower-case DNS name")


def check_size(size: int, limit: int = MAX_PANE_BYTES) -> None:
    """Raise a `Refusal` for a body that is longer than anything this route takes."""
    if size > limit:
        raise Refusal(413, "too_large", f"a body of {size} bytes: at most {limit} are taken")


def parse_pane(name: PaneName, body: bytes, shard: Shard) -> Pane:
    """Return the message's pane, without its counts decoded.

    Raises
    ------
    Refusal
        422 not a pane, or another one than the path names; 421 another shard's.
    """
    check_size(len(body))
    try:
        pane = Pane.from_bytes(body)
    except WireError as error:
        raise Refusal(422, "not_a_pane", str(error)) from error
    said = (pane.model, pane.profile, str(pane.pane), pane.instance)
    if said != (name.model, name.profile, name.pane, name.instance):
        raise Refusal(422, "not_this_pane", f"the path names {name}, the message is of {said}")
    if (pane.shard, pane.shards) != (shard.index, shard.of):
        raise Refusal(
            421,
            "other_shard",
            f"a pane of shard {pane.shard}/{pane.shards}: this replica takes {shard.index}/{shard.of}",
        )
    _check_numbers(pane)
    return pane


def _check_numbers(pane: Pane) -> None:
    lost = sum(pane.lost.values())
    if max(pane.rows, lost) > MAX_PANE_ROWS or max(pane.rows_before, pane.lost_before) > MAX_TOTAL_ROWS:
        raise Refusal(
            422, "too_many_rows", f"more rows than one pane or instance can have: {pane.rows}, {lost} lost"
        )


def check_time(pane: Pane, now_seconds: float, retention_seconds: float) -> None:
    """Raise a `Refusal` for a pane of the future (425) or one older than what is kept (422)."""
    start = pane.pane * pane.pane_seconds
    if start > now_seconds + FUTURE_SECONDS:
        raise Refusal(
            425, "future", f"pane {pane.pane} starts {start - now_seconds:.0f} s from now: send it then"
        )
    age = now_seconds - start - pane.pane_seconds
    if age > retention_seconds:
        raise Refusal(
            422,
            "older_than_retention",
            f"pane {pane.pane} ended {age:.0f} s ago: counts are kept for {retention_seconds:.0f} s",
        )


def decode_counts(pane: Pane, profile: Profile) -> Counts:
    """Decode the message's counts, checked against the profile (of this shard's features)."""
    try:
        counts = Counts.from_bytes(pane.counts, profile)
    except ProfileMismatch as error:
        raise Refusal(422, "profile_mismatch", str(error)) from error
    except WireError as error:
        raise Refusal(422, "bad_counts", str(error)) from error
    if counts.rows != pane.rows:
        raise Refusal(422, "bad_counts", f"the message says {pane.rows} rows, its counts hold {counts.rows}")
    return counts


def digest_of(body: bytes) -> bytes:
    """Return the digest that identifies a message: 16 bytes."""
    return hashlib.blake2b(body, digest_size=16).digest()


def known(profiles: Mapping[tuple[str, str], Profile], model: str, profile: str) -> Profile:
    """Return a model's profile; raise a `Refusal` (404) when it was not sent here yet."""
    found = profiles.get((model, profile))
    if found is None:
        raise Refusal(
            404,
            "profile_unknown",
            f"profile {profile[:12]} of model {model!r} is not known here: PUT it, then send again",
        )
    return found
