"""Options of ``tidegauge pack``."""

from pathlib import Path
from typing import Any, Final

import click

from tidegauge.cli.failure import needs_extra
from tidegauge.cli.options import Number, existing_file, hour_of_day_option, time_option
from tidegauge.kit import kinds

FORMATS: Final = ("auto", "onnx", "skops", "joblib")


@click.command(name="pack", short_help="Make a bundle of a model and its training data.")
@click.option(
    "--model",
    required=True,
    type=click.Path(exists=True, path_type=Path),
    help="The trained model: joblib, pickle, skops, XGBoost's or LightGBM's own file, ONNX, or a folder of "
    "MLflow. Loading joblib or pickle runs what the file says.",
)
@click.option("--data", required=True, type=existing_file, help="CSV or Parquet file it was trained on.")
@click.option("--target", metavar="COLUMN", help="Column that the model predicts.")
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder to write. A bundle that is there is replaced.",
)
@click.option("--name", help="The model's name.  [default: the folder's]")
@time_option
@hour_of_day_option
@click.option(
    "--exclude",
    metavar="COLUMN",
    multiple=True,
    help="A column that is not a feature. May be given several times.",
)
@click.option(
    "--cut-points", type=Number(kinds.whole()), default=1024, help="Cut points per numeric feature, at most."
)
@click.option(
    "--format",
    "model_format",
    type=click.Choice(FORMATS),
    default="auto",
    help="Form of the packed model. auto takes the fastest whose answers are the original's.",
)
@click.option("--allow-pickle", is_flag=True, help="Load a pickle that a folder of MLflow holds.")
@click.option(
    "--trusted-type",
    "trusted_types",
    metavar="TYPE",
    multiple=True,
    help="A type that a skops file may hold. May be given several times.",
)
def command(**given: Any) -> None:
    """Pack a model and its training data into the folder that a storageUri points to."""
    with needs_extra("cli,pack"):
        from tidegauge.cli.pack import run
    run(**given)
