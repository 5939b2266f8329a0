"""LightGBM models in their own text format."""

from typing import Any

from tidegauge.bundle import ModelFile
from tidegauge.profile import CategoricalFeature, Profile
from tidegauge_serving.models.base import Artefact, Predictions, frame_of, require_features
from tidegauge_serving.models.scores import ScoreReader
from tidegauge_serving.schema import Block


def load(artefact: Artefact, profile: Profile) -> "LightGBMModel":
    """Load a booster; raises `BundleError` if it takes other features than the profile has."""
    import lightgbm

    return LightGBMModel(lightgbm.Booster(model_str=artefact.path.read_text()), artefact.described, profile)


class LightGBMModel:
    """A booster.

    Parameters
    ----------
    booster
        The loaded booster.
    described
        Gives the classes of a classifier.
    profile
        Gives names and categories.
    """

    one = None

    def __init__(self, booster: Any, described: ModelFile, profile: Profile) -> None:
        self._booster = booster
        self._names = tuple(feature.name for feature in profile.features)
        require_features(booster.num_feature(), len(self._names), "the LightGBM model")
        self._categories = {
            at: feature.categories
            for at, feature in enumerate(profile.features)
            if isinstance(feature, CategoricalFeature)
        }
        self._read = ScoreReader(described.classes)

    def predict(self, block: Block) -> Predictions:
        """Predict a block of rows."""
        rows = frame_of(block, self._names, self._categories) if self._categories else block.values
        return self._read(self._booster.predict(rows, num_threads=1))
