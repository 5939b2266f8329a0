"""Where the records of a CSV file end (RFC 4180): a line end inside quotes belongs to a value.

A quote opens a value only at the value's begin, is doubled inside it, and is an ordinary character
elsewhere, as in Python's `csv` module.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from tidegauge.errors import ProfileError

__all__ = ["MAX_RECORD_BYTES", "Block", "first_record", "record_blocks", "with_blank_lines"]

MAX_RECORD_BYTES: Final = 1 << 28  # a longer record is a quote that was not closed
_LF, _CR, _COMMA, _QUOTE = b'\n\r,"'
_BEFORE_A_VALUE: Final = np.array([_LF, _CR, _COMMA], dtype=np.uint8)

Places = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Block:
    """Whole records.

    Parameters
    ----------
    data
        Their bytes, each record with its line end; the file's last one may have none.
    records
        How many they are, blank lines left out.
    """

    data: bytes
    records: int


def record_blocks(read: Callable[[int], bytes], size: int) -> Iterator[Block]:
    """Cut a stream of bytes into blocks of whole records.

    Parameters
    ----------
    read
        Gives at most so many bytes, none at the end.
    size
        Bytes of a block, about; a longer record is a block of its own.

    Raises
    ------
    ProfileError
        A quote is never closed, or a record is longer than `MAX_RECORD_BYTES`.
    """
    rest = b""
    while new := read(max(size, len(rest))):
        rest += new
        end, records = _complete(rest)
        if end:
            yield Block(rest[:end], records)
            rest = rest[end:]
        elif len(rest) > MAX_RECORD_BYTES:
            raise ProfileError(f"a record is longer than {MAX_RECORD_BYTES >> 20} MiB: close its quote")
    if rest:
        yield _last(rest)


def first_record(data: bytes) -> tuple[int, int]:
    """Return where the first record that is no blank line begins and ends, its line end included."""
    begin = len(data) - len(data.lstrip(b"\r\n"))
    ends = _record_ends(np.frombuffer(data, dtype=np.uint8))
    return begin, int(next(iter(ends[ends > begin]), len(data)))


def with_blank_lines(block: Block) -> Block:
    """Count blank lines as records: in a file of one column they are rows whose value is missing."""
    ends = _record_ends(np.frombuffer(block.data, dtype=np.uint8))
    whole = int(ends[-1]) if ends.size else 0
    return Block(block.data, int(ends.size) + (whole < len(block.data)))


def _last(data: bytes) -> Block:
    """What is left at the end: one record without a line end, or with a carriage return."""
    end, records = _complete(data + b"\n")
    if end <= len(data):
        raise ProfileError("the last record has a quote that is not closed: close it")
    return Block(data, records)


def _complete(data: bytes) -> tuple[int, int]:
    """Where the last complete record ends, and how many records end so far; `data` begins with a record."""
    if b'"' not in data and b"\r" not in data and b"\n\n" not in data and not data.startswith(b"\n"):
        return data.rfind(b"\n") + 1, data.count(b"\n")
    ends = _record_ends(np.frombuffer(data, dtype=np.uint8))
    if not ends.size:
        return 0, 0
    lengths = np.diff(ends, prepend=0)
    return int(ends[-1]), int(np.count_nonzero(lengths > _line_end_lengths(data, ends)))


def _line_end_lengths(data: bytes, ends: Places) -> Places:
    """2 where a record ends with CR LF, else 1."""
    array = np.frombuffer(data, dtype=np.uint8)
    pair: npt.NDArray[np.bool_] = (ends >= 2) & (array[ends - 1] == _LF) & (array[ends - 2] == _CR)
    return np.where(pair, 2, 1)


def _record_ends(array: npt.NDArray[np.uint8]) -> Places:
    """Places after the line ends outside quotes; a CR at the very end may be half of a line end."""
    line_ends = array == _LF
    if (array == _CR).any():
        line_ends[:-1] |= (array[:-1] == _CR) & (array[1:] != _LF)
    places = np.flatnonzero(line_ends)
    quotes = _quotes(array)
    inside = np.searchsorted(quotes, places) % 2 == 1
    ends: Places = places[~inside] + 1
    return ends


def _quotes(array: npt.NDArray[np.uint8]) -> Places:
    """Places of the quotes that open and close values, in turn."""
    quotes: Places = np.flatnonzero(array == _QUOTE)
    opening = quotes[::2]
    before = array[opening - 1]  # of one at place 0 the last byte, which does not matter
    if ((opening == 0) | (before == _QUOTE) | np.isin(before, _BEFORE_A_VALUE)).all():
        return quotes
    return np.array(list(_with_meaning(array.tobytes(), quotes.tolist())), dtype=np.int64)


def _with_meaning(data: bytes, quotes: list[int]) -> Iterator[int]:
    """The same where quotes also are ordinary characters, as in ``5" pipe``."""
    inside, doubled = False, -1
    for place in quotes:
        if place == doubled:
            continue
        if inside and data[place + 1 : place + 2] == b'"':
            doubled = place + 1
        elif inside or place == 0 or data[place - 1] in b",\n\r":
            inside = not inside
            yield place
