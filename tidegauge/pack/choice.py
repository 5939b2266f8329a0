"""Which form a model is packed in: the best one whose answers are the original's."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Literal

import numpy as np

from tidegauge.errors import BundleError
from tidegauge.pack.answers import (
    MAX_RELATIVE_DIFFERENCE,
    Answers,
    Original,
    difference,
    differing_labels,
    in_chunks,
)
from tidegauge.pack.boosters import booster_form, booster_library
from tidegauge.pack.form import Form
from tidegauge.pack.inputs import Training
from tidegauge.pack.native import Native
from tidegauge.pack.onnx_format import onnx_form
from tidegauge.pack.pickled import joblib_form, skops_form

__all__ = ["Chosen", "ModelFormat", "Refusal", "choose"]

SINGLE_ROWS: Final = 256
ModelFormat = Literal["auto", "onnx", "skops", "joblib"]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a form of the model was not taken."""

    format: str
    reason: str


@dataclass(frozen=True, slots=True)
class Chosen:
    """The form taken, its answers to the training rows, and the better forms refused."""

    form: Form
    answers: Answers
    max_relative_difference: float
    refusals: tuple[Refusal, ...]


def choose(model: Any, training: Training, original: Original, model_format: ModelFormat = "auto") -> Chosen:
    """Try the forms in order, best first, and take the first whose answers equal the original's.

    Raises
    ------
    BundleError
        No form does; the message lists why for each.
    """
    refusals: list[Refusal] = []
    for name, make in _forms(model, training, model_format):
        taken = _attempt(name, make, training, original)
        if isinstance(taken, Refusal):
            refusals.append(taken)
        else:
            form, answers, gap = taken
            return Chosen(form, answers, gap, tuple(refusals))
    reasons = "; ".join(f"{refusal.format}: {refusal.reason}" for refusal in refusals)
    raise BundleError(
        f"no form of this {type(model).__name__} answers as it does ({reasons}); "
        "model_format='joblib' packs the object itself, for servers that are allowed to load pickles"
    )


def _forms(
    model: Any, training: Training, model_format: ModelFormat
) -> Iterator[tuple[str, Callable[[], Form]]]:
    if isinstance(model, Native):
        yield model.form.format, lambda: model.form
        return
    library = booster_library(model)
    if model_format == "auto" and library is not None:
        yield library, partial(booster_form, model, library)
    elif model_format in ("auto", "onnx"):
        for layout in ("matrix", "columns") if training.numeric else ("columns",):
            for dtype in ("float32", "float64"):
                yield f"onnx, {layout}, {dtype}", partial(onnx_form, model, training, layout, dtype)
    if model_format in ("auto", "skops"):
        yield "skops", partial(skops_form, model, training)
    if model_format == "joblib":
        yield "joblib", partial(joblib_form, model, training)


def _attempt(
    name: str, make: Callable[[], Form], training: Training, original: Original
) -> tuple[Form, Answers, float] | Refusal:
    try:
        form = make()
        answers = in_chunks(form.predict, training.frame, labels=original.labels)
        found = [answers, *_one_by_one(form, training, original)]
        gap, worst = max(((difference(each, original), each) for each in found), key=lambda pair: pair[0])
    except Exception as error:  # converters and runtimes raise anything, and each means: not in this form
        return Refusal(name, f"{type(error).__name__}: {_first_line(error)}")
    if original.labels and gap > 0:
        return Refusal(name, "{} of {} labels differ".format(*differing_labels(worst, original)))
    if not gap <= MAX_RELATIVE_DIFFERENCE:
        return Refusal(name, f"answers differ by {gap:.1e}, the limit is {MAX_RELATIVE_DIFFERENCE:.0e}")
    return form, (answers if original.labels else answers.astype(_answer_dtype(answers))), gap


def _one_by_one(form: Form, training: Training, original: Original) -> list[Answers]:
    """Answers to the first rows asked one at a time, as clients do: runtimes add up otherwise then."""
    if form.format != "onnx":
        return []
    first = training.frame.head(SINGLE_ROWS)
    return [in_chunks(form.predict, first, labels=original.labels, rows=1)]


def _answer_dtype(answers: Answers) -> str:
    return "float32" if answers.dtype == np.float32 else "float64"


def _first_line(error: Exception) -> str:
    text = str(error).strip().split("\n")[0]
    return text if len(text) <= 160 else text[:157] + "..."
