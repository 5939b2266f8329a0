"""The probable content of a column of texts: times, or numbers as people write them."""

import re
import warnings
from collections.abc import Collection
from typing import Final

from tidegauge.errors import SchemaError, TidegaugeWarning
from tidegauge.telling import Argument, found

__all__ = ["require_no_times", "warn_of_written_numbers"]

_MONTH: Final = r"(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*"
_TIME: Final = re.compile(
    r"(\d{4}-\d{1,2}(-\d{1,2})?|\d{4}/\d{1,2}/\d{1,2}|\d{1,2}[/.]\d{1,2}[/.]\d{4}|\d{1,2}/\d{1,2}/\d{2}"
    r"|\d{4}-W\d{2}(-\d)?|\d{4}-?Q[1-4]|\d{8}T\d{4,6}Z?"
    rf"|\d{{1,2}}[ /-]{_MONTH}[ /-]\d{{4}}|{_MONTH}\.? (\d{{1,2}}, ?)?\d{{4}})([ T:]+\d{{1,2}}:\d{{2}}.*)?",
    re.ASCII,
)
_PLAIN: Final = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)
_UNIT: Final = (
    "kg|g|mg|t|lb|lbs|oz|km|m|cm|mm|mi|ft|in|l|ml|h|hrs?|min|sec|s|ms|days?|kW|kWh|MW|MWh|W|V|Hz|kHz|MHz|GHz"
    "|kB|KB|MB|GB|TB|°C|°F|°|ppm|ppb|bar|kPa|Pa|km/h|mph|m/s|m²|m2|m³|m3"
)
_CURRENCY: Final = "EUR|USD|GBP|CHF|JPY|CNY|INR|CAD|AUD|SEK|NOK|DKK|PLN|BRL|MXN"
_WRITTEN: Final = {
    "with a comma": re.compile(r"\s*[+-]?\d[\d.' ]*(,\d+)+(\.\d+)?\s*", re.ASCII),
    "with a percent sign": re.compile(r"\s*[+-]?\d[\d.,]*\s?%\s*", re.ASCII),
    "with the sign of a currency": re.compile(
        rf"\s*-?(([$€£¥]|{_CURRENCY})\s?-?\d[\d.,' ]*|\d[\d.,' ]*\s?([$€£¥]|{_CURRENCY}))\s*", re.ASCII
    ),
    "in hexadecimal": re.compile(r"\s*0[xX][0-9a-fA-F]+\s*", re.ASCII),
    "with marks between the thousands": re.compile(
        "\\s*[+-]?\\d{1,3}([ '\u2019\u00a0\u202f]\\d{3})+([.,]\\d+)?\\s*", re.ASCII
    ),
    "with a unit": re.compile(rf"\s*[+-]?\d[\d.,]*\s?({_UNIT})\s*", re.ASCII),
    "with brackets or a sign behind": re.compile(r"\s*(\(\d[\d.,]*\)|\d[\d.,]*-)\s*", re.ASCII),
    "with the exponent of Fortran": re.compile(r"\s*[+-]?\d*\.\d*[dD][+-]?\d+\s*", re.ASCII),
    "with a letter for thousands or millions": re.compile(
        r"\s*[+-]?\d[\d.,]*\s?(k|K|M|B|bn|mn|[mM]io)\s*", re.ASCII
    ),
    "with underscores": re.compile(r"\s*[+-]?\d{1,3}(_\d{3})+(\.\d+)?\s*", re.ASCII),
    "in signs beyond ASCII": re.compile(r"(?=.*[^\x00-\x7f])\s*[+\-\u2212]?\d[\d.,\u066b\u066c]*\s*"),
}
_MOST: Final = 0.9  # of the different texts, so that a few marks of missing values do not hide the rest


def require_no_times(name: str, texts: Collection[str]) -> None:
    """Raise `SchemaError` where every text is a date or a time of one, warn where at least half are."""
    times = [text for text in texts if _TIME.fullmatch(text)]
    step = (
        *("exclude it (", Argument("exclude", [name]), "), use it as ", Argument("time", name)),
        *(", or pass ", Argument("categorical", [name]), " if they are names"),
    )
    if times and len(times) == len(texts):
        said = found("rows", min(times), f"column {name!r} holds times as texts", name)
        raise SchemaError("no feature may be a time", argument=said, step=step)
    if 2 * len(times) >= max(len(texts), 1):
        words = f"column {name!r} mixes times as texts ({min(times)!r}) with others"
        warning = TidegaugeWarning(
            "it is taken as categorical", argument=found("rows", min(times), words, name), step=step
        )
        warnings.warn(warning, stacklevel=2)


def warn_of_written_numbers(name: str, texts: Collection[str]) -> bool:
    """Warn where most texts are numbers that no number type reads, such as ``1,5`` or ``$12``."""
    plain = sum(bool(_PLAIN.fullmatch(text)) for text in texts)
    for how, pattern in _WRITTEN.items():
        written = [text for text in texts if pattern.fullmatch(text)]
        if written and len(written) + plain >= _MOST * len(texts):
            example = " ".join(min(written).split())
            said = found("rows", example, f"column {name!r} looks like numbers {how} ({example!r})", name)
            meant = Argument("categorical", [name])
            step = ("write them as in 1234.5, or pass ", meant, " if texts are meant")
            warning = TidegaugeWarning("it is taken as categorical", argument=said, step=step)
            warnings.warn(warning, stacklevel=2)
            return True
    return False
