"""Past rows cut into panes: frames and files, in order of time or not."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tidegauge.counting.counts import Accumulator, Counts
from tidegauge.data.columns import Column
from tidegauge.data.frames import RowReader, named_column, not_one_a_row, read_columns
from tidegauge.data.sources import Reading, chunks_of, is_path, reading_for
from tidegauge.data.times import epoch_seconds, require_clear_times
from tidegauge.errors import PolicyError, SchemaError, TidegaugeWarning
from tidegauge.monitor.policy import duration_seconds
from tidegauge.profile.profile import Profile
from tidegauge.telling import Argument, found

__all__ = ["Cut", "Slice", "slices_of"]

_UNPREDICTED = (
    "the profile holds the model's predictions and these rows have none, so drift of the prediction is not "
    "looked for"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """How past rows are read and cut into panes; the arguments of `replay` of the same names.

    Raises
    ------
    PolicyError
        Neither or both of `pane` and `rows_per_pane`, `pane` without `time`, or a number out of range.
    """

    time: Any = None
    pane: str | float | None = None
    rows_per_pane: int | None = None
    prediction: Any = None

    def __post_init__(self) -> None:
        if (self.pane is None) == (self.rows_per_pane is None):
            by_time = (Argument("time", "COLUMN"), " ", Argument("pane", "1h"))
            raise PolicyError(
                "say how long a pane is, in one way and not both",
                step=(*by_time, ", or ", Argument("rows_per_pane", 1000)),
            )
        if self.rows_per_pane is not None:
            self._check_rows(self.rows_per_pane)
        elif self.time is None:
            raise PolicyError(
                "it needs the rows' times",
                argument="pane",
                value=self.pane,
                step=("pass ", Argument("time"), " with their column"),
            )
        else:
            duration_seconds(self.pane or 0, "pane")

    @staticmethod
    def _check_rows(rows: object) -> None:
        whole = isinstance(rows, int | np.integer) and not isinstance(rows, bool)
        if not whole or rows < 1:  # type: ignore[operator]
            raise PolicyError("it must be a whole number from 1 on", argument="rows_per_pane", value=rows)

    @property
    def pane_seconds(self) -> float | None:
        """Seconds of a pane, None where panes are counted in rows."""
        return None if self.pane is None else duration_seconds(self.pane, "pane")


@dataclass(frozen=True, slots=True)
class Slice:
    """Rows of one pane, or a part of them; `seconds` is the last row's time."""

    pane: int
    counts: Counts
    seconds: float | None


def slices_of(profile: Profile, data: Any, cut: Cut) -> Iterator[Slice]:
    """Read the rows and count them by pane, in the order of panes."""
    seconds = cut.pane_seconds
    rows = _rows(profile, data, cut.time, cut.prediction, ordered=seconds is None)
    if seconds is None:
        return _by_number(profile, rows, cut.rows_per_pane or 1)
    ordered = not is_path(data) or _file_is_in_order(data, cut.time)
    return _by_time(profile, rows, seconds, ordered=ordered)


_Rows = tuple[list[npt.NDArray[Any]], npt.NDArray[np.float64] | None]


def _rows(
    profile: Profile, data: Any, time: str | None, prediction: Any, *, ordered: bool
) -> Iterator[_Rows]:
    """Chunks of the features' values and their times, in the order of rows or, where asked for, of time."""
    reader = RowReader(profile, prediction)
    if is_path(data):
        reading = reading_for(profile, prediction if isinstance(prediction, str) else None, time)
        chunks = (_values(reader, profile, chunk, time) for chunk in chunks_of(data, reading))
        yield from _in_order(data, time, chunks) if ordered and time is not None else chunks
    else:
        columns = read_columns(data, reader.names_of(data))
        yield _sorted(_values(reader, profile, columns, time))
    reader.warn()


def _values(reader: RowReader, profile: Profile, columns: dict[str, Column], time: str | None) -> _Rows:
    seconds = None if time is None else _seconds(columns, time, first=reader.rows == 0)
    values = reader.read(columns)
    if len(values) < len(profile.monitored):
        step = ("name their column with ", Argument("prediction"))
        warnings.warn(TidegaugeWarning(_UNPREDICTED, step=step), stacklevel=2)
    if seconds is not None and len(seconds) != len(values[0]):
        raise not_one_a_row("time", len(seconds), len(values[0]))
    return values, seconds


def _seconds(columns: dict[str, Column], time: str, *, first: bool) -> npt.NDArray[np.float64]:
    column, name = named_column(columns, time, "time"), time if isinstance(time, str) else None
    seconds = epoch_seconds(column, name)
    if first:
        require_clear_times(column, seconds, name)
    return seconds


def _sorted(rows: _Rows) -> _Rows:
    values, seconds = rows
    if seconds is None or (seconds[1:] >= seconds[:-1]).all():
        return rows
    order = np.argsort(seconds, kind="stable")
    return [column[order] for column in values], seconds[order]


def _in_order(path: str | Path, time: str | None, chunks: Iterator[_Rows]) -> Iterator[_Rows]:
    """Chunks as they come, as long as no time goes back."""
    newest = -np.inf
    for values, seconds in chunks:
        if seconds is not None and seconds.size:
            if seconds[0] < newest or (seconds[1:] < seconds[:-1]).any():
                raise SchemaError(
                    (
                        f"rows are not in order of {time!r}. With ",
                        Argument("rows_per_pane"),
                        " a file must be",
                    ),
                    step=("sort it, or use ", Argument("pane")),
                    where=str(path),
                )
            newest = seconds[-1]
        yield values, seconds


def _by_number(profile: Profile, chunks: Iterable[_Rows], rows_per_pane: int) -> Iterator[Slice]:
    done = 0
    for values, seconds in chunks:
        size = len(values[0])
        begin = 0
        while begin < size:
            pane = done // rows_per_pane
            end = min(size, begin + (pane + 1) * rows_per_pane - done)
            yield _slice(profile, pane, values, seconds, begin, end)
            done, begin = done + end - begin, end


def _by_time(
    profile: Profile, chunks: Iterable[_Rows], pane_seconds: float, *, ordered: bool
) -> Iterator[Slice]:
    """Slices in the order of their panes; rows that are not in order need memory for all panes' counts."""
    slices = (part for rows in chunks for part in _cut(profile, _sorted(rows), pane_seconds))
    if ordered:
        yield from slices
        return
    kept: dict[int, list[tuple[bytes, float | None]]] = {}
    for part in slices:
        kept.setdefault(part.pane, []).append((part.counts.to_bytes(), part.seconds))
    for pane in sorted(kept):
        for data, seconds in kept[pane]:
            yield Slice(pane, Counts.from_bytes(data, profile), seconds)


def _file_is_in_order(path: str | Path, time: str) -> bool:
    """Whether a file's panes can be replayed as they are read: a pass over its times alone."""
    newest = -np.inf
    for chunk in chunks_of(path, Reading({time: "time"})):
        seconds = epoch_seconds(named_column(chunk, time, "time"), time)
        if seconds.size:
            if seconds.min() < newest:
                return False
            newest = float(seconds.max())
    return True


def _cut(profile: Profile, rows: _Rows, pane_seconds: float) -> Iterator[Slice]:
    values, seconds = rows
    if seconds is None or not seconds.size:
        return
    panes = np.floor_divide(seconds, pane_seconds).astype(np.int64)
    if panes[0] < 0:
        said = found("time", float(seconds[0]), f"a row of time {seconds[0]:g}")
        raise SchemaError("times before 1970 cannot be replayed", argument=said)
    begins = np.concatenate(([0], np.flatnonzero(np.diff(panes)) + 1, [panes.size]))
    for begin, end in zip(begins[:-1].tolist(), begins[1:].tolist(), strict=True):
        yield _slice(profile, int(panes[begin]), values, seconds, begin, end)


def _slice(
    profile: Profile,
    pane: int,
    values: list[npt.NDArray[Any]],
    seconds: npt.NDArray[np.float64] | None,
    begin: int,
    end: int,
) -> Slice:
    accumulator = Accumulator(profile)
    accumulator.add_columns([column[begin:end] for column in values])
    return Slice(pane, accumulator.counts(), None if seconds is None else float(seconds[end - 1]))
