"""Options of ``tidegauge replay``."""

from typing import Any

import click

from tidegauge.cli.failure import Failure, needs_extra
from tidegauge.cli.option_names import typed
from tidegauge.cli.options import Duration, Number, existing_file, give_one, profile_path
from tidegauge.kit import kinds


@click.command(name="replay", short_help="Show what would have alarmed on past data.")
@click.argument("data", type=existing_file)
@click.option(
    "--profile",
    "path",
    required=True,
    type=profile_path,
    help="The reference profile, or the folder of its bundle.",
)
@click.option("--time", metavar="COLUMN", help="Column with the rows' times.")
@click.option("--pane", type=Duration(), help="Length of a pane, for example 1h; needs --time.")
@click.option("--rows-per-pane", type=Number(kinds.whole(1)), help="Rows in a pane, in the file's order.")
@click.option("--prediction", metavar="COLUMN", help="Column with the model's predictions.")
@click.option(
    "-f", "--file", "document", type=existing_file, help="Take the policy from this DriftMonitoredModel."
)
@click.option(
    "--false-alarms",
    type=Number(kinds.any_number),
    help="False alarms that you accept per period.  [default: 1]",
)
@click.option(
    "--period",
    type=Duration(),
    help="The period that --false-alarms is for, such as 30d.  [default: 720h]",
)
@click.option(
    "--warning",
    type=Number(kinds.any_number),
    help="Warn when at least this share of rows moved.  [default: 0.05]",
)
@click.option(
    "--critical", type=Number(kinds.any_number), help="Critical from this share of rows on.  [default: 0.15]"
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document per line; the answer on stderr.")
@click.option("--fail-on-drift", is_flag=True, help="Exit code 3 when there was an alarm.")
def command(**given: Any) -> None:
    """Run the production policy over DATA, CSV or Parquet, and print each change of a verdict."""
    give_one("pane", "rows_per_pane", because="panes have a length in time or in rows")
    if given["pane"] is None and given["rows_per_pane"] is None:
        raise Failure("say how long a pane is: --time COLUMN --pane 1h, or --rows-per-pane 1000")
    if given["pane"] is not None and given["time"] is None:
        raise Failure(f"{typed('--pane', given['pane'])} needs the rows' times: add --time COLUMN")
    with needs_extra("cli"):
        from tidegauge.cli.replay import run
    run(**given)
