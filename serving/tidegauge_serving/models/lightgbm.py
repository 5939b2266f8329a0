"""LightGBM models in their own text format."""

from typing import Any

from tidegauge.profile.profile import Profile
from tidegauge.protocol.bundle import ModelFile
from tidegauge_serving.models.base import Artefact, Predictions, require_features
from tidegauge_serving.models.scores import ScoreReader
from tidegauge_serving.rows.schema import Block


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
        Gives the features.
    """

    one = many = None

    def __init__(self, booster: Any, described: ModelFile, profile: Profile) -> None:
        self._booster = booster
        require_features(booster.num_feature(), len(profile.features), "the LightGBM model")
        self._read = ScoreReader(described.classes, probability=described.answers_probability)

    def predict(self, block: Block) -> Predictions:
        """Predict a block of rows."""
        return self._read(self._booster.predict(block.values, num_threads=1))
