"""The library's messages in the words of the command line."""

import re
from typing import Final

__all__ = ["in_options"]

_LIST: Final = re.compile(r"\bexclude=\[(['\"])(.*?)\1\]")
_ARGUMENT: Final = re.compile(r"\b(pane|prediction|rows_per_pane|time)=(?:(['\"])(.*?)\2)?")


def in_options(message: str) -> str:
    """A message that names arguments of Python, such as ``exclude=['id']``, with options in their place."""
    return _ARGUMENT.sub(_option, _LIST.sub(r"--exclude \2", message))


def _option(found: re.Match[str]) -> str:
    name, _, value = found.groups()
    option = f"--{name.replace('_', '-')}"
    return option if value is None else f"{option} {value}"
