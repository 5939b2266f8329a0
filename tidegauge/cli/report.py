"""``tidegauge report``: the verdict, for people and for pipelines."""

import json
import time
from pathlib import Path
from typing import Final

import click
from rich.console import Console
from rich.table import Table

from tidegauge.cli.parts import existing_folder
from tidegauge.contract import AGGREGATOR_PORT, Verdict
from tidegauge.errors import ResourceError, TidegaugeError
from tidegauge.local.reports import fetch_report
from tidegauge.local.state import load_state
from tidegauge.report import FeatureReport, Report

EXIT_CODES: Final = {Verdict.STABLE: 0, Verdict.DRIFTING: 3, Verdict.UNKNOWN: 4, Verdict.LEARNING: 5}
NOT_IN_TIME: Final = 1
_LOCAL: Final = f"http://127.0.0.1:{AGGREGATOR_PORT}"
_POLL_SECONDS: Final = 0.5


@click.command(name="report")
@click.option(
    "--url",
    "urls",
    multiple=True,
    default=[_LOCAL],
    help="Address of an aggregator; repeat it for every shard.",
)
@click.option("--dir", "folder", type=existing_folder, help="Folder of a local stack, in place of --url.")
@click.option("--model", help="Name of the model; needed where an aggregator holds several.")
@click.option("--json", "as_json", is_flag=True, help="Print the report's document.")
@click.option(
    "--wait",
    "awaited",
    type=click.Choice([verdict.value for verdict in Verdict]),
    help="Wait for this verdict; then the exit code is 0, or 1 when it did not come in time.",
)
@click.option("--timeout", type=click.FloatRange(min=0), default=300, help="Seconds to wait at most.")
def command(
    urls: tuple[str, ...],
    folder: Path | None,
    model: str | None,
    as_json: bool,
    awaited: str | None,
    timeout: float,
) -> None:
    """Print the verdict of a model and its features.

    Exit code: 0 Stable, 3 Drifting, 4 Unknown, 5 Learning; 2 when there is no report.
    """
    addresses = load_state(folder).aggregator_urls if folder else list(urls)
    if awaited is None:
        report = fetch_report(addresses, model)
        code = EXIT_CODES[report.verdict]
    else:
        report = _await(Verdict(awaited), addresses, model, timeout)
        code = 0 if report.verdict == awaited else NOT_IN_TIME
    _print(report, as_json)
    raise click.exceptions.Exit(code)


def _await(verdict: Verdict, urls: list[str], model: str | None, timeout_seconds: float) -> Report:
    """The first report with that verdict, or the last one before the time is over."""
    deadline = time.monotonic() + timeout_seconds
    while True:
        report, problem = _try(urls, model)
        if report is not None and report.verdict is verdict:
            return report
        if time.monotonic() >= deadline:
            if report is None:
                raise problem or ResourceError("no report")
            return report
        time.sleep(_POLL_SECONDS)


def _try(urls: list[str], model: str | None) -> tuple[Report | None, TidegaugeError | None]:
    try:
        return fetch_report(urls, model), None
    except TidegaugeError as error:  # not there yet, or restarting
        return None, error


def _print(report: Report, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(report.to_dict(), indent=2))
        return
    console = Console()
    console.print(_headline(report), highlight=False)
    console.print(_table(report))


_COLOUR: Final = {Verdict.STABLE: "green", Verdict.DRIFTING: "red", Verdict.UNKNOWN: "yellow"}


def _headline(report: Report) -> str:
    colour = _COLOUR.get(report.verdict, "cyan")
    severity = f" ({report.severity})" if report.severity else ""
    since = f" since {report.time(report.since)}" if report.since is not None else ""
    parts = [f"{report.model or 'model'}: [bold {colour}]{report.verdict}{severity}[/]{since}"]
    if report.drifting:
        parts.append(f"drifting: {', '.join(feature.name for feature in report.drifting)}")
    if (coverage := report.coverage) is not None:
        expected = "?" if coverage.pods_expected is None else coverage.pods_expected
        parts.append(f"pods heard: {coverage.pods_heard}/{expected}")
        parts.append(f"rows counted: {coverage.rows_counted:,}, lost: {coverage.rows_lost:,}")
    return "\n".join(parts)


def _table(report: Report) -> Table:
    table = Table()
    for column in ("feature", "verdict", "D", "certain", "p", "window", "rows"):
        table.add_column(column, justify="left" if column in ("feature", "verdict") else "right")
    for feature in report.features.values():
        table.add_row(*_row(feature))
    return table


def _row(feature: FeatureReport) -> list[str]:
    colour = _COLOUR.get(feature.verdict, "cyan")
    certain = None if feature.lower is None else max(0.0, feature.lower)  # below 0 nothing is certain
    return [
        feature.name,
        f"[{colour}]{feature.severity or feature.verdict}[/]",
        _number(feature.statistic, ".4f"),
        _number(certain, ".4f"),
        _number(feature.pvalue, ".2g"),
        "" if feature.window_seconds is None else f"{feature.window_seconds:.0f} s",
        f"{feature.window_rows:,}",
    ]


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)
