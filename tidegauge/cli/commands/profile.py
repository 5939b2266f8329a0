"""Options of ``tidegauge profile``."""

from pathlib import Path
from typing import Any

import click

from tidegauge.cli.failure import needs_extra
from tidegauge.cli.group import Group
from tidegauge.cli.options import Number, existing_file, hour_of_day_option, profile_path, time_option
from tidegauge.kit import kinds
from tidegauge.protocol.names import PROFILE_FILE


@click.group(name="profile", cls=Group)
def command() -> None:
    """Make, show and compare reference profiles."""


@command.command()
@click.argument("data", type=existing_file)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default=PROFILE_FILE,
    help="File to write.",
)
@click.option(
    "--cut-points", type=Number(kinds.whole()), default=1024, help="Cut points per numeric feature, at most."
)
@click.option("--prediction", metavar="COLUMN", help="Column with the model's predictions.")
@time_option
@hour_of_day_option
@click.option(
    "--feature",
    "features",
    metavar="COLUMN",
    multiple=True,
    help="A feature, in the model's order. May be given several times.  [default: all columns]",
)
@click.option(
    "--exclude",
    metavar="COLUMN",
    multiple=True,
    help="A column that is not a feature. May be given several times.",
)
@click.option(
    "--categorical",
    metavar="COLUMN",
    multiple=True,
    help="A column whose numbers are names. May be given several times.",
)
@click.option(
    "--float32",
    metavar="COLUMN",
    multiple=True,
    help="A feature that is served as float32. May be given several times.",
)
def build(**given: Any) -> None:
    """Make the profile of DATA, a CSV or Parquet file that may be larger than memory."""
    with needs_extra("cli"):
        from tidegauge.cli.profile import build
    build(**given)


@command.command()
@click.argument("file", type=profile_path)
def show(file: Path) -> None:
    """Show the features of the profile FILE, or of the bundle in that folder."""
    with needs_extra("cli"):
        from tidegauge.cli.profile import show
    show(file)


@command.command()
@click.argument("old", type=profile_path)
@click.argument("new", type=profile_path)
def diff(old: Path, new: Path) -> None:
    """Compare the profiles, or bundles, OLD and NEW. Exit code 1 when they differ, as with diff."""
    with needs_extra("cli"):
        from tidegauge.cli.profile import diff
    diff(old, new)
