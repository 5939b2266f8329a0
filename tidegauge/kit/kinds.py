"""Kinds of settings: each reads a text, or raises `ValueError` with the rule that the text breaks."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from tidegauge.protocol.duration import RULE, seconds_of

__all__ = [
    "above_0",
    "any_number",
    "choice",
    "names",
    "number",
    "path",
    "port",
    "seconds",
    "text",
    "truth",
    "whole",
    "whole_seconds",
]

T = TypeVar("T", int, float)

_WHOLE: Final = re.compile(r"-?[0-9]{1,18}")
_NUMBER: Final = re.compile(r"-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]{1,3})?")
_TRUTHS: Final = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def text(given: str) -> str:
    """Return the text itself."""
    return given


def path(given: str) -> Path | None:
    """Return a path, or None for an empty text."""
    return Path(given) if given else None


def names(given: str) -> tuple[str, ...]:
    """Return the names in a text with commas, without spaces around them."""
    return tuple(name.strip() for name in given.split(",") if name.strip())


def whole(least: int | None = None, most: int | None = None) -> Callable[[str], int]:
    """Make a kind: whole numbers, between bounds if there are any, in ASCII digits alone."""
    bounds = f" from {least} to {most}" if most is not None else f" of at least {least}"
    rule = f"it must be a whole number{bounds if least is not None else ''}"

    def read(given: str) -> int:
        value = int(given) if _WHOLE.fullmatch(given.strip()) else None
        too_small = value is not None and least is not None and value < least
        if value is None or too_small or (most is not None and value > most):
            raise ValueError(rule)
        return value

    return read


def number(rule: str, allows: Callable[[float], bool]) -> Callable[[str], float]:
    """Make a kind: finite decimal numbers that keep a rule.

    Parameters
    ----------
    rule
        The rule in words, to follow "it must be".
    allows
        Whether a number keeps it.
    """

    def read(given: str) -> float:
        value = float(given) if _NUMBER.fullmatch(given.strip()) else None
        if value is None or abs(value) == float("inf") or not allows(value):
            raise ValueError(f"it must be {rule}")
        return value

    return read


def seconds(rule: str, allows: Callable[[float], bool]) -> Callable[[str], float]:
    """Make a kind: seconds as a decimal number or as a duration such as ``1m``, that keep a rule.

    Parameters
    ----------
    rule, allows
        As of `number`, of the seconds.
    """
    return _or_duration(number(rule, allows))


def whole_seconds(least: int, most: int | None = None) -> Callable[[str], int]:
    """Make a kind: seconds between bounds, as a whole number or as a duration such as ``30d``."""
    return _or_duration(whole(least, most))


def _or_duration(read_number: Callable[[str], T]) -> Callable[[str], T]:
    def read(given: str) -> T:
        found = seconds_of(given.strip())
        try:
            return read_number(given if found is None else str(found))
        except ValueError as error:
            raise ValueError(f"{error}, in seconds, or a duration: {RULE}") from None

    return read


def choice(*words: str) -> Callable[[str], str]:
    """Make a kind: one of some words, in capital or small letters."""
    rule = f"it must be {', '.join(words[:-1])} or {words[-1]}"

    def read(given: str) -> str:
        if (word := given.strip().lower()) not in words:
            raise ValueError(rule)
        return word

    return read


def truth(given: str) -> bool:
    """Return whether a text means yes."""
    try:
        return _TRUTHS[given.strip().lower()]
    except KeyError:
        raise ValueError("it must be true or false") from None


port: Final = whole(0, 65_535)
"""Kind of a TCP port, where 0 takes a free one."""

any_number: Final = number("a number", lambda _: True)
above_0: Final = number("a number above 0", lambda value: value > 0)
