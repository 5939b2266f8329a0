"""Values and arguments in the words of a message. Standard library only."""

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from numbers import Number
from typing import Final

__all__ = ["NOT_GIVEN", "Argument", "Words", "found", "joined", "told"]

_MOST_LETTERS: Final = 100


def told(value: object) -> str:
    """Return a value that broke a rule, as a message names it.

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


class _NotGiven:
    """The value of an argument that a message names without a value."""

    def __repr__(self) -> str:
        return "not given"

    def __reduce__(self) -> str:
        return "NOT_GIVEN"  # one object, also of an error that was pickled


NOT_GIVEN: Final = _NotGiven()


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument that a message names; as text it is what one writes in Python.

    Parameters
    ----------
    name
        As in the call: ``exclude``.
    value
        What to write there, or what was given; `NOT_GIVEN` for the name alone.
    keys
        The part of a mapping that is meant: ``("warning",)`` of ``min_effect``.
    wrong
        Whether the value broke a rule: then it is described in words, as it may be of any type.
    words
        How a message writes it instead, where it is no argument of a call: ``features[0].name holds 3``.

    Examples
    --------
    >>> print(Argument("exclude", ["id"]), Argument("time"), Argument("min_effect", 2, ("warning",)))
    exclude=['id'] time= min_effect['warning']=2
    """

    name: str
    value: object = NOT_GIVEN
    keys: tuple[str, ...] = ()
    wrong: bool = False
    words: str = ""

    def __str__(self) -> str:
        if self.words:
            return self.words
        name = self.name + "".join(f"[{key!r}]" for key in self.keys)
        if self.value is NOT_GIVEN:
            return f"{name}="
        return f"{name}={told(self.value) if self.wrong else repr(self.value)}"


Words = str | tuple[str | Argument, ...]


def found(name: str, value: object, words: str, *keys: str) -> Argument:
    """Return what broke a rule where it is no argument of a call: a field, a column or a part of a file.

    Parameters
    ----------
    name, value, keys
        As of an `Argument`.
    words
        How a message writes it.
    """
    return Argument(name, value, keys, wrong=True, words=words)


def joined(words: Words, name: Callable[[Argument], str]) -> str:
    """Put the parts of a sentence together, with each argument as `name` writes it."""
    if isinstance(words, str):
        return words
    return "".join(word if isinstance(word, str) else name(word) for word in words)
