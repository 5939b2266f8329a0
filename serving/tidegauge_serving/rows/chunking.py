"""Long JSON lists in parts: one C call on all of a long list would keep every other thread waiting for it."""

from collections.abc import Iterator
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

__all__ = ["LARGE_BYTES", "SHORT_LIST", "encode_list", "first_of", "list_parts"]

LARGE_BYTES: Final = 65_536
"""Longer bodies are read and answered in a thread: decoding takes about 1 ms from here on."""
SHORT_LIST: Final = 16_384
"""Values that take about 1 ms."""
_ENDS: Final = {b"[": b"],", b"{": b"},"}
_encode = msgspec.json.Encoder().encode


def list_parts(text: bytes | msgspec.Raw) -> Iterator[bytes]:
    """Yield a JSON list as shorter lists of its elements, in order.

    Cut at commas that look as if they stood between two elements. A comma inside a text may look so too: then
    the parts are no JSON, and the caller must decode the whole. Parts that are JSON are right.

    Parameters
    ----------
    text
        The list; that it is JSON has been checked.
    """
    whole = bytes(memoryview(text)).strip()
    if whole[:1] != b"[" or len(whole) <= LARGE_BYTES:
        yield whole
        return
    end = _ENDS.get(first_of(whole), b",")
    start, last = 1, len(whole) - 1
    while start < last:
        cut = whole.find(end, start + LARGE_BYTES, last)
        stop = last if cut < 0 else cut + len(end) - 1
        yield b"[%b]" % whole[start:stop]
        start = stop + 1


def first_of(text: bytes | msgspec.Raw) -> bytes:
    """Return the first character of a JSON list's first element."""
    return bytes(memoryview(text)[:64]).lstrip()[1:].lstrip()[:1]


def encode_list(array: npt.NDArray[Any]) -> msgspec.Raw:
    """Return a one-dimensional array as a JSON list."""
    parts = [array[at : at + SHORT_LIST] for at in range(0, len(array), SHORT_LIST)]
    return msgspec.Raw(b"[%b]" % b",".join([_encode(np.asarray(part).tolist())[1:-1] for part in parts]))
