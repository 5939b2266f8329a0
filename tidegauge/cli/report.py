"""``tidegauge report``: the verdict, for people and for pipelines."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

import click
from rich.markup import escape
from rich.text import Text

from tidegauge.cli.failure import EXIT_CODES
from tidegauge.cli.tables import Column, duration, print_table, printable, screen
from tidegauge.errors import ResourceError, TidegaugeError
from tidegauge.local.reports import ShardsReport, fetch_shards
from tidegauge.local.state import load_running
from tidegauge.protocol.names import Extent, Verdict
from tidegauge.report.explanation import rounding, why
from tidegauge.report.model import Baseline, FeatureReport, Report

NOT_IN_TIME: Final = 1
_POLL_SECONDS: Final = 0.5
_EXPLAINED: Final = 5  # drifting features whose cause is printed, the clearest ones


def run(
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
    addresses, stack = list(urls), ""
    if folder is not None:
        state = load_running(folder)
        addresses, model, stack = state.aggregator_urls, state.model, state.id
    if awaited is None:
        found = fetch_shards(addresses, model, stack)
        code = EXIT_CODES[found.report.verdict]
    else:
        found = _await(Verdict(awaited), partial(fetch_shards, addresses, model, stack), timeout)
        code = 0 if found.report.verdict == awaited else NOT_IN_TIME
    _print(found, as_json)
    raise click.exceptions.Exit(code)


def _await(verdict: Verdict, fetch: Callable[[], ShardsReport], timeout_seconds: float) -> ShardsReport:
    """The first report with that verdict, or the last one before the time is over."""
    deadline = time.monotonic() + timeout_seconds
    while True:
        found, problem = _try(fetch)
        if found is not None and found.report.verdict is verdict:
            return found
        if time.monotonic() >= deadline:
            if found is None:
                raise problem or ResourceError("no report")
            return found
        time.sleep(_POLL_SECONDS)


def _try(fetch: Callable[[], ShardsReport]) -> tuple[ShardsReport | None, TidegaugeError | None]:
    try:
        return fetch(), None
    except TidegaugeError as error:  # not there yet, or restarting
        return None, error


def _print(found: ShardsReport, as_json: bool) -> None:
    if as_json:
        shards = {"asked": found.asked, "of": found.of}
        click.echo(json.dumps(found.report.to_dict() | {"shards": shards}, indent=2))
        if found.caution:
            click.echo(found.caution, err=True)
        return
    screen().print(_headline(found.report, found.caution))
    _print_features(found.report)


_COLOUR: Final = {Verdict.STABLE: "green", Verdict.DRIFTING: "red", Verdict.UNKNOWN: "yellow"}


def _headline(report: Report, caution: str | None) -> str:
    colour = _COLOUR.get(report.verdict, "cyan")
    severity = f" ({report.severity})" if report.severity else ""
    since = f" since {report.time(report.since)}" if report.since is not None else ""
    parts = [f"{_shown(report.model or 'model')}: [bold {colour}]{report.verdict}{severity}[/]{since}"]
    if caution:
        parts.append(f"[bold yellow]{caution}[/]")
    if report.stale and report.coverage is not None:
        parts.append(f"[bold yellow]{_silence(report.coverage.newest_rows_age_seconds)}[/]")
    if report.drifting:
        parts.append(f"drifting: {_shown(', '.join(feature.name for feature in report.drifting))}")
    told = ((feature.name, why(feature)) for feature in report.drifting[:_EXPLAINED])
    parts += [_shown(f"{name}: {words}") for name, words in told if words]
    rounded = ((feature.name, rounding(feature)) for feature in report.features.values())
    parts += [_shown(f"{name}: {words}") for name, words in rounded if words][:_EXPLAINED]
    parts += [_shown(_place(feature)) for feature in report.drifting if feature.where]
    if unknown := report.policy.get("unknown_features"):
        names = _shown(", ".join(unknown))
        parts.append(f"[bold yellow]the policy names what the profile does not have: {names}[/]")
    if report.baseline.state == "learning":
        parts.append(_learned(report.baseline))
    if report.hours_of_day is not None:
        parts.append(f"hours of the day: {'a reference for each' if report.hours_of_day else _NO_HOURS}")
    if (coverage := report.coverage) is not None:
        expected = "?" if coverage.pods_expected is None else coverage.pods_expected
        parts.append(f"pods heard: {coverage.pods_heard}/{expected}")
        parts.append(f"rows counted: {coverage.rows_counted:,}, lost: {coverage.rows_lost:,}")
    return "\n".join(parts)


_NO_HOURS: Final = "one reference for all, so a daily cycle may look like drift"


def _shown(text: str) -> str:
    """A text from data inside one with markup."""
    return escape(printable(text))


def _place(feature: FeatureReport) -> str:
    """In which pods a feature drifts; where not in all, with D of their own rows."""
    if feature.extent is Extent.EVERYWHERE:
        return f"{feature.name}: {feature.where}"
    figures = [(pod.pod, f"D {pod.statistic:.3f} of {pod.rows:,} rows") for pod in feature.pods]
    told = [figure if len(figures) == 1 else f"{pod} {figure}" for pod, figure in figures]
    return f"{feature.name}: {feature.where} ({', '.join(told)})"


def _learned(baseline: Baseline) -> str:
    passed, whole = duration(baseline.seconds), duration(baseline.of_seconds)
    return f"design effect: still learned from live rows, {passed} of {whole}"


def _silence(age_seconds: float | None) -> str:
    return "no rows yet" if age_seconds is None else f"no rows for {duration(age_seconds)}"


_COLUMNS: Final = (
    Column("feature", names=True),
    *(Column(title) for title in ("verdict", "severity")),
    *(Column(title, "right") for title in ("D", "lower", "window", "rows")),
    Column("since"),
)


def _print_features(report: Report) -> None:
    today = datetime.now(UTC).date().isoformat()
    rows = (_row(each, _moment(report.time(each.since), today)) for each in report.features.values())
    print_table(_COLUMNS, rows)


def _moment(time_text: str | None, today: str) -> str:
    """The time of day (UTC) of a time of today, the date of any other."""
    day, _, clock = (time_text or "").partition("T")
    return clock.removesuffix("Z") if day == today else day


def _row(feature: FeatureReport, since: str) -> list[str | Text]:
    colour = _COLOUR.get(feature.verdict, "cyan")
    return [
        feature.name,
        Text(feature.verdict, style=colour),
        Text(feature.severity or "", style=colour),
        _number(feature.statistic),
        _number(feature.lower),
        "" if feature.window_seconds is None else duration(feature.window_seconds),
        f"{feature.window_rows:,}",
        since,
    ]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
