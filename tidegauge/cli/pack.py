"""``tidegauge pack``: a model and its training data become one bundle."""

from pathlib import Path

import click

from tidegauge.cli.parts import warnings_as_lines
from tidegauge.pack import ModelFormat, pack_model


def run(
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
