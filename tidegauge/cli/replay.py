"""``tidegauge replay``: what would have alarmed on data of the past."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click

from tidegauge.cli.failure import EXIT_CODES, INTERRUPTED
from tidegauge.cli.loading import load_profile, load_resource, warnings_as_lines
from tidegauge.cli.option_names import typed
from tidegauge.cli.tables import Column, duration, print_table, printable, screen
from tidegauge.errors import PolicyError, SchemaError
from tidegauge.monitor.past_rows import Cut
from tidegauge.monitor.policy import DEFAULT_MIN_EFFECT, Policy
from tidegauge.monitor.replay import replayed
from tidegauge.protocol.names import Verdict
from tidegauge.protocol.transition import Transition
from tidegauge.resource import policy_of
from tidegauge.telling import Argument, found


def run(
    data: Path,
    path: Path,
    time: str | None,
    pane: float | None,
    rows_per_pane: int | None,
    prediction: str | None,
    document: Path | None,
    false_alarms: float | None,
    period: float | None,
    warning: float | None,
    critical: float | None,
    as_json: bool,
    fail_on_drift: bool,
) -> None:
    """Run the production policy over DATA, CSV or Parquet, and print each change of a verdict."""
    policy = _policy(document, false_alarms, period, {"warning": warning, "critical": critical})
    profile, span, seen = load_profile(path), Span(), list[Transition]()
    if prediction is not None and profile.prediction is None:
        said = found("prediction", prediction, typed("--prediction", prediction))
        raise SchemaError(f"{path} holds no predictions to compare with", argument=said, step="leave it out")
    with warnings_as_lines(), screen(to_stderr=True).status("rows replayed: 0", spinner="line") as status:

        def progress(rows: int, seconds: float | None) -> None:
            span.reach(rows, seconds)
            status.update(f"rows replayed: {rows:,}")

        cut = Cut(time=time, pane=pane, rows_per_pane=rows_per_pane, prediction=prediction)
        history = replayed(profile, data, policy, cut, progress)
        interrupted = collect(history, seen)
    _print(seen, span, as_json=as_json)
    if interrupted:
        click.echo(f"tidegauge: interrupted after {span.rows:,} rows", err=True)
        raise click.exceptions.Exit(INTERRUPTED)
    if fail_on_drift and _raised(seen):
        raise click.exceptions.Exit(EXIT_CODES[Verdict.DRIFTING])


def collect(history: Iterator[Transition], found: list[Transition]) -> bool:
    """Take what comes until the end, or Ctrl-C; returns whether it was that."""
    try:
        found.extend(history)
    except KeyboardInterrupt:
        return True
    return False


def _print(found: list[Transition], span: "Span", *, as_json: bool) -> None:
    if as_json:
        for transition in found:
            click.echo(json.dumps(transition.to_dict()))
        click.echo(answer(found, span), err=True)
        return
    print_table(_COLUMNS, map(_row, found))
    screen().print(answer(found, span), markup=False)


@dataclass
class Span:
    """How far a replay has come: rows, and the times of the first and the newest one."""

    rows: int = 0
    first_seconds: float | None = None
    newest_seconds: float | None = None

    def reach(self, rows: int, seconds: float | None) -> None:
        """Note the newest row; of the first pane the first known time is its last row's."""
        self.rows, self.newest_seconds = rows, seconds
        if self.first_seconds is None:
            self.first_seconds = seconds

    def __str__(self) -> str:
        if self.first_seconds is None or self.newest_seconds is None:
            return f"{self.rows:,} rows"
        return duration(self.newest_seconds - self.first_seconds)


def answer(found: list[Transition], span: Span) -> str:
    """Return a replay's answer: how many alarms, of which features, and what is not known yet."""
    last = {transition.feature: transition.verdict for transition in found if transition.feature}
    raised = _raised(found)
    parts = [f"{len(raised)} alarm{'' if len(raised) == 1 else 's'} in {span}"]
    parts[0] += f": {', '.join(map(printable, dict.fromkeys(raised)))}" if raised else ""
    for verdict, words in ((Verdict.DRIFTING, "still drifting"), (Verdict.LEARNING, "still learning")):
        if names := [printable(name) for name, now in last.items() if now is verdict]:
            parts.append(f"{words}: {', '.join(names)}")
    return "; ".join(parts)


def _raised(found: list[Transition]) -> list[str]:
    """The feature of each alarm; one that becomes critical is the same alarm."""
    raised, drifting = [], dict[str, bool]()
    for transition in found:
        if name := transition.feature:
            drifts = transition.verdict is Verdict.DRIFTING
            raised += [name] if drifts and not drifting.get(name) else []
            drifting[name] = drifts
    return raised


def _policy(
    document: Path | None, false_alarms: float | None, period: float | None, floors: dict[str, float | None]
) -> Policy:
    asked: dict[str, Any] = {"false_alarms": false_alarms, "period": period}
    given = {name: value for name, value in asked.items() if value is not None}
    if own := {severity: floor for severity, floor in floors.items() if floor is not None}:
        given["min_effect"] = {**DEFAULT_MIN_EFFECT, **own}
    if document is None:
        return Policy(**given)
    if given:
        beside = [Argument(name, value) for name, value in given.items()]
        raise PolicyError((f"{document} holds the policy: ", beside[0], " cannot be given beside it"))
    return Policy(**policy_of(load_resource(document)))


_COLUMNS: Final = (
    Column("row", "right"),
    Column("time"),
    Column("feature", names=True),
    *(Column(title) for title in ("verdict", "severity")),
    *(Column(title, "right") for title in ("D", "lower", "rows")),
)


def _row(transition: Transition) -> list[str]:
    return [
        f"{transition.row:,}",
        (transition.time or "").removesuffix(":00Z").removesuffix("Z").replace("T", " "),
        transition.feature or "the model",
        transition.verdict,
        transition.severity or "",
        *("" if x is None else f"{x:.3f}" for x in (transition.statistic, transition.lower)),
        f"{transition.window_rows:,}",
    ]
