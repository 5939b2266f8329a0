"""``tidegauge pack``: a model and its training data become one bundle."""

import shlex
from collections import Counter
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from tidegauge.cli.loading import warnings_as_lines
from tidegauge.cli.option_names import typed
from tidegauge.cli.tables import printable, screen
from tidegauge.pack import ModelFormat, Packed, pack_model
from tidegauge.profile.profile import Profile
from tidegauge.protocol.bundle import ModelFile


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
    allow_pickle: bool,
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
            allow_pickle=allow_pickle,
        )
    screen().print("\n".join([*summary(packed, data), "", *next_commands(packed)]), markup=False)


def summary(packed: Packed, data: Path) -> list[str]:
    """Return what was packed, in lines for people."""
    manifest, profile = packed.manifest, packed.profile
    model = manifest.model
    size = (packed.folder / model.file).stat().st_size
    lines = [
        f"{packed.folder}: model {manifest.name} as {model.format}, {size / 1e6:,.1f} MB",
        f"  features   {_kinds(profile)}; reference of {profile.rows:,} rows",
        f"  answers    {_equality(model.max_relative_difference)}",
        *(f"  image      {line}" for line in _image(model)),
        *(f"  not as     {refusal.format}: {refusal.reason}" for refusal in packed.refusals),
    ]
    if not _has_times(profile) and (names := _time_columns(data)):
        lines.append(
            f"  times      column {printable(names[0])} was not used: {_WHY_TIMES} "
            f"{typed('--time', names[0])}"
        )
    return lines


_EXTRAS: Final = ("xgboost", "lightgbm")
_WHY_TIMES: Final = "rows that come together count as fewer, and raise fewer false alarms, with"


def _kinds(profile: Profile) -> str:
    kinds = Counter(feature.kind for feature in profile.features)
    return f"{len(profile.features)} ({', '.join(f'{number} {kind}' for kind, number in kinds.items())})"


def _equality(difference: float | None) -> str:
    if difference is None:
        return "not compared with the original's"
    return f"equal to the original's; the largest relative difference is {difference:.1e}"


def _image(model: ModelFile) -> list[str]:
    """What the server's image must hold beside its own packages."""
    needed = dict.fromkeys((model.format, *model.modules, *(("pandas",) if model.frame else ())))
    extras = [name for name in _EXTRAS if name in needed]
    others = [name for name in needed if name not in _EXTRAS and name != model.format]
    lines = []
    if extras:
        built = f"--build-arg SERVING={','.join(('serving', *extras))}"
        lines.append(f"the server's image must have {' and '.join(extras)}: build it with {built}")
    if others:
        lines.append(f"the server's image must also have {', '.join(others)}: docs/images.md says how")
    return lines


def _has_times(profile: Profile) -> bool:
    return any(feature.design_effect is not None for feature in profile.monitored)


def _time_columns(data: Path) -> list[str]:
    """Columns of times in a Parquet file; a CSV file does not say."""
    if data.suffix.lower() not in (".parquet", ".pq"):
        return []
    return [field.name for field in pq.read_schema(data) if pa.types.is_temporal(field.type)]


def next_commands(packed: Packed) -> list[str]:
    """Return three commands that show the model with its monitor, as they can be typed."""
    folder, model = shlex.quote(str(packed.folder)), packed.manifest.model
    allow = " --allow-pickle" if model.format == "joblib" else ""
    allow += "".join(f" --trusted-type {shlex.quote(name)}" for name in model.trusted_types)
    return [
        "Next, the model with its monitor on this machine:",
        f"  tidegauge up {folder} --dir stack{allow}",
        "and in another terminal, traffic with drift and the verdict:",
        "  tidegauge simulate --dir stack --scenario high",
        "  tidegauge report --dir stack --wait Drifting",
    ]
