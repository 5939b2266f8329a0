"""Model and training data to bundle: the one function the command line calls."""

import re
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tidegauge.errors import BundleError
from tidegauge.fit.roles import require_one_role
from tidegauge.model.asking import parameters_of
from tidegauge.pack.answers import class_labels, original_answers, probed_answers
from tidegauge.pack.choice import Chosen, ModelFormat, RefusedForm, choose
from tidegauge.pack.folder import check_free, write_folder
from tidegauge.pack.inputs import Training, load_table, training_rows
from tidegauge.pack.loading import load_model
from tidegauge.pack.manifest import manifest_of
from tidegauge.pack.probes import probes
from tidegauge.pack.served import Server
from tidegauge.pack.trial import Trial, fit_profile
from tidegauge.profile.profile import Profile
from tidegauge.protocol.bundle import Manifest, check_name
from tidegauge.protocol.names import MANIFEST_FILE, PROFILE_FILE

__all__ = ["PackOptions", "Packed", "pack_model"]


@dataclass(frozen=True, slots=True)
class Packed:
    """The result of `pack_model`.

    Parameters
    ----------
    folder
        The bundle.
    manifest
        Its manifest.
    profile
        Its reference profile.
    refusals
        The better forms the model was not packed in, and why.
    """

    folder: Path
    manifest: Manifest
    profile: Profile
    refusals: tuple[RefusedForm, ...]


def utc_now() -> datetime:
    """Return the time of day, for the manifest's `created`."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class PackOptions:
    """What `pack_model` can be asked for beside the model, its data and the folder.

    Parameters
    ----------
    target
        Column that the model predicts. It is left out; the profile holds the model's own predictions.
    name
        The model's name, a DNS label; by default made of the output folder's name.
    time
        Column of the rows' times, for the profile's design effect.
    hour_of_day
        Whether the profile keeps counts of each hour of the day; needs `time`.
    exclude
        Columns that are no features.
    cut_points
        Cut points of numeric features at most.
    model_format
        ``auto``: the booster's own format, or ONNX where its answers are the original's, else skops.
        Otherwise that format or an error; ``joblib`` is never chosen by itself.
    trusted_types
        For a ``.skops`` model: types to load beyond skops' own defaults.
    allow_pickle
        Whether a folder of MLflow may hold a pickle.
    """

    target: str | None = None
    name: str | None = None
    time: str | None = None
    hour_of_day: bool = False
    exclude: Sequence[str] = ()
    cut_points: int = 1024
    model_format: ModelFormat = "auto"
    trusted_types: Sequence[str] = ()
    allow_pickle: bool = False

    def __post_init__(self) -> None:
        named = {"time": self.time, "target": self.target}
        require_one_role({argument: (name,) for argument, name in named.items() if name is not None})


def pack_model(
    model: Path | str,
    data: Path | str,
    output: Path | str,
    *,
    clock: Callable[[], datetime] = utc_now,
    server: Server | None = None,
    **options: Any,
) -> Packed:
    """Pack a trained model and its training data into a bundle folder.

    Loading a joblib file runs what it says: pack only files of your own. Equal inputs give equal bytes but
    for the manifest's `created`.

    Parameters
    ----------
    model
        File of a scikit-learn, XGBoost or LightGBM estimator or pipeline (joblib, pickle, skops), XGBoost's
        or LightGBM's own file, an ONNX file, or a folder of MLflow.
    data
        Parquet or CSV file of the rows it was trained on, read into memory.
    output
        The folder to write. A bundle that is there is replaced.
    clock
        Gives the time that the manifest states.
    server
        Answers for each form. By default one is started; to pack several models, keep one.
    options
        The fields of `PackOptions`.

    Raises
    ------
    BundleError
        The model cannot be loaded, cannot answer its training rows, or in no form answers as the original.
    SchemaError
        The data lacks a column, or its features are not the model's.
    ProfileError
        The data cannot make a profile.
    """
    return _packed(model, data, Path(output), PackOptions(**options), clock, server)


def _packed(
    path: Path | str,
    data: Path | str,
    folder: Path,
    asked: PackOptions,
    clock: Callable[[], datetime],
    server: Server | None,
) -> Packed:
    check_free(folder)
    name = asked.name or _name_from(folder)
    check_name(name)
    model = load_model(path, asked.trusted_types, allow_pickle=asked.allow_pickle)
    training = training_rows(
        model, load_table(data), target=asked.target, time=asked.time, exclude=asked.exclude
    )
    chosen = _choose(model, training, asked.model_format, server)
    form = chosen.form
    profile = fit_profile(
        training, form.dtype, chosen.answers, asked.cut_points, hour_of_day=asked.hour_of_day
    )
    manifest = manifest_of(name, clock(), training, form, class_labels(model), profile, chosen.found)
    files = {
        form.file: form.data,
        PROFILE_FILE: profile.to_bytes(),
        MANIFEST_FILE: manifest.to_json().encode(),
    }
    write_folder(folder, files)
    return Packed(folder, manifest, profile, chosen.refusals)


def _choose(model: Any, training: Training, model_format: ModelFormat, server: Server | None) -> Chosen:
    original = original_answers(model, training.model_input())
    probed = probed_answers(model, training, probes(training, parameters_of(model)))
    with nullcontext(server) if server is not None else Server() as asked:
        trial = Trial(training, original, probed, class_labels(model), asked)
        return choose(model, training, trial, model_format)


def _name_from(folder: Path) -> str:
    name = re.sub(r"[^a-z0-9]+", "-", folder.resolve().name.lower()).strip("-")[:63].rstrip("-")
    if not name:
        raise BundleError(f"no name can be made of {str(folder)!r}: give one")
    return name
