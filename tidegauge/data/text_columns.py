"""The probable content of a column of texts: times, or numbers as people write them."""

import re
import warnings
from collections.abc import Collection
from typing import Final

from tidegauge.errors import SchemaError

__all__ = ["require_no_times", "warn_of_written_numbers"]

_TIME: Final = re.compile(
    r"(\d{4}-\d{1,2}-\d{1,2}|\d{4}/\d{1,2}/\d{1,2}|\d{1,2}[/.]\d{1,2}[/.]\d{4})([ T]+\d{1,2}:\d{2}.*)?",
    re.ASCII,
)
_PLAIN: Final = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)
_WRITTEN: Final = {
    "with a comma": re.compile(r"\s*[+-]?\d[\d.' ]*(,\d+)+(\.\d+)?\s*", re.ASCII),
    "with a percent sign": re.compile(r"\s*[+-]?\d[\d.,]*\s?%\s*", re.ASCII),
    "with the sign of a currency": re.compile(
        r"\s*-?([$€£¥]\s?-?\d[\d.,' ]*|\d[\d.,' ]*\s?[$€£¥])\s*", re.ASCII
    ),
    "in hexadecimal": re.compile(r"\s*0[xX][0-9a-fA-F]+\s*", re.ASCII),
}
_MOST: Final = 0.9  # of the different texts, so that a few marks of missing values do not hide the rest


def require_no_times(name: str, texts: Collection[str]) -> None:
    """Raise `SchemaError` where every text is a date or a time of one."""
    if texts and all(_TIME.fullmatch(text) for text in texts):
        raise SchemaError(
            f"column {name!r} holds times as texts: exclude it (exclude=[{name!r}]), use it as "
            f"time={name!r}, or pass categorical=[{name!r}] if they are names"
        )


def warn_of_written_numbers(name: str, texts: Collection[str]) -> bool:
    """Warn where most texts are numbers that no number type reads, such as ``1,5`` or ``$12``."""
    plain = sum(bool(_PLAIN.fullmatch(text)) for text in texts)
    for how, pattern in _WRITTEN.items():
        written = [text for text in texts if pattern.fullmatch(text)]
        if written and len(written) + plain >= _MOST * len(texts):
            warnings.warn(
                f"column {name!r} looks like numbers {how} ({min(written)!r}) and is taken as categorical: "
                f"write them as in 1234.5, or pass categorical=[{name!r}] if texts are meant",
                stacklevel=2,
            )
            return True
    return False
