"""The nearest known name to a misspelt one."""

import difflib
from collections.abc import Iterable, Sequence
from typing import Final

__all__ = ["listed", "or_nearest"]

_MOST_NAMES: Final = 12


def or_nearest(name: str, known: Iterable[str]) -> str:
    """Suggest the nearest of the names that are known, or list them.

    Parameters
    ----------
    name
        What was asked for.
    known
        The names there are.

    Returns
    -------
    str
        ``"did you mean sqft?"``, or ``"there are age, sqft"`` where none is near; at most 12 are listed.
    """
    names = [str(each) for each in known]
    lowered = {each.lower(): each for each in reversed(names)}
    if near := difflib.get_close_matches(name.lower(), lowered, 1):
        return f"did you mean {lowered[near[0]]}?"
    if not names:
        return "there are none"
    return f"there are {listed(names)}"


def listed(names: Sequence[str]) -> str:
    """Name the first 12, and say how many more there are."""
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more
