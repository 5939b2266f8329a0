"""One syntax of durations for YAML, options and Python: ``30d``, ``1h30m``, ``10s``."""

import re
from typing import Final

__all__ = ["PATTERN", "RULE", "seconds_of"]

# Days first, if any: the cluster's own durations have none, so its rules only ask whether there are days.
PATTERN: Final = r"^([1-9][0-9]{0,3}d([0-9]{1,6}(h|m|s))*|([0-9]{1,6}(h|m|s))+)$"
RULE: Final = "whole numbers with units out of d, h, m and s, days first, such as 30d, 1h30m or 10s"

_WHOLE: Final = re.compile(PATTERN.removesuffix("$") + r"\Z")
_PART: Final = re.compile(r"([0-9]+)([dhms])")
_UNIT_SECONDS: Final = {"d": 86_400, "h": 3600, "m": 60, "s": 1}


def seconds_of(duration: str) -> int | None:
    """Return the seconds of a duration; None where the text is none.

    Parameters
    ----------
    duration
        Such as ``30d``, ``720h``, ``1h30m`` or ``10s``.

    Examples
    --------
    >>> seconds_of("30d"), seconds_of("1h30m"), seconds_of("10s"), seconds_of("1.5h"), seconds_of("10")
    (2592000, 5400, 10, None, None)
    """
    if _WHOLE.match(duration) is None:
        return None
    return sum(int(number) * _UNIT_SECONDS[unit] for number, unit in _PART.findall(duration))
