"""``tidegauge profile``: make a reference profile, look at it, compare two."""

import math
from pathlib import Path
from typing import Final

import click

from tidegauge.cli.loading import check_folder, load_profile, warnings_as_lines
from tidegauge.cli.tables import Column, print_table, screen
from tidegauge.profile.comparison import FeatureDifference, compare
from tidegauge.profile.profile import CategoricalFeature, Feature, NumericFeature, Profile


def build(
    data: Path,
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
    """Make the profile of DATA, a CSV or Parquet file that may be larger than memory."""
    check_folder(output)
    with warnings_as_lines():
        profile = Profile.fit(
            data,
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


_SHOWN: Final = (
    Column("feature", names=True),
    *(Column(title) for title in ("kind", "type", "dtype")),
    *(Column(title, "right") for title in ("cells", "missing", "mean", "sd", "min", "max")),
)


def show(file: Path) -> None:
    """Show the features of the profile FILE, or of the bundle in that folder."""
    profile = load_profile(file)
    screen().print(f"{profile.rows} rows, hash {profile.hash}")
    print_table(_SHOWN, map(_described, profile.monitored))
    for line in _knowledge(profile):
        click.echo(line)


def _knowledge(profile: Profile) -> list[str]:
    """What the profile knows of the rows' times, and what it does not."""
    monitored = profile.monitored
    known = {f.name: f.design_effect.values[-1] for f in monitored if f.design_effect is not None}
    unknown = [f.name for f in monitored if f.name not in known]
    if not known:
        effect = "not known, so it is learned from live rows: --time names the rows' times"
    else:
        largest = max(known, key=lambda name: known[name])
        effect = f"up to {known[largest]:.1f} ({largest})"
        effect += f"; not known for {', '.join(unknown)}" if unknown else ", known for all features"
    hourly = any(f.hourly is not None for f in monitored)
    hours = "a reference for each" if hourly else "one reference for all: --hour-of-day keeps one for each"
    lines = [f"design effect: {effect}", f"hours of the day: {hours}"]
    if untyped := [f.name for f in monitored if f.type is None]:
        lines.append(
            f"types: not known for {', '.join(untyped)}; texts there that are no numbers are missing"
        )
    return lines


def _described(feature: Feature) -> list[str]:
    named = [feature.name, feature.kind, feature.type or ""]
    common = [str(feature.cells), str(feature.missing)]
    if isinstance(feature, NumericFeature):
        numbers = (feature.mean, feature.sd, feature.min, feature.max)
        return [*named, feature.dtype, *common, *(_number(x) for x in numbers)]
    assert isinstance(feature, CategoricalFeature)
    return [*named, "", *common, "", "", "", ""]


_DIFFERING: Final = (
    Column("feature", names=True),
    *(Column(title) for title in ("what changed", "mean", "sd")),
    Column("distance at least", "right"),
)


def diff(old: Path, new: Path) -> None:
    """Compare the profiles, or bundles, OLD and NEW. Exit code 1 when they differ, as with diff."""
    before, after = load_profile(old), load_profile(new)
    if before.hash == after.hash:
        click.echo(f"the same profile, hash {before.hash}")
        return
    click.echo(f"{before.rows} rows, hash {before.hash}\n{after.rows} rows, hash {after.hash}")
    print_table(_DIFFERING, map(_compared, compare(before, after)))
    raise click.exceptions.Exit(1)


def _compared(difference: FeatureDifference) -> list[str]:
    pairs = (difference.mean, difference.sd)
    moments = ["" if pair is None else " -> ".join(_number(x) for x in pair) for pair in pairs]
    distance = "" if difference.distance is None else f"{difference.distance:.4f}"
    return [difference.name, ", ".join(difference.changes), *moments, distance]


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.6g}"
