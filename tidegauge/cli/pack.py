"""``tidegauge pack``: a model and its training data become one bundle."""

from pathlib import Path
from typing import get_args

import click

from tidegauge.cli.parts import existing_file, warnings_as_lines
from tidegauge.pack import ModelFormat, pack_model


@click.command(name="pack", short_help="Make a bundle of a model and its training data.")
@click.option(
    "--model",
    required=True,
    type=existing_file,
    help="The trained model: joblib, pickle or skops. Loading joblib or pickle runs what the file says.",
)
@click.option("--data", required=True, type=existing_file, help="CSV or Parquet file it was trained on.")
@click.option("--target", metavar="COLUMN", help="Column that the model predicts.")
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder to write; a bundle that is there is replaced.",
)
@click.option("--name", help="The model's name.  [default: the folder's]")
@click.option(
    "--time", metavar="COLUMN", help="Column with the rows' times; the profile states a design effect."
)
@click.option("--hour-of-day", is_flag=True, help="Keep a reference per hour of day (UTC); needs --time.")
@click.option("--exclude", metavar="COLUMN", multiple=True, help="A column that is no feature; repeat.")
@click.option("--cut-points", type=int, default=1024, help="Cut points per numeric feature, at most.")
@click.option(
    "--format",
    "model_format",
    type=click.Choice(get_args(ModelFormat)),
    default="auto",
    help="Form of the packed model. auto takes the fastest whose answers are the original's.",
)
@click.option(
    "--trusted-type",
    "trusted_types",
    metavar="TYPE",
    multiple=True,
    help="A type that a skops file may hold; repeat.",
)
def command(
    model: Path,
    data: Path,
    target: str | None,
    output: Path,
    name: str | None,
    time: str | None,
    hour_of_day: bool,
    exclude: tuple[str, ...],
    cut_points: int,
    model_format: ModelFormat,
    trusted_types: tuple[str, ...],
) -> None:
    """Pack a model and its training data into the folder that a storageUri points to."""
    with warnings_as_lines():
        packed = pack_model(
            model,
            data,
            output,
            target=target,
            name=name,
            time=time,
            hour_of_day=hour_of_day,
            exclude=exclude,
            cut_points=cut_points,
            model_format=model_format,
            trusted_types=trusted_types,
        )
    for refusal in packed.refusals:
        click.echo(f"not {refusal.format}: {refusal.reason}")
    manifest = packed.manifest
    difference = manifest.model.max_relative_difference
    equal = "" if difference is None else f", answers differ by at most {difference:.1e} of the original's"
    click.echo(f"{packed.folder}: {manifest.name} as {manifest.model.format}{equal}; {packed.profile}")
