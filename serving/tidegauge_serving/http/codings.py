"""Content codings of request bodies: which one a request names, and its body without it."""

import zlib
from typing import Final

from tidegauge_serving.rows.refusal import Refusal

__all__ = ["TAKEN_CODINGS", "coding_of", "inflate"]

TAKEN_CODINGS: Final = ("gzip", "deflate")
MOST_MEMBERS: Final = 64
"""A gzip body may be several files in a row. Each costs a copy of what follows it, so there is a limit."""
_GZIP_WINDOW: Final = 16 + zlib.MAX_WBITS
_NAMES: Final = {"gzip": "gzip", "x-gzip": "gzip", "deflate": "deflate", "": "", "identity": ""}


def coding_of(headers: list[tuple[bytes, bytes]]) -> str:
    """Return the coding of a request's body: one of `TAKEN_CODINGS`, or empty for a body as it is.

    Parameters
    ----------
    headers
        Names in small letters, and values.

    Raises
    ------
    Refusal
        It is another coding, or several.
    """
    named = b",".join([value for name, value in headers if name == b"content-encoding"])
    if not named:
        return ""
    every = [each.strip() for each in named.decode("latin-1").lower().split(",")]
    codings = [_NAMES.get(each, each) for each in every]
    codings = [each for each in codings if each]
    if any(each not in TAKEN_CODINGS for each in codings) or len(codings) > 1:
        shown = named.decode("latin-1")[:100]
        raise Refusal(
            "unsupported_encoding",
            f"content-encoding is {shown!r}: it must be gzip or deflate, or left out for a body as it is",
        )
    return codings[0] if codings else ""


def inflate(body: bytes, coding: str, max_bytes: int) -> bytes:
    """Return a body without its coding.

    Parameters
    ----------
    body
        As it came.
    coding
        One of `TAKEN_CODINGS`.
    max_bytes
        Most bytes of the result; inflating stops there.

    Raises
    ------
    Refusal
        The result is longer (``body_too_large``), or the body is not what its coding says.
    """
    parts: list[bytes] = []
    size, rest = 0, body
    for _ in range(MOST_MEMBERS):
        part, rest = _inflate_member(rest, coding, max_bytes - size)
        size += len(part)
        if size > max_bytes:
            raise Refusal("body_too_large", f"a body above {max_bytes} bytes, inflated: no more are taken")
        parts.append(part)
        if not rest:
            return b"".join(parts)
        if coding != "gzip":
            raise _wrong(coding, f"{len(rest)} bytes follow its end")
    raise _wrong(coding, f"it has more than {MOST_MEMBERS} members")


def _inflate_member(data: bytes, coding: str, room: int) -> tuple[bytes, bytes]:
    """One member, cut after ``room + 1`` bytes, and what follows it."""
    engine = zlib.decompressobj(_GZIP_WINDOW if coding == "gzip" else _deflate_window(data))
    try:
        part = engine.decompress(data, room + 1)
    except zlib.error:
        raise _wrong(coding, "these bytes are none, or were changed on the way") from None
    if not engine.eof and len(part) <= room:
        raise _wrong(coding, "it ends too early")
    return part, engine.unused_data


def _deflate_window(data: bytes) -> int:
    """HTTP's deflate has zlib's two bytes in front; some clients leave them out."""
    wrapped = len(data) > 1 and data[0] & 15 == zlib.DEFLATED and int.from_bytes(data[:2]) % 31 == 0
    return zlib.MAX_WBITS if wrapped else -zlib.MAX_WBITS


def _wrong(coding: str, why: str) -> Refusal:
    return Refusal("bad_encoding", f"the body is not what content-encoding {coding!r} says: {why}")
