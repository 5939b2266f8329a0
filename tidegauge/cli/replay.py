"""``tidegauge replay``: what would have alarmed on data of the past."""

import json
from pathlib import Path
from typing import Any, Final

import click

from tidegauge import resource as custom_resource
from tidegauge.backtest import Transition, replay
from tidegauge.cli.parts import load_profile, warnings_as_lines
from tidegauge.cli.tables import Column, print_table, screen
from tidegauge.errors import PolicyError
from tidegauge.policy import DEFAULT_MIN_EFFECT, Policy


def run(
    data: Path,
    path: Path,
    time: str | None,
    pane: str | None,
    rows_per_pane: int | None,
    prediction: str | None,
    document: Path | None,
    false_alarms: float | None,
    period: str | None,
    warning: float | None,
    critical: float | None,
    as_json: bool,
) -> None:
    """Run the production policy over DATA, CSV or Parquet, and print each change of a verdict."""
    policy = _policy(document, false_alarms, period, {"warning": warning, "critical": critical})
    with warnings_as_lines(), screen(to_stderr=True).status("rows replayed: 0", spinner="line") as status:
        history = replay(
            *(load_profile(path), data, policy),
            time=time,
            pane=pane,
            rows_per_pane=rows_per_pane,
            prediction=prediction,
            progress=lambda rows: status.update(f"rows replayed: {rows:,}"),
        )
    if as_json:
        for transition in history:
            click.echo(json.dumps(transition.to_dict()))
    else:
        print_table(_COLUMNS, map(_row, history))


def _policy(
    document: Path | None, false_alarms: float | None, period: str | None, floors: dict[str, float | None]
) -> Policy:
    asked: dict[str, Any] = {"false_alarms": false_alarms, "period": period}
    given = {name: value for name, value in asked.items() if value is not None}
    if own := {severity: floor for severity, floor in floors.items() if floor is not None}:
        given["min_effect"] = {**DEFAULT_MIN_EFFECT, **own}
    if document is None:
        return Policy(**given)
    if given:
        beside = ", ".join(f"{name}=" for name in given)
        raise PolicyError(f"{document} holds the policy: {beside} cannot be given beside it")
    return Policy(**custom_resource.policy_of(custom_resource.load(document.read_bytes())))


_COLUMNS: Final = (
    Column("row", "right"),
    Column("time"),
    Column("feature", names=True),
    *(Column(title) for title in ("verdict", "severity")),
    *(Column(title, "right") for title in ("D", "certain", "rows")),
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
