"""From a bundle's folder to a model that has answered its own example; `BundleError` if it cannot."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tidegauge.errors import BundleError, ProfileError
from tidegauge.profile.profile import NumericFeature, Profile
from tidegauge.protocol.bundle import Manifest
from tidegauge_serving.models import Model, Predictions, load_model
from tidegauge_serving.models.base import typed_labels
from tidegauge_serving.predict.batching import Batcher
from tidegauge_serving.predict.blame import Blame
from tidegauge_serving.predict.engine import Engine, Speed, accepted_missing, measure, together
from tidegauge_serving.rows.diagnostics import diagnose_features
from tidegauge_serving.rows.refusal import Refusal
from tidegauge_serving.rows.schema import Block, RowSchema
from tidegauge_serving.settings import Settings

__all__ = ["Loaded", "load", "load_unmeasured"]


@dataclass(frozen=True, slots=True)
class Loaded:
    """A bundle whose parts fit together and whose example was predicted.

    Parameters
    ----------
    manifest, profile, model
        The bundle's.
    schema
        What a row must be.
    speed
        The model's, measured.
    label_datatype
        Datatype of the prediction in the V2 protocol.
    has_probabilities
        Whether the model answers class probabilities.
    """

    manifest: Manifest
    profile: Profile
    model: Model
    schema: RowSchema
    speed: Speed
    label_datatype: str
    has_probabilities: bool

    def engine(self, settings: Settings) -> Engine:
        """Return where the model runs."""
        batcher = Batcher(self.model.predict, settings.batch_rows, settings.batch_wait_seconds)
        example = _example(self.manifest, self.profile)
        blame = Blame(self.model.predict, example, self.schema.names)
        many = together(self.model, example) if self.speed.inline_rows else None
        return Engine(self.model, self.speed, batcher, blame, many)


def load(settings: Settings, clock: Callable[[], float] = time.perf_counter) -> Loaded:
    """Load and check a bundle, and warm its model up.

    Raises
    ------
    BundleError
        A part is not what it says, or the parts do not fit together.
    """
    loaded = load_unmeasured(settings)
    example = _example(loaded.manifest, loaded.profile)
    return replace(loaded, speed=measure(loaded.model, example, clock))


def load_unmeasured(settings: Settings) -> Loaded:
    """Load and check a bundle as `load` does, without measuring the model's speed."""
    folder = settings.bundle
    manifest = Manifest.load(folder)
    manifest.verify(folder)
    profile = _load_profile(folder, manifest)
    model = load_model(
        folder,
        manifest,
        profile,
        allow_pickle=settings.allow_pickle,
        trusted_types=settings.trusted_types,
    )
    example = _example(manifest, profile)
    predictions = _warm_up(model, example, profile)
    missing = _accepted_missing(model, example, manifest, profile)
    return Loaded(
        manifest,
        profile,
        model,
        RowSchema(profile.features, manifest.features, missing),
        Speed(0.0, 0.0),
        typed_labels(predictions.labels)[0],
        predictions.probabilities is not None,
    )


def _load_profile(folder: Path, manifest: Manifest) -> Profile:
    try:
        profile = Profile.load(folder / manifest.profile.file)
    except ProfileError as error:
        raise BundleError(f"the bundle's profile cannot be used: {error}") from error
    if profile.hash != manifest.profile.hash:
        raise BundleError(f"the profile's hash is {profile.hash}, the manifest says {manifest.profile.hash}")
    described = [(feature.name, feature.kind) for feature in manifest.features]
    found = [(feature.name, feature.kind) for feature in profile.features]
    if described != found:
        raise BundleError(f"the manifest's features are {described}, the profile's {found}: they do not fit")
    return profile


def _example(manifest: Manifest, profile: Profile) -> Block:
    """The manifest's example as a block; any value may be missing in it."""
    schema = RowSchema(profile.features, manifest.features, [True] * len(profile.features))
    try:
        diagnose_features(schema, manifest.example.get("features"), "the manifest's example")
    except Refusal as refusal:
        raise BundleError(f"{refusal}: the warm-up row cannot be predicted") from refusal
    features = manifest.example["features"]
    return schema.block([tuple(features[name] for name in schema.names)])


def _warm_up(model: Model, example: Block, profile: Profile) -> Predictions:
    """Predict the example, in a batch and alone."""
    try:
        predictions = model.predict(example)
        quick: Any = model.one and not example.texts and model.one(tuple(example.values[0].tolist()))
    except BundleError:
        raise
    except Exception as error:  # models raise whatever they like
        raise BundleError(
            f"the model cannot predict the manifest's example: {' '.join(str(error).split())[:300]}"
        ) from error
    label = predictions.labels.tolist()[0]
    numeric = isinstance(profile.prediction, NumericFeature)
    if len(predictions.labels) != 1 or (numeric and not _is_number(label)):
        raise BundleError(
            f"the model's prediction of the example is {label!r}: the profile's prediction is numeric"
        )
    if quick is not None and quick is not False and not _same(quick, label):
        raise BundleError(f"the model predicts the example as {label!r} in a batch and {quick!r} alone")
    return predictions


def _is_number(label: object) -> bool:
    return isinstance(label, bool | int | float) and bool(np.isfinite(label))


def _same(one: Any, other: Any) -> bool:
    return bool(one == other) or (isinstance(one, float) and bool(np.isclose(one, other, rtol=1e-5)))


def _accepted_missing(model: Model, example: Block, manifest: Manifest, profile: Profile) -> tuple[bool, ...]:
    """What packing found for each feature; where it found nothing, what the model does now."""
    known = [feature.accepts_missing for feature in manifest.features]
    open_ones = [found is None for found in known]
    candidates = [ask and may for ask, may in zip(open_ones, _may_be_missing(manifest, profile), strict=True)]
    tried = accepted_missing(model, example, candidates)
    return tuple(now if found is None else found for found, now in zip(known, tried, strict=True))


def _may_be_missing(manifest: Manifest, profile: Profile) -> list[bool]:
    """An ONNX graph was compared with the original on the training rows only, with what was missing there."""
    native = manifest.model.format != "onnx"
    return [native or feature.missing > 0 for feature in profile.features]
