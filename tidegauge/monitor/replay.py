"""Backtest: what would have alarmed on past rows, under the policy code that runs in production."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from tidegauge.errors import PolicyError, ProfileError
from tidegauge.monitor.findings import changes
from tidegauge.monitor.monitor import Monitor
from tidegauge.monitor.past_rows import Cut, Slice, slices_of
from tidegauge.monitor.policy import Policy
from tidegauge.profile.profile import Profile
from tidegauge.protocol.names import PANE_SECONDS
from tidegauge.protocol.transition import Transition
from tidegauge.report.model import State
from tidegauge.telling import found

__all__ = ["replay", "replayed"]

_FOR_EVER = 1e12  # seconds: past rows are never stale
Progress = Callable[[int, float | None], None]


def replay(
    profile: Profile,
    data: Any,
    policy: Policy | None = None,
    *,
    time: Any = None,
    pane: str | float | None = None,
    rows_per_pane: int | None = None,
    prediction: Any = None,
    progress: Callable[[int], None] | None = None,
) -> list[Transition]:
    """Run the monitor over past rows, and return what changed: in order, at one pane the model's first.

    Parameters
    ----------
    profile, policy
        The reference; the alarm policy as in production, the default one if None.
    data
        A frame, ``(n, features)`` array, list of dicts, or path of a CSV or Parquet file. Rows are put in
        order of `time`.
    time, prediction
        Columns of the rows' times and of the model's predictions, or for data in memory arrays of them.
        Without `prediction` the column `prediction` is taken if there is one, else a warning says so.
    pane, rows_per_pane
        Length of a pane, ``"10s"``, ``"1h"``: rows go to panes by their time. Or so many rows each, in order:
        for the budget such a pane counts as one of 10 s.
    progress
        Called with the number of rows done, now and then.

    Raises
    ------
    ProfileError, PolicyError, SchemaError
        An argument is something else or contradicts another; a column or value cannot be read.
    """
    _check_kinds(profile, policy)
    cut = Cut(time=time, pane=pane, rows_per_pane=rows_per_pane, prediction=prediction)
    told = None if progress is None else lambda rows, _seconds: progress(rows)
    return list(replayed(profile, data, policy, cut, told))


def replayed(
    profile: Profile, data: Any, policy: Policy | None, cut: Cut, progress: Progress | None = None
) -> Iterator[Transition]:
    """Give the transitions of `replay` as they are found; `progress` hears the newest row's time as well."""
    _check_kinds(profile, policy)
    policy = replace(policy or Policy(), stale=_FOR_EVER)
    seconds = cut.pane_seconds
    monitor = Monitor(profile, policy, pane_seconds=seconds or PANE_SECONDS, timed=seconds is not None)
    seen: Mapping[str | None, State] = {}
    for pane, row, newest in _panes(monitor, slices_of(profile, data, cut), progress):
        findings = monitor.look(pane)
        end = (pane + 1) * monitor.pane_seconds if monitor.timed else newest
        yield from changes(seen, findings, profile=profile.hash, seconds=end, row=row)
        seen = findings.states


def _check_kinds(profile: object, policy: object) -> None:
    if not isinstance(profile, Profile):
        raise ProfileError(
            "it must be a Profile, and come before the data",
            argument=found("profile", profile, f"profile is of type {type(profile).__name__}"),
            step="Profile.load reads one from a file",
        )
    if not isinstance(policy, Policy | None):
        said = found("policy", policy, f"policy is of type {type(policy).__name__}")
        raise PolicyError("it must be a Policy, or None for the default one", argument=said)


def _panes(
    monitor: Monitor, slices: Iterable[Slice], progress: Progress | None
) -> Iterator[tuple[int, int, float | None]]:
    """Give each pane when its rows are in the monitor, with the rows so far and the newest one's time.

    Of a gap, the panes in which any window still holds rows.
    """
    open_pane: int | None = None
    row, seconds = 0, None
    for part in slices:
        if open_pane is not None and part.pane > open_pane:
            last = min(part.pane, open_pane + monitor.windows.reach_panes)
            yield from ((pane, row, seconds) for pane in range(open_pane, max(last, open_pane + 1)))
        monitor.add(part.pane, part.counts)
        open_pane, row, seconds = part.pane, row + part.counts.rows, part.seconds
        if progress is not None:
            progress(row, seconds)
    if open_pane is not None:
        yield open_pane, row, seconds
