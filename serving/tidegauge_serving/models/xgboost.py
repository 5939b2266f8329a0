"""XGBoost models in their own JSON or UBJSON format."""

from typing import Any

import numpy as np

from tidegauge.bundle import ModelFile
from tidegauge.errors import BundleError
from tidegauge.profile import Profile
from tidegauge_serving.models.base import Artefact, Predictions, require_features
from tidegauge_serving.models.scores import ScoreReader
from tidegauge_serving.schema import Block


def load(artefact: Artefact, profile: Profile) -> "XGBoostModel":
    """Load a booster; raises `BundleError` if it takes other features than the profile has."""
    import xgboost

    booster = xgboost.Booster()
    booster.load_model(bytearray(artefact.path.read_bytes()))
    booster.set_param({"nthread": 1})
    return XGBoostModel(booster, artefact.described, profile)


class XGBoostModel:
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

    one = None

    def __init__(self, booster: Any, described: ModelFile, profile: Profile) -> None:
        self._booster = booster
        names = [feature.name for feature in profile.features]
        require_features(booster.num_features(), len(names), "the XGBoost model")
        if booster.feature_names and list(booster.feature_names) != names:
            raise BundleError(
                f"the XGBoost model's features are {booster.feature_names}, the profile's {names}"
            )
        self._read = ScoreReader(described.classes)

    def predict(self, block: Block) -> Predictions:
        """Predict a block of rows."""
        with np.errstate(all="ignore"):
            return self._read(self._booster.inplace_predict(block.values, validate_features=False))
