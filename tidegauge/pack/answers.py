"""A model's answers, and how far another form of the same model answers differently."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from tidegauge.bundle import Label
from tidegauge.errors import BundleError
from tidegauge.pack.advice import advice
from tidegauge.profile import category_text

__all__ = [
    "MAX_RELATIVE_DIFFERENCE",
    "Answers",
    "Original",
    "class_labels",
    "difference",
    "differing_labels",
    "in_chunks",
    "original_answers",
]

MAX_RELATIVE_DIFFERENCE: Final = 1e-5
CHUNK_ROWS: Final = 1024  # nearest neighbours hold chunk x training rows distances at once

Answers = npt.NDArray[Any]  # shape (n,): floats, or objects that are the texts of labels


def class_labels(model: Any) -> tuple[Label, ...]:
    """A classifier's labels in the order of its `classes_`; empty for other models."""
    classes = getattr(model, "classes_", None)
    return () if classes is None else tuple(np.asarray(classes).tolist())


@dataclass(frozen=True, slots=True)
class Original:
    """What the original model answers to the training rows.

    Parameters
    ----------
    answers
        Shape ``(n,)``.
    decided
        Rows whose label is more than a rounding: a classifier's two largest probabilities differ by more than
        `MAX_RELATIVE_DIFFERENCE`. All rows of other models. Shape ``(n,)``.
    """

    answers: Answers
    decided: npt.NDArray[np.bool_]

    @property
    def labels(self) -> bool:
        """Whether the answers are labels."""
        return self.answers.dtype == object


def original_answers(model: Any, rows: "pd.DataFrame | npt.NDArray[Any]") -> Original:
    """Ask the original model.

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
    answers = checked(raw, labels=bool(class_labels(model)))
    decided = np.ones(len(answers), dtype=bool)
    if answers.dtype == object and hasattr(model, "predict_proba"):
        best = np.sort(model.predict_proba(rows), axis=1)
        decided = best[:, -1] - best[:, -2] > MAX_RELATIVE_DIFFERENCE
    return Original(answers, decided)


def checked(raw: Any, *, labels: bool) -> Answers:
    """Answers of any model as one array of floats or of labels' texts."""
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


def in_chunks(
    predict: Callable[[pd.DataFrame], Any], frame: pd.DataFrame, *, labels: bool, rows: int = CHUNK_ROWS
) -> Answers:
    """Answers of `predict` for all rows, asked for so many rows at a time."""
    parts = [
        checked(predict(frame.iloc[start : start + rows]), labels=labels)
        for start in range(0, len(frame), rows)
    ]
    return np.concatenate(parts)


def difference(packed: Answers, original: Original) -> float:
    """How far another form's answers, to all rows or the first ones, are from the original's.

    Returns
    -------
    float
        For numbers, the largest ``|packed - original| / max(|original|, mean |original|)``: an answer near
        0 is measured by what answers are like, not by itself. For labels, the share of decided rows whose
        labels differ.
    """
    if original.labels:
        differing, decided = differing_labels(packed, original)
        return differing / max(1, decided)
    exact = original.answers[: len(packed)].astype(np.float64)
    scale = np.maximum(np.abs(exact), np.abs(original.answers.astype(np.float64)).mean())
    gap = np.abs(packed.astype(np.float64) - exact)
    return float(np.max(np.divide(gap, scale, out=gap, where=scale > 0)))


def differing_labels(packed: Answers, original: Original) -> tuple[int, int]:
    """How many labels differ from the original's, of how many decided rows among those asked."""
    decided = original.decided[: len(packed)]
    differing = (packed != original.answers[: len(packed)]) & decided
    return int(differing.sum()), int(decided.sum())
