"""scikit-learn models: from skops files, and from joblib files where that was allowed."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from tidegauge.errors import BundleError
from tidegauge.model.asking import gap_of, takes_texts
from tidegauge.nearest import listed
from tidegauge.profile.profile import CategoricalFeature, NumericFeature, Profile
from tidegauge.protocol.bundle import Feature
from tidegauge_serving.models.base import Artefact, Predictions, frame_of, require_features, with_gaps
from tidegauge_serving.rows.schema import Block


def load(artefact: Artefact, profile: Profile) -> "SklearnModel":
    """Load a skops or joblib file; raises `BundleError` for a type that is not trusted, or no model."""
    path = artefact.path
    model = _load_joblib(path) if artefact.described.format == "joblib" else _load_skops(artefact)
    # a model fitted on a frame is asked with an array in the same order, which is checked below
    warnings.filterwarnings("ignore", message=".*does not have valid feature names.*")
    if not callable(getattr(model, "predict", None)):
        raise BundleError(f"{path.name} holds a {type(model).__name__}, which has no predict")
    return SklearnModel(model, profile, artefact)


class SklearnModel:
    """Anything with scikit-learn's `predict`.

    Parameters
    ----------
    model
        The fitted estimator.
    profile
        Gives the features' names.
    artefact
        Says whether it is asked with a frame, of which columns, and whether it answers probabilities.
    """

    one = many = None

    def __init__(self, model: Any, profile: Profile, artefact: Artefact) -> None:
        described = artefact.described
        self._features = artefact.features
        self._model = model
        self._has_probability = hasattr(model, "predict_proba") and described.probability is not False
        self._names = tuple(feature.name for feature in profile.features)
        if hasattr(model, "n_features_in_"):
            require_features(model.n_features_in_, len(self._names), "the scikit-learn model")
        fitted = [str(name) for name in getattr(model, "feature_names_in_", ())]
        if fitted and fitted != list(self._names):
            raise BundleError(
                f"the model was fitted on {listed(fitted)}, the profile has {listed(self._names)}: pack it "
                "again with the data that it was fitted on"
            )
        categorical = any(isinstance(feature, CategoricalFeature) for feature in profile.features)
        by_name = bool(fitted) and (categorical or _has_parts(model))
        self._by_name = by_name if described.frame is None else described.frame
        described_as = zip(artefact.features, profile.features, strict=True)
        self._truths_with_gaps = [at for at, each in enumerate(described_as) if _has_gaps(*each)]
        self._gap = None if gap_of(model) == "None" else float("nan")
        self._takes_texts = takes_texts(model)
        if self._takes_texts:
            _require_one_text(profile)
        _use_one_thread(model)

    def predict(self, block: Block) -> Predictions:
        """Predict a block of rows."""
        rows = self._rows(block)
        labels = np.asarray(self._model.predict(rows)).reshape(len(block), -1)[:, 0]
        probabilities = self._model.predict_proba(rows) if self._has_probability else None
        return Predictions(labels, probabilities)

    def _rows(self, block: Block) -> Any:
        if self._takes_texts:
            return np.array(with_gaps(block.texts[0], self._gap), dtype=object)
        if self._by_name:
            return frame_of(block, self._features, self._gap)
        if not block.texts and not self._truths_with_gaps:
            return block.values
        rows = block.values.astype(object)
        for at, column in block.texts.items():
            rows[:, at] = with_gaps(column, self._gap)
        for at in self._truths_with_gaps:
            rows[np.isnan(block.values[:, at]), at] = self._gap
        return rows


def _has_gaps(described: Feature, feature: NumericFeature | CategoricalFeature) -> bool:
    """Whether training had truth values and gaps: objects then, and encoders insist on objects."""
    return described.type == "boolean" and feature.missing > 0


def _require_one_text(profile: Profile) -> None:
    if [feature.kind for feature in profile.features] != ["categorical"]:
        raise BundleError("the model takes one column of texts, the profile has other features")


def untrusted_types(path: Path) -> list[str]:
    """Return the types of a skops file that skops trusts in no process, in order."""
    import skops.io

    return sorted(skops.io.get_untrusted_types(file=path))


def _load_skops(artefact: Artefact) -> Any:
    import skops.io

    path, trusted_types = artefact.path, artefact.trusted_types
    if untrusted := sorted(set(untrusted_types(path)) - trusted_types):
        raise BundleError(
            f"{path.name} holds types that are not trusted: {', '.join(untrusted)}; "
            "name them in --trusted-types if they are yours"
        )
    return skops.io.load(path, trusted=sorted(trusted_types))


def _load_joblib(path: Path) -> Any:
    import joblib

    return joblib.load(path)


def _has_parts(model: Any) -> bool:
    """Whether the model is made of others, one of which may pick columns by name."""
    parameters = model.get_params() if hasattr(model, "get_params") else {}
    return any(hasattr(value, "fit") for value in parameters.values())


def _use_one_thread(model: Any) -> None:
    """Batches are small and there is one worker thread: more threads per call only cost."""
    parameters = model.get_params() if hasattr(model, "get_params") else {}
    threads = {name: 1 for name in parameters if name.rpartition("__")[2] == "n_jobs"}
    if threads:
        model.set_params(**threads)
