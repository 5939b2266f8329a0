"""Options of ``tidegauge simulate``."""

from typing import Any, Final

import click

from tidegauge.cli.failure import Failure, needs_extra
from tidegauge.cli.options import (
    DEFAULT_ROWS,
    Duration,
    Number,
    existing_file,
    existing_folder,
    give_one,
    profile_path,
)
from tidegauge.kit import kinds
from tidegauge.protocol.names import SERVING_PORT

SCENARIOS: Final = ("baseline", "moderate", "high")
_LOCAL: Final = f"http://127.0.0.1:{SERVING_PORT}"


@click.command(name="simulate", short_help="Send a model rows, with or without drift.")
@click.option(
    "--profile",
    "path",
    type=profile_path,
    help="The reference profile, or the folder of its bundle.  [default: with --dir the stack's]",
)
@click.option("--model-url", "url", default=_LOCAL, help="Address of the model's server.")
@click.option(
    "--dir",
    "folder",
    type=existing_folder,
    help="Folder of a local stack, in place of --model-url and --profile.",
)
@click.option(
    "--scenario",
    type=click.Choice(SCENARIOS),
    help="How far rows are from the reference.  [default: baseline; high with --move]",
)
@click.option(
    "--move",
    "features",
    metavar="FEATURE",
    multiple=True,
    help="Move only this feature. May be given several times.",
)
@click.option(
    "--shift",
    type=Number(kinds.any_number),
    help="Move numeric features by this many standard deviations instead.",
)
@click.option("--data", "source", type=existing_file, help="Send this CSV or Parquet file's rows instead.")
@click.option(
    "--rows",
    "count",
    type=Number(kinds.whole(1)),
    help=f"Rows to send.  [default: {DEFAULT_ROWS}; with --data all]",
)
@click.option(
    "--for", "--seconds", "seconds", type=Duration(), help="Send for this long instead, such as 30s."
)
@click.option("--rate", type=Number(kinds.above_0), help="Rows per second.  [default: unlimited]")
@click.option(
    "--connections",
    type=Number(kinds.whole(1, 256)),
    default=8,
    help="Connections to send over, at most 256.",
)
@click.option("--seed", type=Number(kinds.whole()), default=0, help="Seed of the random rows.")
def command(**given: Any) -> None:
    """Send rows to a model, one per request, and count what is answered.

    Exit code 1 when a row was not answered.
    """
    give_one("folder", "url", because="the folder's stack has its own address")
    give_one("shift", "scenario", because="both say how far rows move")
    give_one("count", "seconds", because="both say when to stop")
    for drawn in ("scenario", "features", "shift", "seed"):
        give_one("source", drawn, because="a file's rows are sent as they are")
    if given["path"] is None and given["folder"] is None:
        raise Failure("say which rows to draw: --profile PATH, or --dir FOLDER of a running stack")
    with needs_extra("cli"):
        from tidegauge.cli.simulate import run
    run(**given)
