"""Values in the words of a message, never as Python writes them. Standard library only."""

from collections.abc import Mapping, Set
from numbers import Number
from typing import Final

__all__ = ["told"]

_MOST_LETTERS: Final = 100


def told(value: object) -> str:
    """A value that broke a rule, as a message names it.

    Parameters
    ----------
    value
        What was given, of any type.

    Returns
    -------
    str
        Numbers as they are, texts in quotes and at most 100 letters of them, ``true`` and ``false``,
        ``nothing`` for None; of anything else what it is, such as ``a list of 3``.
    """
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return repr(value) if len(value) <= _MOST_LETTERS else f"{value[:_MOST_LETTERS]!r}..."
    if isinstance(value, Number):
        return str(value)
    return _called(value)


def _called(value: object) -> str:
    if isinstance(value, bytes | bytearray | memoryview):
        return f"{len(value)} bytes"
    if isinstance(value, Mapping):
        return f"a mapping of {len(value)}" if value else "an empty mapping"
    if isinstance(value, list | tuple | Set):
        return f"a list of {len(value)}" if value else "an empty list"
    return f"of type {type(value).__name__}"
