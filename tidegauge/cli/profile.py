"""``tidegauge profile``: make a reference profile, look at it, compare two."""

import math
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from tidegauge.cli.parts import existing_file, load_profile, profile_path, warnings_as_lines
from tidegauge.comparison import FeatureDifference, compare
from tidegauge.contract import PROFILE_FILE
from tidegauge.profile import CategoricalFeature, Feature, NumericFeature, Profile


@click.group(name="profile")
def command() -> None:
    """Make, show and compare reference profiles."""


@command.command()
@click.argument("file", type=existing_file)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default=PROFILE_FILE,
    help="File to write.",
)
@click.option("--cut-points", type=int, default=1024, help="Cut points per numeric feature, at most.")
@click.option("--prediction", metavar="COLUMN", help="Column with the model's predictions.")
@click.option("--time", metavar="COLUMN", help="Column with the rows' times; it states a design effect.")
@click.option("--hour-of-day", is_flag=True, help="Keep a reference per hour of day (UTC); needs --time.")
@click.option(
    "--feature",
    "features",
    metavar="COLUMN",
    multiple=True,
    help="A feature, in the model's order; repeat.  [default: all columns]",
)
@click.option("--exclude", metavar="COLUMN", multiple=True, help="A column that is no feature; repeat.")
@click.option(
    "--categorical", metavar="COLUMN", multiple=True, help="A column of numbers that are names; repeat."
)
@click.option(
    "--float32", metavar="COLUMN", multiple=True, help="A feature that is served as float32; repeat."
)
def build(
    file: Path,
    output: Path,
    cut_points: int,
    prediction: str | None,
    time: str | None,
    hour_of_day: bool,
    features: tuple[str, ...],
    exclude: tuple[str, ...],
    categorical: tuple[str, ...],
    float32: tuple[str, ...],
) -> None:
    """Make the profile of FILE, a CSV or Parquet file that may be larger than memory."""
    with warnings_as_lines():
        profile = Profile.fit(
            file,
            cut_points,
            features or None,
            prediction=prediction,
            time=time,
            hour_of_day=hour_of_day,
            dtypes=dict.fromkeys(float32, "float32"),
            categorical=categorical,
            exclude=exclude,
        )
    profile.save(output)
    click.echo(f"{output}: {len(profile.monitored)} features of {profile.rows} rows, hash {profile.hash}")


@command.command()
@click.argument("file", type=profile_path)
def show(file: Path) -> None:
    """Show the features of the profile FILE, or of the bundle in that folder."""
    profile = load_profile(file)
    table = Table(title=f"{profile.rows} rows, hash {profile.hash}", title_justify="left")
    for column in ("feature", "kind", "dtype", "cells", "missing", "mean", "sd", "min", "max"):
        table.add_column(column, justify="left" if column in ("feature", "kind", "dtype") else "right")
    for feature in profile.monitored:
        table.add_row(*_described(feature))
    Console().print(table)


def _described(feature: Feature) -> list[str]:
    common = [str(feature.cells), str(feature.missing)]
    if isinstance(feature, NumericFeature):
        numbers = (feature.mean, feature.sd, feature.min, feature.max)
        return [feature.name, feature.kind, feature.dtype, *common, *(_number(x) for x in numbers)]
    assert isinstance(feature, CategoricalFeature)
    return [feature.name, feature.kind, "", *common, "", "", "", ""]


@command.command()
@click.argument("old", type=profile_path)
@click.argument("new", type=profile_path)
def diff(old: Path, new: Path) -> None:
    """Compare the profiles, or bundles, OLD and NEW. Exit code 1 when they differ, as with diff."""
    before, after = load_profile(old), load_profile(new)
    if before.hash == after.hash:
        click.echo(f"the same profile, hash {before.hash}")
        return
    click.echo(f"{before.rows} rows, hash {before.hash}\n{after.rows} rows, hash {after.hash}")
    table = Table()
    for column in ("feature", "what changed", "mean", "sd", "distance at least"):
        table.add_column(column)
    for difference in compare(before, after):
        table.add_row(*_compared(difference))
    Console().print(table)
    raise click.exceptions.Exit(1)


def _compared(difference: FeatureDifference) -> list[str]:
    pairs = (difference.mean, difference.sd)
    moments = ["" if pair is None else " -> ".join(_number(x) for x in pair) for pair in pairs]
    distance = "" if difference.distance is None else f"{difference.distance:.4f}"
    return [difference.name, ", ".join(difference.changes), *moments, distance]


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.6g}"
