"""Choose the form of a packed model: the best one whose answers are the original's."""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import takewhile
from typing import Any, Literal

import numpy as np

from tidegauge.errors import BundleError, TidegaugeError
from tidegauge.pack.agreement import Agreement
from tidegauge.pack.answers import Answers
from tidegauge.pack.boosters import booster_form, booster_library
from tidegauge.pack.form import Form
from tidegauge.pack.inputs import Training
from tidegauge.pack.manifest import Found
from tidegauge.pack.native import Native
from tidegauge.pack.onnx_format import onnx_form, why_no_onnx
from tidegauge.pack.pickled import joblib_form, skops_form
from tidegauge.pack.trial import Trial
from tidegauge.telling import Argument

__all__ = ["Chosen", "ModelFormat", "RefusedForm", "choose"]

logger = logging.getLogger(__name__)
ModelFormat = Literal["auto", "onnx", "skops", "joblib"]


@dataclass(frozen=True, slots=True)
class RefusedForm:
    """Why a form of the model was not taken."""

    format: str
    reason: str


@dataclass(frozen=True, slots=True)
class Chosen:
    """The form taken, its answers to the training rows, what was found, and the better forms refused."""

    form: Form
    answers: Answers
    found: Found
    refusals: tuple[RefusedForm, ...]


def choose(model: Any, training: Training, trial: Trial, model_format: ModelFormat = "auto") -> Chosen:
    """Try the forms in order, best first, and take the first whose answers equal the original's.

    Raises
    ------
    BundleError
        No form does; the message lists why for each.
    """
    refusals: list[RefusedForm] = []
    for name, make in _forms(model, training, model_format):
        taken = _attempt(model, name, make, trial)
        if isinstance(taken, RefusedForm):
            refusals.append(taken)
        else:
            form, compared, found = taken
            return Chosen(form, _typed(compared.answers), found, tuple(refusals))
    raise _none_answers_as(model, refusals, model_format)


def _none_answers_as(model: Any, refusals: Sequence[RefusedForm], model_format: ModelFormat) -> BundleError:
    """The error of a model that no form holds; a file that is a form itself has no other one."""
    if isinstance(model, Native):
        return BundleError(
            f"this file cannot be served as it is: {_reasons(refusals)}",
            step="export the model in another way, or pack the estimator that it was made of",
        )
    packs = " packs the object itself, for servers that are allowed to load pickles"
    return BundleError(
        f"no form of this {type(model).__name__} answers as it does: {_reasons(refusals)}",
        step=(Argument("model_format", "joblib"), packs) if model_format != "joblib" else "",
    )


def _reasons(refusals: Sequence[RefusedForm]) -> str:
    """Each reason once, with the formats that it is of; the last one of a reason has the most to say."""
    of_reason: dict[str, list[str]] = {}
    for refusal in refusals:
        of_reason.setdefault(refusal.reason, []).append(refusal.format)
    return "; ".join(f"{_shared(names)}: {reason}" for reason, names in of_reason.items())


def _shared(names: Sequence[str]) -> str:
    """What the names of several forms begin with, such as ``onnx, matrix``."""
    parts = [name.split(", ") for name in names]
    return ", ".join(
        takewhile(bool, (each[0] if len(set(each)) == 1 else "" for each in zip(*parts, strict=False)))
    )


def _forms(
    model: Any, training: Training, model_format: ModelFormat
) -> Iterator[tuple[str, Callable[[], Form]]]:
    if isinstance(model, Native):
        yield model.form.format, lambda: model.form_of([column.name for column in training.columns])
        return
    library = booster_library(model)
    if model_format == "auto" and library is not None:
        yield library, partial(booster_form, model, library)
    elif model_format in ("auto", "onnx"):
        for layout in ("matrix", "columns") if training.numeric else ("columns",):
            for dtype in ("float32", "float64"):
                yield f"onnx, {layout}, {dtype}", partial(onnx_form, model, training, layout, dtype)
    for name, make in (("skops", skops_form), ("joblib", joblib_form)):
        if model_format == name or (name == "skops" and model_format == "auto"):
            yield name, partial(make, model, training, frame=False)
            if training.named:
                yield f"{name}, asked with a pandas frame", partial(make, model, training, frame=True)


def _attempt(
    model: Any, name: str, make: Callable[[], Form], trial: Trial
) -> tuple[Form, Agreement, Found] | RefusedForm:
    try:
        form = make()
        return form, *trial.hold(form)
    except TidegaugeError as error:
        return RefusedForm(name, _first_line(error))
    except Exception as error:  # converters raise anything, and each means: not in this form
        logger.debug("%s: not in this form", name, exc_info=error)
        return RefusedForm(name, _why_not(model, name))


def _why_not(model: Any, name: str) -> str:
    """In our words why a library could not write the model; its own are in the log."""
    if name.startswith("onnx"):
        return why_no_onnx(model)
    if name.startswith("skops"):
        return "skops cannot write it, or a part of it"
    return "it cannot be pickled: name its functions and classes, in a module that can be imported"


def _typed(answers: Answers) -> Answers:
    """Labels as they are, numbers in the one of both dtypes that holds them."""
    if answers.dtype == object:
        return answers
    return answers.astype("float32" if answers.dtype == np.float32 else "float64")


def _first_line(error: Exception) -> str:
    text = str(error).strip().split("\n")[0]
    return text if len(text) <= 160 else text[:157] + "..."
