"""Options of ``tidegauge report``."""

from typing import Any, Final

import click

from tidegauge.cli.failure import Failure, needs_extra
from tidegauge.cli.options import Duration, existing_folder, give_one, is_given
from tidegauge.protocol.names import AGGREGATOR_PORT, Verdict

_LOCAL: Final = f"http://127.0.0.1:{AGGREGATOR_PORT}"


@click.command(name="report", short_help="Print the verdict of a model and its features.")
@click.option(
    "--aggregator-url",
    "urls",
    multiple=True,
    default=[_LOCAL],
    help="Address of an aggregator. Give one for each shard.",
)
@click.option(
    "--dir",
    "folder",
    type=existing_folder,
    help="Folder of a local stack, in place of --aggregator-url and --model.",
)
@click.option("--model", help="Name of the model; needed where an aggregator holds several.")
@click.option("--json", "as_json", is_flag=True, help="Print the report's document.")
@click.option(
    "--wait",
    "awaited",
    type=click.Choice([verdict.value for verdict in Verdict], case_sensitive=False),
    help="Wait for this verdict; then the exit code is 0, or 1 when it did not come in time.",
)
@click.option("--timeout", type=Duration(least=0), default="5m", help="How long --wait waits at most.")
def command(**given: Any) -> None:
    """Print the verdict of a model and its features.

    D is the distance between live rows and training rows, 0 to 1. lower is its lower confidence bound: at
    least this share of rows has moved. The window is the time over which most drift shows.

    Exit code: 0 Stable, 3 Drifting, 4 Unknown, 5 Learning; 2 when there is no report.
    """
    give_one("folder", "urls", because="the folder's stack has its own addresses")
    give_one("folder", "model", because="the folder's stack has one model")
    if is_given("timeout") and given["awaited"] is None:
        raise Failure("--timeout without --wait: name the verdict to wait for")
    with needs_extra("cli"):
        from tidegauge.cli.report import run
    run(**given)
