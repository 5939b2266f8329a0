"""The manifest of a bundle."""

import hashlib
import platform
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

import numpy as np

from tidegauge.data.values import json_cell
from tidegauge.pack.form import Form
from tidegauge.pack.inputs import TEXT, Column, Training
from tidegauge.pack.probes import whole_rows
from tidegauge.profile.profile import NumericFeature, Profile
from tidegauge.protocol.bundle import Feature, Label, Manifest, ModelFile, Prediction, ProfileFile
from tidegauge.protocol.names import PROFILE_FILE

__all__ = ["Found", "manifest_of"]

_PACKAGES: Final = ("numpy", "onnx", "onnxruntime", "scikit-learn", "skl2onnx", "skops", "tidegauge")
_BOOSTERS: Final = {"xgboost": ("xgboost", "xgboost-cpu"), "lightgbm": ("lightgbm",)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The result of comparing a form with the original.

    Parameters
    ----------
    probability
        Whether class probabilities are served.
    accept_missing, refuse_missing
        Features that a request may leave out, and those that it may not; nothing is known of others.
    max_relative_difference, max_probability_difference
        Of predictions and probabilities; None before the comparison.
    modules
        What the model needs and the server's image lacks.
    trusted_types
        For skops: the types that a server's owner must trust.
    """

    probability: bool
    accept_missing: Collection[str]
    refuse_missing: Collection[str]
    max_relative_difference: float | None = None
    max_probability_difference: float | None = None
    modules: tuple[str, ...] = ()
    trusted_types: tuple[str, ...] = ()


def manifest_of(
    name: str,
    created: datetime,
    training: Training,
    form: Form,
    classes: tuple[Label, ...],
    profile: Profile,
    found: Found,
) -> Manifest:
    """Return the manifest of a form and a profile."""
    return Manifest(
        name=name,
        created=created.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        model=_model_file(form, classes, found),
        profile=ProfileFile(file=PROFILE_FILE, sha256=_sha256(profile.to_bytes()), hash=profile.hash),
        features=_features(training, form.dtype, found),
        prediction=_prediction(profile),
        example={"features": _example(training)},
        versions=_versions(form),
    )


def _model_file(form: Form, classes: tuple[Label, ...], found: Found) -> ModelFile:
    return ModelFile(
        format=form.format,
        file=form.file,
        sha256=_sha256(form.data),
        max_relative_difference=found.max_relative_difference,
        trusted_types=found.trusted_types,
        classes=classes,
        probability=found.probability,
        max_probability_difference=found.max_probability_difference,
        frame=form.frame,
        modules=found.modules,
    )


def _features(training: Training, dtype: str, found: Found) -> tuple[Feature, ...]:
    known = {**dict.fromkeys(found.accept_missing, True), **dict.fromkeys(found.refuse_missing, False)}
    return tuple(
        Feature(
            name=column.name,
            kind=column.kind,
            dtype=dtype if column.kind == "numeric" else TEXT,
            type=column.type,
            categories=column.categories,
            accepts_missing=known.get(column.name),
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
    row = training.frame.iloc[whole_rows(training.frame)[0]]
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


def _versions(form: Form) -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in (*_PACKAGES, *_BOOSTERS.get(form.format, ()), *(("pandas",) if form.frame else ())):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
