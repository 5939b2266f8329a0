"""What a loaded model is to the server."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from tidegauge.errors import BundleError
from tidegauge.protocol.bundle import Feature, ModelFile
from tidegauge_serving.rows.refusal import Refusal
from tidegauge_serving.rows.schema import Block, Value

__all__ = [
    "Artefact",
    "Label",
    "Model",
    "NoNumber",
    "Predictions",
    "frame_of",
    "require_features",
    "require_number",
    "require_numbers",
    "typed_labels",
    "with_gaps",
]

Label: TypeAlias = float | int | str | bool


@dataclass(frozen=True, slots=True)
class Predictions:
    """Predictions of a block's rows.

    Parameters
    ----------
    labels
        Shape ``(n,)``: numbers, truth values, or texts as objects.
    probabilities
        Shape ``(n, classes)`` where the model is a classifier that has them.
    """

    labels: npt.NDArray[Any]
    probabilities: npt.NDArray[np.float64] | None = None

    def require_probabilities(self) -> None:
        """Raise a `Refusal` for the first row whose probabilities are NaN: JSON has no such number."""
        if self.probabilities is None or np.isfinite(self.probabilities).all():
            return
        row = int(np.argmin(np.isfinite(self.probabilities).all(axis=1)))
        raise Refusal(
            "model_refused",
            f"the model's probabilities of row {row} are no numbers: its values are too far from training's; "
            "ask for the prediction alone",
        )

    def __getitem__(self, rows: slice) -> "Predictions":
        probabilities = None if self.probabilities is None else self.probabilities[rows]
        return Predictions(self.labels[rows], probabilities)


@dataclass(frozen=True, slots=True)
class Artefact:
    """A model's file.

    Parameters
    ----------
    path
        Where it is.
    described
        What the manifest says of it.
    trusted_types
        Types beyond skops' own defaults that a skops file may hold.
    features
        The manifest's.
    """

    path: Path
    described: ModelFile
    trusted_types: frozenset[str]
    features: tuple[Feature, ...]


class Model(Protocol):
    """A model, whatever library it came from."""

    one: Callable[[tuple[float, ...]], Label] | None
    """Predicts one row of numbers the quick way, on the event loop's thread only; None if none."""

    many: Callable[[Sequence[tuple[float, ...]]], list[Label]] | None
    """Predicts a few rows of numbers the quick way, as `one` does one; None if none."""

    def predict(self, block: Block) -> Predictions:
        """Predict a block.

        The worker thread makes one call at a time. The event loop asks a quick model too, for small blocks,
        and may do so during a call of the worker thread.
        """


class NoNumber(ValueError):
    """Raised where a prediction is NaN or infinite: JSON has no such number, so it is no answer."""

    def __init__(self, value: float) -> None:
        super().__init__(f"its prediction is {'NaN' if value != value else 'infinite'}, which is no answer")


def require_numbers(labels: npt.NDArray[Any]) -> None:
    """Raise `NoNumber` unless every numeric prediction is finite."""
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        raise NoNumber(float(labels[~np.isfinite(labels)][0]))


def require_number(label: float) -> None:
    """Raise `NoNumber` unless one row's numeric prediction is finite."""
    if not isfinite(label):
        raise NoNumber(label)


def typed_labels(labels: npt.NDArray[Any]) -> tuple[str, npt.NDArray[Any]]:
    """Return labels with their datatype of the V2 protocol: INT64, BOOL, FP64 or BYTES."""
    kind = labels.dtype.kind
    if kind in "iu":
        return "INT64", labels.astype(np.int64)
    if kind == "b":
        return "BOOL", labels
    return ("FP64", labels.astype(np.float64)) if kind == "f" else ("BYTES", labels)


def require_features(found: int, wanted: int, what: str) -> None:
    """Raise `BundleError` unless the model takes as many features as the profile has."""
    if found != wanted:
        raise BundleError(
            f"{what} takes {found} features, the profile has {wanted}: they are of two different models"
        )


def with_gaps(column: Sequence[Value], gap: float | None) -> list[Any]:
    """Return texts with what the model knows for a missing one: NaN, as a table's reader gives, or None."""
    return [gap if value is None else value for value in column]


def frame_of(block: Block, features: Sequence[Feature], gap: float | None) -> Any:
    """Return the block as a pandas frame of the manifest's columns, for models that pick columns by name.

    Category columns have the categories of training, in their order; a missing text is `gap`.

    Raises
    ------
    BundleError
        pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError:
        raise BundleError("this model picks columns by name: pip install pandas beside the server") from None

    def column(at: int, feature: Feature) -> Any:
        if at not in block.texts:
            return block.values[:, at]
        labels = with_gaps(block.texts[at], gap)
        known = set(feature.categories)
        if feature.categories and all(label in known or label is None or label != label for label in labels):
            return pd.Categorical(labels, categories=list(feature.categories))
        return pd.Series(labels, dtype=object)  # a label beyond the categories would become a missing one

    return pd.DataFrame({feature.name: column(at, feature) for at, feature in enumerate(features)})
