"""Backtest: what would have alarmed on past rows, under the policy code that runs in production."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tidegauge.counting.counts import Accumulator, Counts
from tidegauge.data.columns import Column
from tidegauge.data.frames import RowReader, named_column, read_columns
from tidegauge.data.sources import Reading, chunks_of, is_path, reading_for
from tidegauge.data.times import epoch_seconds, require_clear_times
from tidegauge.errors import PolicyError, ProfileError, SchemaError, TidegaugeWarning
from tidegauge.monitor.monitor import Monitor
from tidegauge.monitor.policy import Policy, duration_seconds
from tidegauge.monitor.report_builder import outline
from tidegauge.profile.profile import Profile
from tidegauge.protocol.names import PANE_SECONDS, Severity, Verdict
from tidegauge.report.model import Report, published_share
from tidegauge.telling import Argument

__all__ = ["Transition", "replay", "replayed"]

_FOR_EVER = 1e12  # seconds: past rows are never stale
_LAST_SECOND = 253_402_300_799.0  # of the year 9999: what RFC 3339 can write
_UNPREDICTED = (
    "the profile holds the model's predictions and these rows have none, so drift of the prediction is not "
    "looked for"
)


@dataclass(frozen=True, slots=True)
class Transition:
    """A change of verdict or severity.

    Parameters
    ----------
    row
        Rows replayed when it was seen, in order of time.
    time
        End of the pane at which it was seen, RFC 3339, UTC; with `rows_per_pane` the time of its last row,
        or None.
    feature
        Name of the feature, None for the model.
    verdict, severity
        What is known from here on.
    statistic, lower, window_rows, cause
        Of the leading window then; for the model those of the feature with the largest lower bound. None
        without rows.
    """

    row: int
    time: str | None
    feature: str | None
    verdict: Verdict
    severity: Severity | None
    statistic: float | None
    lower: float | None
    window_rows: int
    cause: str | None

    def to_dict(self) -> dict[str, Any]:
        """The same fields as plain values."""
        values = asdict(self)
        return values | {"verdict": self.verdict.value, "severity": self.severity and self.severity.value}


@dataclass(frozen=True, slots=True)
class _Slice:
    """Rows of one pane, or a part of them; `seconds` is the last row's time."""

    pane: int
    counts: Counts
    seconds: float | None


def replay(
    profile: Profile,
    data: Any,
    policy: Policy | None = None,
    *,
    time: str | None = None,
    pane: str | float | None = None,
    rows_per_pane: int | None = None,
    prediction: Any = None,
    progress: Callable[[int], None] | None = None,
) -> list[Transition]:
    """Run the monitor over past rows.

    Parameters
    ----------
    profile
        The reference.
    data
        A frame, ``(n, features)`` array or list of dicts, or the path of a CSV or Parquet file, read in
        chunks. Rows that are not in order of `time` are put in order.
    policy
        As in production; the default policy if None.
    time
        Column of the rows' times, or for data in memory an array of them.
    pane
        Length of a pane, ``"10s"``, ``"1h"``: rows go to panes by their time.
    rows_per_pane
        Instead of `pane`: so many rows each, in order. For the budget such a pane counts as one of 10 s.
    prediction
        Column of the model's predictions; without it the column `prediction` is taken if there is one.
    progress
        Called with the number of rows done, now and then.

    Warns
    -----
    UserWarning
        The profile holds the model's predictions, and the rows have none; or what `Profile.count` warns of.

    Returns
    -------
    list of Transition
        In order; at one pane the model's first.

    Raises
    ------
    ProfileError
        `profile` is something else.
    PolicyError
        `policy` is something else, neither or both of `pane` and `rows_per_pane`, `pane` without `time`, or
        a number that is not possible.
    SchemaError
        A column is not there, a value is not of its feature's type, or a time cannot be read.
    """
    return list(
        replayed(
            *(profile, data, policy),
            time=time,
            pane=pane,
            rows_per_pane=rows_per_pane,
            prediction=prediction,
            progress=None if progress is None else lambda rows, _seconds: progress(rows),
        )
    )


def replayed(
    profile: Profile,
    data: Any,
    policy: Policy | None = None,
    *,
    time: str | None = None,
    pane: str | float | None = None,
    rows_per_pane: int | None = None,
    prediction: Any = None,
    progress: Callable[[int, float | None], None] | None = None,
) -> Iterator[Transition]:
    """Give the transitions of `replay` as they are found; `progress` hears the newest row's time as well."""
    _check_kinds(profile, policy)
    seconds = _check(time, pane, rows_per_pane)
    policy = replace(policy or Policy(), stale=_FOR_EVER)
    monitor = Monitor(profile, policy, pane_seconds=seconds or PANE_SECONDS, timed=seconds is not None)
    rows = _rows(profile, data, time, prediction, ordered=seconds is None)
    if seconds is None or time is None:
        slices = _by_number(profile, rows, rows_per_pane or 1)
    else:
        ordered = not is_path(data) or _file_is_in_order(data, time)
        slices = _by_time(profile, rows, seconds, ordered=ordered)
    yield from _transitions(monitor, slices, progress)


def _check_kinds(profile: object, policy: object) -> None:
    if not isinstance(profile, Profile):
        raise ProfileError(
            f"profile is of type {type(profile).__name__}: it must be a Profile, and come before the data; "
            "Profile.load reads one from a file"
        )
    if not isinstance(policy, Policy | None):
        raise PolicyError(
            f"policy is of type {type(policy).__name__}: it must be a Policy, or None for the default one"
        )


def _check(time: str | None, pane: str | float | None, rows_per_pane: int | None) -> float | None:
    """Seconds of a pane, None where panes are counted in rows."""
    if (pane is None) == (rows_per_pane is None):
        by_time = (Argument("time", "COLUMN"), " ", Argument("pane", "1h"))
        raise PolicyError(
            "say how long a pane is, in one way and not both",
            step=(*by_time, ", or ", Argument("rows_per_pane", 1000)),
        )
    if rows_per_pane is not None:
        whole = isinstance(rows_per_pane, int | np.integer) and not isinstance(rows_per_pane, bool)
        if not whole or rows_per_pane < 1:
            rule = "it must be a whole number from 1 on"
            raise PolicyError(rule, argument="rows_per_pane", value=rows_per_pane)
        return None
    if time is None:
        raise PolicyError(
            "it needs the rows' times",
            argument="pane",
            value=pane,
            step=("pass ", Argument("time"), " with their column"),
        )
    return duration_seconds(pane or 0, "pane")


# --- rows to panes -----------------------------------------------------------------------------------------

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
        raise SchemaError(f"time has {len(seconds)} values for {len(values[0])} rows: one a row is needed")
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


def _by_number(profile: Profile, chunks: Iterable[_Rows], rows_per_pane: int) -> Iterator[_Slice]:
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
) -> Iterator[_Slice]:
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
            yield _Slice(pane, Counts.from_bytes(data, profile), seconds)


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


def _cut(profile: Profile, rows: _Rows, pane_seconds: float) -> Iterator[_Slice]:
    values, seconds = rows
    if seconds is None or not seconds.size:
        return
    panes = np.floor_divide(seconds, pane_seconds).astype(np.int64)
    if panes[0] < 0:
        raise SchemaError(f"a row of time {seconds[0]:g}: times before 1970 cannot be replayed")
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
) -> _Slice:
    accumulator = Accumulator(profile)
    accumulator.add_columns([column[begin:end] for column in values])
    return _Slice(pane, accumulator.counts(), None if seconds is None else float(seconds[end - 1]))


# --- panes to transitions ----------------------------------------------------------------------------------


def _transitions(
    monitor: Monitor, slices: Iterable[_Slice], progress: Callable[[int, float | None], None] | None
) -> Iterator[Transition]:
    watch = _Watch(monitor)
    open_pane: int | None = None
    row, seconds = 0, None
    for part in slices:
        if open_pane is not None and part.pane > open_pane:
            yield from watch.changes(open_pane, row, seconds)
            for empty in range(open_pane + 1, min(part.pane, open_pane + monitor.windows.reach_panes)):
                yield from watch.changes(empty, row, seconds)
        monitor.add(part.pane, part.counts)
        open_pane, row, seconds = part.pane, row + part.counts.rows, part.seconds
        if progress is not None:
            progress(row, seconds)
    if open_pane is not None:
        yield from watch.changes(open_pane, row, seconds)


class _Watch:
    """Remembers the last verdicts and tells what changed."""

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor
        self._seen: dict[str | None, tuple[Verdict, Severity | None]] = {}

    def changes(self, pane: int, row: int, seconds: float | None) -> Iterator[Transition]:
        """Do the looks of a pane and give the transitions, the model's first."""
        monitor = self._monitor
        monitor.advance(pane)
        features = outline(monitor, pane)
        verdict, severity, _ = Report.judge(features, stale=monitor.is_stale(pane))
        now: dict[str | None, tuple[Verdict, Severity | None]] = {None: (verdict, severity)}
        now |= {f.name: (f.verdict, f.severity) for f in features}
        changed = [
            name for name, known in now.items() if self._seen.get(name, (Verdict.UNKNOWN, None)) != known
        ]
        self._seen = now
        if not changed:
            return
        best = monitor.standing.best(monitor.alarms)
        time = _time((pane + 1) * monitor.pane_seconds if monitor.timed else seconds)
        leading = int(best.lower.argmax())
        for name in changed:
            i = leading if name is None else monitor.profile.position(name)
            known = best.scale[i] >= 0
            yield Transition(
                row=row,
                time=time,
                feature=name,
                verdict=now[name][0],
                severity=now[name][1],
                statistic=published_share(float(best.statistic[i])) if known else None,
                lower=published_share(float(best.lower[i])) if known else None,
                window_rows=int(best.rows[i]) if known else 0,
                cause=best.cause[i] if known else None,
            )


def _time(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return (
        datetime.fromtimestamp(min(seconds, _LAST_SECOND), UTC)
        .isoformat(timespec="seconds")
        .replace("+00:00", "Z")
    )
