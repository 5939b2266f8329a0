"""XGBoost models in their own JSON or UBJSON format.

The file says what the scikit-learn estimator knows beside its trees: the objective, and the best iteration of
a training with early stopping. Both change what `predict` answers.
"""

import json
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from tidegauge.errors import BundleError
from tidegauge.profile.profile import Profile
from tidegauge.protocol.bundle import ModelFile
from tidegauge_serving.models.base import Artefact, Predictions, require_features
from tidegauge_serving.models.scores import ScoreReader
from tidegauge_serving.rows.schema import Block

_Ask: TypeAlias = Callable[[npt.NDArray[np.float64]], npt.NDArray[Any]]


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

    one = many = None

    def __init__(self, booster: Any, described: ModelFile, profile: Profile) -> None:
        self._booster = booster
        names = [feature.name for feature in profile.features]
        require_features(booster.num_features(), len(names), "the XGBoost model")
        if booster.feature_names and list(booster.feature_names) != names:
            raise BundleError(
                f"the XGBoost model's features are {booster.feature_names}, the profile's {names}"
            )
        self._ask = _asker(booster)
        self._read = ScoreReader(described.classes, probability=described.answers_probability)

    def predict(self, block: Block) -> Predictions:
        """Predict a block of rows."""
        with np.errstate(all="ignore"):
            return self._read(self._ask(block.values))


def _asker(booster: Any) -> _Ask:
    """What the estimator asks its booster for: the best iteration's trees, the objective's transformation."""
    learner = json.loads(booster.save_config())["learner"]
    linear = learner["gradient_booster"]["name"] == "gblinear"
    best = None if linear else booster.attr("best_iteration")
    iterations = (0, 0 if best is None else int(best) + 1)
    margin = learner["objective"]["name"] == "multi:softmax"  # else it answers the class, not its scores
    ask = _by_matrix(booster, margin) if linear else _in_place(booster, iterations, margin)
    return (lambda values: _softmax(ask(values))) if margin else ask


def _in_place(booster: Any, iterations: tuple[int, int], margin: bool) -> _Ask:
    kind = "margin" if margin else "value"

    def ask(values: npt.NDArray[np.float64]) -> Any:
        return booster.inplace_predict(
            values, iteration_range=iterations, predict_type=kind, validate_features=False
        )

    return ask


def _by_matrix(booster: Any, margin: bool) -> _Ask:
    """Linear boosters take no array."""
    import xgboost

    def ask(values: npt.NDArray[np.float64]) -> Any:
        rows = xgboost.DMatrix(values, nthread=1)
        return booster.predict(rows, output_margin=margin, validate_features=False)

    return ask


def _softmax(margins: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    powers = np.exp(margins - margins.max(axis=1, keepdims=True))
    probabilities: npt.NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return probabilities
