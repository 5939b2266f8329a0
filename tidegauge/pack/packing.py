"""Model and training data to bundle: the one function the command line calls."""

import hashlib
import platform
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import numpy as np

from tidegauge.bundle import Feature, Label, Manifest, ModelFile, Prediction, ProfileFile, check_name
from tidegauge.contract import MANIFEST_FILE, PROFILE_FILE
from tidegauge.errors import BundleError
from tidegauge.pack.answers import class_labels, original_answers
from tidegauge.pack.choice import Chosen, ModelFormat, Refusal, choose
from tidegauge.pack.folder import check_free, write_folder
from tidegauge.pack.inputs import TEXT, Column, Training, load_table, training_rows
from tidegauge.pack.loading import load_model
from tidegauge.profile import NumericFeature, Profile
from tidegauge.values import json_cell

__all__ = ["Packed", "pack_model"]

_PACKAGES: Final = ("numpy", "onnx", "onnxruntime", "scikit-learn", "skl2onnx", "skops", "tidegauge")
_BOOSTERS: Final = {"xgboost": ("xgboost", "xgboost-cpu"), "lightgbm": ("lightgbm",)}


@dataclass(frozen=True, slots=True)
class Packed:
    """What `pack_model` made.

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
    refusals: tuple[Refusal, ...]


def utc_now() -> datetime:
    """The time of day, for the manifest's `created`."""
    return datetime.now(UTC)


def pack_model(
    model: Path | str,
    data: Path | str,
    output: Path | str,
    *,
    target: str | None = None,
    name: str | None = None,
    time: str | None = None,
    hour_of_day: bool = False,
    exclude: Sequence[str] = (),
    cut_points: int = 1024,
    model_format: ModelFormat = "auto",
    trusted_types: Sequence[str] = (),
    allow_pickle: bool = False,
    clock: Callable[[], datetime] = utc_now,
) -> Packed:
    """Pack a trained model and its training data into a bundle folder.

    The model's file is loaded with joblib, which runs what the file says: pack only files of your own.
    Equal inputs give equal bytes but for the manifest's `created`.

    Parameters
    ----------
    model
        File of a scikit-learn, XGBoost or LightGBM estimator or pipeline (joblib, pickle, skops), XGBoost's
        or LightGBM's own file, an ONNX file, or a folder of MLflow.
    data
        Parquet or CSV file of the rows it was trained on, read into memory.
    output
        The folder to write. A bundle that is there is replaced.
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
    clock
        Gives the time that the manifest states.

    Raises
    ------
    BundleError
        The model cannot be loaded, cannot answer its training rows, or in no form answers as the original.
    SchemaError
        The data lacks a column, or its features are not the model's.
    ProfileError
        The data cannot make a profile.
    """
    folder = Path(output)
    check_free(folder)
    name = name or _name_from(folder)
    check_name(name)
    loaded = load_model(model, trusted_types, allow_pickle=allow_pickle)
    training = training_rows(loaded, load_table(data), target=target, time=time, exclude=exclude)
    original = original_answers(loaded, training.model_input())
    chosen = choose(loaded, training, original, model_format)
    profile = _fit_profile(training, chosen, cut_points, hour_of_day)
    files = {chosen.form.file: chosen.form.data, PROFILE_FILE: profile.to_bytes()}
    profile_sha256 = _sha256(files[PROFILE_FILE])
    manifest = _manifest(name, clock(), training, chosen, class_labels(loaded), profile, profile_sha256)
    write_folder(folder, {**files, MANIFEST_FILE: manifest.to_json().encode()})
    return Packed(folder, manifest, profile, chosen.refusals)


def _fit_profile(training: Training, chosen: Chosen, cut_points: int, hour_of_day: bool) -> Profile:
    """The reference: features as the server will take them, predictions as it will give them."""
    numbers = [column.name for column in training.columns if column.kind == "numeric"]
    return Profile.fit(
        training.frame,
        cut_points,
        [column.name for column in training.columns],
        prediction=chosen.answers,
        time=None if training.time is None else training.time.to_numpy(),
        hour_of_day=hour_of_day,
        dtypes=dict.fromkeys(numbers, chosen.form.dtype),
        categorical=[column.name for column in training.columns if column.kind == "categorical"],
    )


def _manifest(
    name: str,
    created: datetime,
    training: Training,
    chosen: Chosen,
    classes: tuple[Label, ...],
    profile: Profile,
    profile_sha256: str,
) -> Manifest:
    return Manifest(
        name=name,
        created=created.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        model=_model_file(chosen, classes),
        profile=ProfileFile(file=PROFILE_FILE, sha256=profile_sha256, hash=profile.hash),
        features=_features(training, chosen.form.dtype),
        prediction=_prediction(profile),
        example={"features": _example(training)},
        versions=_versions(chosen.form.format),
    )


def _model_file(chosen: Chosen, classes: tuple[Label, ...]) -> ModelFile:
    form = chosen.form
    return ModelFile(
        format=form.format,
        file=form.file,
        sha256=_sha256(form.data),
        max_relative_difference=chosen.max_relative_difference,
        trusted_types=form.trusted_types,
        classes=classes,
    )


def _features(training: Training, dtype: str) -> tuple[Feature, ...]:
    return tuple(
        Feature(
            name=column.name,
            kind=column.kind,
            dtype=dtype if column.kind == "numeric" else TEXT,
            type=column.type,
            categories=column.categories,
        )
        for column in training.columns
    )


def _prediction(profile: Profile) -> Prediction:
    feature = profile.prediction
    if isinstance(feature, NumericFeature):
        return Prediction(kind="numeric", dtype=feature.dtype)
    return Prediction(kind="categorical", dtype=TEXT)


def _example(training: Training) -> dict[str, Any]:
    """The first row without a missing value, or else the first: a request that can be sent as it is."""
    whole = np.flatnonzero(training.frame.notna().all(axis=1).to_numpy())
    row = training.frame.iloc[int(whole[0]) if whole.size else 0]
    return {column.name: _example_value(row[column.name], column) for column in training.columns}


def _example_value(value: Any, column: Column) -> Any:
    """A cell as JSON holds it; numbers to 6 significant digits, which is enough to read and to send."""
    plain = json_cell(value)
    if plain is None or column.kind == "categorical":
        return plain
    if column.type == "boolean":
        return bool(plain)
    if not np.isfinite(plain):
        return None
    number = float(f"{float(plain):.6g}")
    return int(number) if number.is_integer() else number


def _name_from(folder: Path) -> str:
    name = re.sub(r"[^a-z0-9]+", "-", folder.resolve().name.lower()).strip("-")[:63].rstrip("-")
    if not name:
        raise BundleError(f"no name can be made of {str(folder)!r}: give one")
    return name


def _versions(model_format: str) -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in (*_PACKAGES, *_BOOSTERS.get(model_format, ())):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
