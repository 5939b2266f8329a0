"""``tidegauge simulate``: traffic with and without drift."""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click
import numpy as np
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tidegauge.cli.failure import INTERRUPTED
from tidegauge.cli.loading import load_profile
from tidegauge.cli.option_names import typed
from tidegauge.cli.options import DEFAULT_ROWS
from tidegauge.cli.tables import screen
from tidegauge.data.sources import chunks_of, reading_for
from tidegauge.data.synthetic import Scenario, rows
from tidegauge.data.values import json_cell
from tidegauge.errors import SchemaError
from tidegauge.local.load import Tally, check_answers, drive
from tidegauge.local.state import load_running
from tidegauge.nearest import or_nearest
from tidegauge.profile.profile import Profile
from tidegauge.telling import found

_DRAWN_AT_ONCE: Final = 1000
NOT_ALL_ANSWERED: Final = 1


def run(
    path: Path | None,
    url: str,
    folder: Path | None,
    scenario: str | None,
    features: tuple[str, ...],
    shift: float | None,
    source: Path | None,
    count: int | None,
    seconds: float | None,
    rate: float | None,
    connections: int,
    seed: int,
) -> None:
    """Send rows to a model, one per request, and count what is answered.

    Exit code 1 when a row was not answered.
    """
    url, profile = _target(path, url, folder)
    moved = _moved(scenario, features, shift)
    if source is not None:
        drawn = file_rows(profile, source)
    else:
        drawn = random_rows(profile, moved, features, shift, np.random.default_rng(seed))
    limit = _limit(count, seconds, source)
    tally = _send(
        url,
        itertools.islice(drawn, limit),
        total=limit,
        connections=connections,
        rate=rate,
        seconds=seconds,
    )
    screen().print(told(tally), markup=False)
    if tally.interrupted:
        raise click.exceptions.Exit(INTERRUPTED)
    if tally.failed:
        raise click.exceptions.Exit(NOT_ALL_ANSWERED)


def _target(path: Path | None, url: str, folder: Path | None) -> tuple[str, Profile]:
    """Where rows go, and what they are drawn from."""
    if folder is not None:
        state = load_running(folder)
        return state.url, load_profile(path or Path(state.profile))
    assert path is not None, "the command asks for one of both"
    return url, load_profile(path)


def _moved(scenario: str | None, features: tuple[str, ...], shift: float | None) -> Scenario:
    if shift is not None:
        return Scenario.BASELINE
    return Scenario(scenario) if scenario else Scenario.HIGH if features else Scenario.BASELINE


def _limit(count: int | None, seconds: float | None, source: Path | None) -> int | None:
    if count is None and seconds is None and source is None:
        return DEFAULT_ROWS
    return count


def random_rows(
    profile: Profile,
    scenario: Scenario,
    features: tuple[str, ...],
    shift: float | None,
    rng: np.random.Generator,
) -> Iterator[dict[str, Any]]:
    """Yield rows without end, drawn from the profile; raises `SchemaError` for a feature it does not have."""
    _check_features(profile, features)
    steps = _steps(profile, features, shift)
    while True:
        for row in rows(profile, _DRAWN_AT_ONCE, scenario, rng, features or None):
            yield {name: _shifted(value, steps.get(name, 0.0)) for name, value in row.items()}


def _check_features(profile: Profile, features: tuple[str, ...]) -> None:
    known = [feature.name for feature in profile.features]
    for name in features:
        if name not in known:
            said, near = found("move", name, typed("--move", name)), or_nearest(name, known)
            raise SchemaError("the profile has no such feature", argument=said, step=near)


def _steps(profile: Profile, features: tuple[str, ...], shift: float | None) -> dict[str, float]:
    """How far each feature moves with --shift."""
    if shift is None:
        return {}
    named = [profile.feature(name) for name in features or [f.name for f in profile.features]]
    wrong = [feature.name for feature in named if feature.kind != "numeric"]
    if wrong and features:
        raise SchemaError(
            f"{wrong[0]} is categorical and has no standard deviation",
            argument=found("move", wrong[0], f"{typed('--move', wrong[0])} --shift {shift:g}"),
            step="use --scenario in place of --shift",
        )
    return {
        feature.name: shift * (getattr(feature, "sd", 0.0) or 1.0)
        for feature in named
        if feature.name not in wrong
    }


def _shifted(value: Any, step: float) -> Any:
    return value if value is None or not step else value + step


def file_rows(profile: Profile, path: Path) -> Iterator[dict[str, Any]]:
    """Yield the file's rows with the profile's features; raises `SchemaError` when one is not there."""
    names = [feature.name for feature in profile.features]
    for chunk in chunks_of(path, reading_for(profile)):
        if missing := [name for name in names if name not in chunk]:
            near = or_nearest(missing[0], chunk)
            raise SchemaError(f"{path} has no column {missing[0]}, which the model needs; {near}")
        columns = [chunk[name].values.tolist() for name in names]
        for values in zip(*columns, strict=True):
            yield {name: json_cell(value) for name, value in zip(names, values, strict=True)}


def _send(
    url: str,
    drawn: Iterator[dict[str, Any]],
    *,
    total: int | None,
    connections: int,
    rate: float | None,
    seconds: float | None,
) -> Tally:
    check_answers(url)
    first = list(itertools.islice(drawn, 1))  # errors in the rows are printed before a bar begins
    bodies = (json.dumps({"features": row}).encode() for row in itertools.chain(first, drawn))
    columns = (TextColumn("rows"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=screen(to_stderr=True)) as bar:
        task = bar.add_task("rows", total=total)
        return drive(
            url,
            bodies,
            connections=connections,
            per_second=rate,
            seconds=seconds,
            progress=lambda answered: bar.update(task, completed=answered),
        )


def told(tally: Tally) -> str:
    """Return what became of the rows, in words."""
    lines = [f"sent {tally.sent:,}  answered {tally.answered:,}  failed {tally.failed:,}"]
    if tally.answered:
        p50, p99 = (1000 * tally.quantile_seconds(q) for q in (0.5, 0.99))
        lines.append(f"time to the answer: median {p50:.1f} ms, 99 % below {p99:.1f} ms")
    lines += [f"  {number:,} x {reason}" for reason, number in tally.failures.most_common()]
    if tally.message:
        lines.append(f"  the first: {tally.message[:300]}")
    return "\n".join(lines)
