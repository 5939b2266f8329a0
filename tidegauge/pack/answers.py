"""Answers of the original model, to its training rows and to rows that training did not have."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from tidegauge.errors import BundleError
from tidegauge.pack.advice import advice
from tidegauge.pack.inputs import Training
from tidegauge.pack.probes import Probe
from tidegauge.profile.profile import category_text
from tidegauge.protocol.bundle import Label

__all__ = [
    "MAX_DIFFERENCE",
    "Answers",
    "Original",
    "Probed",
    "checked",
    "class_labels",
    "original_answers",
    "probed_answers",
]

MAX_DIFFERENCE: Final = 1e-5  # relative for numbers, absolute for probabilities

Answers = npt.NDArray[Any]  # shape (n,): floats, or objects that are the texts of labels
Probabilities = npt.NDArray[np.float64]  # shape (n, classes)


def class_labels(model: Any) -> tuple[Label, ...]:
    """Return a classifier's labels in the order of its `classes_`; empty for others, and for several targets.

    Raises
    ------
    BundleError
        A label is nothing that JSON holds, such as bytes or a date.
    """
    classes = getattr(model, "classes_", None)
    if classes is None or any(np.ndim(each) for each in classes):
        return ()
    array = np.asarray(classes)
    labels = array.astype(object).tolist() if array.dtype.kind == "M" else array.tolist()
    odd = next((label for label in labels if not isinstance(label, str | bool | int | float)), None)
    if odd is not None:
        raise BundleError(
            f"the model's classes are of type {type(odd).__name__}, which no answer can hold: train it with "
            "texts, model.fit(X, y.astype(str))"
        )
    return tuple(labels)


@dataclass(frozen=True, slots=True)
class Original:
    """Answers of the original model to some rows.

    Parameters
    ----------
    answers
        Shape ``(n,)``.
    decided
        Rows whose label is more than a rounding: a classifier's two largest probabilities differ by more than
        `MAX_DIFFERENCE`. All rows of other models. Shape ``(n,)``.
    probabilities
        Shape ``(n, classes)``, None for a model without.
    """

    answers: Answers
    decided: npt.NDArray[np.bool_]
    probabilities: Probabilities | None = None

    @property
    def labels(self) -> bool:
        """Whether the answers are labels."""
        return self.answers.dtype == object

    def row(self, at: int) -> "Original":
        """Return the answer to one row."""
        part = slice(at, at + 1)
        probabilities = None if self.probabilities is None else self.probabilities[part]
        return Original(self.answers[part], self.decided[part], probabilities)


@dataclass(frozen=True, slots=True)
class Probed:
    """A probe and what the original answers to each of its rows: None where it refuses."""

    probe: Probe
    answers: tuple[Original | None, ...]


def original_answers(model: Any, rows: "pd.DataFrame | npt.NDArray[Any]") -> Original:
    """Ask the original model for its training rows.

    Raises
    ------
    BundleError
        It cannot answer these rows, answers with several values a row, or with one that is not finite.
    """
    try:
        raw = model.predict(rows)
    except Exception as error:  # the model is the user's: it may raise anything
        raise BundleError(
            f"the model cannot predict the training rows: {type(error).__name__}: {error}"
            f"{advice(error, model, rows)}"
        ) from error
    return _original(model, rows, raw)


def _original(model: Any, rows: "pd.DataFrame | npt.NDArray[Any]", raw: Any) -> Original:
    answers = checked(raw, labels=bool(class_labels(model)))
    probabilities = _probabilities(model, rows)
    return Original(answers, _decided(answers, probabilities), probabilities)


def probed_answers(model: Any, training: Training, probes: Sequence[Probe]) -> tuple[Probed, ...]:
    """Ask the original model for rows that training did not have."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of unknown categories, once a row
        return tuple(Probed(probe, tuple(_answers(model, training, probe.frame))) for probe in probes)


def _answers(model: Any, training: Training, frame: pd.DataFrame) -> list[Original | None]:
    """Its answer to each row; a block at which it raises is asked in halves."""
    rows = training.model_input(frame)
    try:
        found = _original(model, rows, model.predict(rows))
    except Exception:  # it refuses a row, or answers one with what cannot be served
        if len(frame) == 1:
            return [None]
        half = len(frame) // 2
        return _answers(model, training, frame[:half]) + _answers(model, training, frame[half:])
    return [found.row(at) for at in range(len(frame))]


def _probabilities(model: Any, rows: "pd.DataFrame | npt.NDArray[Any]") -> Probabilities | None:
    """Class probabilities, if the model has them and they are some: from 0 to 1, one for each class."""
    if not hasattr(model, "predict_proba"):
        return None
    try:
        found = np.asarray(model.predict_proba(rows), dtype=np.float64)
    except Exception:  # the attribute alone promises nothing: the model is the user's
        return None
    classes = len(class_labels(model))
    if found.ndim != 2 or (classes and found.shape[1] != classes):
        return None
    return found if ((found >= 0) & (found <= 1)).all() else None


def _decided(answers: Answers, probabilities: Probabilities | None) -> npt.NDArray[np.bool_]:
    if answers.dtype != object or probabilities is None or probabilities.shape[1] < 2:
        return np.ones(len(answers), dtype=bool)
    best = np.sort(probabilities, axis=1)
    decided: npt.NDArray[np.bool_] = best[:, -1] - best[:, -2] > MAX_DIFFERENCE
    return decided


def checked(raw: Any, *, labels: bool) -> Answers:
    """Return answers of any model as one array of floats or of labels' texts."""
    answers = np.asarray(raw)
    if answers.ndim == 2 and answers.shape[1] == 1:
        answers = answers[:, 0]
    if answers.ndim != 1:
        raise BundleError(
            f"the model answers with an array of shape {answers.shape}: one value a row is served"
        )
    if labels:
        return np.array([category_text(value) for value in answers.tolist()], dtype=object)
    if answers.dtype.kind not in "iufb":
        raise BundleError(
            f"the model answers with values of type {answers.dtype}: numbers or classes are served"
        )
    bad = np.flatnonzero(~np.isfinite(answers))
    if bad.size:
        raise BundleError(
            f"the prediction of training row {bad[0]} is {answers[bad[0]]}, and {bad.size - 1} more are "
            "not finite: a served prediction is a number"
        )
    return answers
