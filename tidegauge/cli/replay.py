"""``tidegauge replay``: what would have alarmed on data of the past."""

import json
from pathlib import Path
from typing import Any, Final, Literal

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tidegauge import resource as custom_resource
from tidegauge.backtest import Transition, replay
from tidegauge.cli.parts import existing_file, load_profile, profile_path, warnings_as_lines
from tidegauge.errors import PolicyError
from tidegauge.policy import DEFAULT_MIN_EFFECT, Policy


@click.command(name="replay", short_help="Show what would have alarmed on past data.")
@click.argument("file", type=existing_file)
@click.option(
    "--profile",
    "path",
    required=True,
    type=profile_path,
    help="The reference profile, or the bundle it lies in.",
)
@click.option("--time", metavar="COLUMN", help="Column with the rows' times.")
@click.option("--pane", metavar="DURATION", help="Length of a pane, for example 1h; needs --time.")
@click.option(
    "--rows-per-pane", type=click.IntRange(min=1), help="Panes of so many rows, in the file's order."
)
@click.option("--prediction", metavar="COLUMN", help="Column with the model's predictions.")
@click.option(
    "-f", "--file", "document", type=existing_file, help="Take the policy from this DriftMonitoredModel."
)
@click.option("--false-alarms", type=float, help="False alarms per period to expect at most.  [default: 1]")
@click.option("--period", metavar="DURATION", help="The period of the budget.  [default: 720h]")
@click.option(
    "--warning", type=float, help="Smallest certain distance that raises a warning.  [default: 0.05]"
)
@click.option("--critical", type=float, help="Smallest certain distance that is critical.  [default: 0.15]")
@click.option("--json", "as_json", is_flag=True, help="One JSON document per line.")
def command(
    file: Path,
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
    """Run the production policy over FILE, CSV or Parquet, and print each change of a verdict."""
    policy = _policy(document, false_alarms, period, {"warning": warning, "critical": critical})
    with warnings_as_lines(), Console(stderr=True).status("rows replayed: 0") as status:
        history = replay(
            *(load_profile(path), file, policy),
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
        Console().print(_table(history))


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


_LEFT: Final = ("time", "feature", "verdict", "severity")


def _table(history: list[Transition]) -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for column in ("row", "time", "feature", "verdict", "severity", "D", "certain", "rows"):
        justify: Literal["left", "right"] = "left" if column in _LEFT else "right"
        # A long name breaks into lines, so that every other column is whole on 80 columns.
        table.add_column(column, justify=justify, overflow="fold", no_wrap=column != "feature")
    for transition in history:
        table.add_row(*_row(transition))
    return table


def _row(transition: Transition) -> list[str]:
    return [
        f"{transition.row:,}",
        (transition.time or "").removesuffix(":00Z").removesuffix("Z").replace("T", " "),
        escape(transition.feature or "the model"),
        transition.verdict,
        transition.severity or "",
        *("" if x is None else f"{x:.3f}" for x in (transition.statistic, transition.lower)),
        f"{transition.window_rows:,}",
    ]
