"""A column of times to seconds since 1970, UTC where no zone is given."""

import math
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tidegauge.data.columns import Column
from tidegauge.errors import SchemaError
from tidegauge.profile.features import category_text
from tidegauge.protocol.names import PANE_SECONDS

__all__ = ["TimeOrder", "epoch_seconds", "require_clear_times"]

_LAST_SECOND: Final = 253_402_300_799  # of the year 9999
_SAMPLED: Final = 64  # every so many-th time of a part is kept to cut slices by
_DATE_LETTERS: Final = 10  # of 2026-01-31
_NUMBER: Final = re.compile(r"-?\d+(\.\d*)?", re.ASCII)
_UTC: Final = re.compile(r"\s*(UTC|GMT|Z)$", re.IGNORECASE)
_OFFSET: Final = re.compile(r"\s+([+-]\d{2}(:?\d{2})?)$", re.ASCII)
_DATES: Final = {  # dates written as one number, with an example of each
    "%Y%m%d": "20240131",
    "%Y%m": "202401",
    "%Y%j": "2024031",
    "%Y%m%d%H": "2024013112",
    "%Y%m%d%H%M": "202401311259",
    "%y%m%d%H%M": "2401311259",
}
_LEAST_VALUES: Final = {"%Y%m%d%H": 3, "%y%m%d%H%M": 3}  # of so many digits: one or two may be seconds too
_FORMS: Final = "seconds since 1970, datetimes or ISO texts such as 2026-01-31T12:00:00Z"


def epoch_seconds(column: Column, name: str | None = None) -> npt.NDArray[np.float64]:
    """Return times as seconds since the epoch.

    Parameters
    ----------
    column
        Numbers, which are seconds since 1970, datetimes, or texts as ISO 8601 has them.
    name
        The column's name, for messages; None where it is not a column.

    Raises
    ------
    SchemaError
        A time is missing, cannot be read, or is after the year 9999.
    """
    values = column.values
    if values.dtype.kind == "M":
        missing = np.isnat(values)
        seconds = values.astype("datetime64[us]").astype(np.int64) / 1e6
    elif values.dtype.kind in "iuf":
        seconds = values.astype(np.float64)
        missing = ~np.isfinite(seconds)
    else:
        known: dict[Any, float] = {}
        of_values = [known[v] if v in known else known.setdefault(v, _epoch(v)) for v in values.tolist()]
        seconds = np.array(of_values, dtype=np.float64)
        missing = np.isnan(seconds)
        _require_one_kind_of_zone(known, name)
    _require_seconds(values, seconds, missing, name)
    return np.asarray(seconds, dtype=np.float64)


def _require_seconds(
    values: npt.NDArray[Any],
    seconds: npt.NDArray[np.float64],
    missing: npt.NDArray[np.bool_],
    name: str | None,
) -> None:
    if (beyond := ~missing & (np.abs(seconds) > _LAST_SECOND)).any():
        rule = f"{_row(values, beyond)}, after the year 9999: numbers are seconds since 1970"
        step = "divide milliseconds by 1,000, or read dates with pandas.to_datetime(column.astype(str))"
        raise _wrong(name, rule, step)
    if missing.any():
        raise _wrong(name, f"{_row(values, missing)}: each row needs one, as {_FORMS}")


def _require_one_kind_of_zone(known: Mapping[Any, float], name: str | None) -> None:
    """Raise `SchemaError` where some times have a zone and others none: those may be local ones."""
    zoned: dict[bool, Any] = {}
    for value, seconds in known.items():
        if not math.isnan(seconds) and (has := _has_zone(value)) is not None:
            zoned.setdefault(has, value)
    if len(zoned) > 1:
        with_zone, without = (category_text(zoned[has]) for has in (True, False))
        rule = f"{with_zone!r} has a time zone and {without!r} has none"
        raise _wrong(name, rule, "give all of them one, such as +00:00")


def _has_zone(value: Any) -> bool | None:
    """Whether a date with a time of day has a zone; None for numbers and dates alone."""
    if isinstance(value, str) and not _NUMBER.fullmatch(value) and len(value.strip()) > _DATE_LETTERS:
        value = _datetime(value)
    return value.tzinfo is not None if isinstance(value, datetime) else None


def _row(values: npt.NDArray[Any], which: npt.NDArray[np.bool_]) -> str:
    """The first of these rows in words."""
    row = int(np.argmax(which))
    value = values[row]
    text = None if values.dtype.kind == "M" and np.isnat(value) else category_text(value)
    return f"row {row} has " + ("no time" if text is None else f"the time {text!r}")


def _wrong(name: str | None, rule: str, step: str = "") -> SchemaError:
    """The error of a column of times, or of times given as an array."""
    if name is None:
        return SchemaError(rule, step=step, where="the times given")
    return SchemaError(rule, argument="time", value=name, step=step)


def _epoch(value: Any) -> float:
    try:
        if isinstance(value, str):
            value = float(value) if _NUMBER.fullmatch(value) else _datetime(value)
        if isinstance(value, date) and not isinstance(value, datetime):
            value = datetime(value.year, value.month, value.day)
        if isinstance(value, datetime):
            return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
        if isinstance(value, np.datetime64):
            return float(value.astype("datetime64[us]").astype(np.int64)) / 1e6
        return math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        return math.nan


def _datetime(text: str) -> datetime:
    """A text of ISO 8601, also with ``UTC`` or a space before its zone."""
    return datetime.fromisoformat(_OFFSET.sub(r"\1", _UTC.sub("+00:00", text.strip())))


# --- numbers that are no seconds ---------------------------------------------------------------------------


def require_clear_times(column: Column, seconds: npt.NDArray[np.float64], name: str | None) -> None:
    """Raise `SchemaError` for numbers that look like dates, years or days rather than seconds.

    Parameters
    ----------
    column, seconds
        The first rows' times, as they are and as `epoch_seconds` reads them.
    name
        The column's name, for messages.
    """
    if not seconds.size or not _is_of_numbers(column):
        return
    found = _what_they_look_like(seconds)
    if found is None:
        return
    what, fix = found
    low, high = float(seconds.min()), float(seconds.max())
    raise _wrong(
        name,
        f"numbers from {low:.15g} to {high:.15g} look like {what}, and numbers are seconds since 1970",
        f"write {fix}, or pandas.to_datetime(column, unit='s') if they are seconds",
    )


def _what_they_look_like(seconds: npt.NDArray[np.float64]) -> tuple[str, str] | None:
    """What numbers look like that are no seconds, and the line of pandas that reads them."""
    low, high = float(seconds.min()), float(seconds.max())
    if (seconds == np.rint(seconds)).all():
        values = [str(int(value)) for value in np.unique(seconds)[:1000].tolist()]
        for form, example in _DATES.items():
            if len(values) >= _LEAST_VALUES.get(form, 1) and all(_is_date(v, form, example) for v in values):
                return f"dates such as {example}", f"pandas.to_datetime(column.astype(str), format={form!r})"
        if low >= 1900 and high <= 2100:
            return "years", "pandas.to_datetime(column.astype(str), format='%Y')"
    if low >= 20_000 and high <= 73_050:
        return "days as Excel counts them", "pandas.to_datetime(column, unit='D', origin='1899-12-30')"
    if low >= 2_415_020 and high <= 2_488_070:
        return "Julian days", "pandas.to_datetime(column, unit='D', origin='julian')"
    return None


def _is_of_numbers(column: Column) -> bool:
    if column.values.dtype.kind != "O":
        return column.values.dtype.kind in "iuf"
    return all(not isinstance(v, str | date | np.datetime64) or _is_number(v) for v in column.values.tolist())


def _is_number(value: Any) -> bool:
    return isinstance(value, str) and _NUMBER.fullmatch(value) is not None


def _is_date(digits: str, form: str, example: str) -> bool:
    """Whether digits are a date of the form, as long as its example, from 1900 to 2100."""
    if len(digits) != len(example):
        return False
    try:
        return 1900 <= datetime.strptime(digits, form).year <= 2100
    except ValueError:
        return False


# --- rows out of order -------------------------------------------------------------------------------------


class TimeOrder:
    """Whether parts come in order of time, and slices of time to take them in where they do not."""

    def __init__(self) -> None:
        self._newest, self._ordered, self._rows = -math.inf, True, 0
        self._sample: list[npt.NDArray[np.float64]] = []

    def add(self, seconds: npt.NDArray[np.float64]) -> None:
        """Add a part's times, which may be in any order within it."""
        if not seconds.size:
            return
        self._ordered &= bool(seconds.min() >= self._newest)
        self._newest = max(self._newest, float(seconds.max()))
        self._rows += seconds.size
        self._sample.append(np.sort(seconds)[::_SAMPLED])

    def slices(self, rows: int) -> list[tuple[float, float]] | None:
        """Return slices of about so many rows, each from a time up to before another.

        None where all is in order.
        """
        if self._ordered:
            return None
        shares = np.linspace(0, 1, -(-self._rows // max(rows, 1)) + 1)[1:-1]
        cuts = np.quantile(np.concatenate(self._sample), shares) // PANE_SECONDS * PANE_SECONDS
        return list(pairwise([-math.inf, *np.unique(cuts).tolist(), math.inf]))
