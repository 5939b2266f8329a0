"""How a model wants its rows, from the steps it is made of. Packing and the server must agree on it."""

import math
from collections.abc import Iterator
from typing import Any, Final, Literal, TypeAlias

__all__ = ["Gap", "gap_of", "parameters_of", "parts_of", "takes_texts"]

Gap: TypeAlias = Literal["None", "NaN"]
_LISTS: Final = ("steps", "transformers_", "transformer_list", "estimators_")
_SINGLE: Final = ("best_estimator_", "estimator_", "regressor_", "classifier_")


def parts_of(model: Any) -> Iterator[Any]:
    """Yield the model and the fitted parts of its pipelines, column transformers and ensembles."""
    yield model
    for name in _LISTS:
        found = getattr(model, name, None)
        for part in found if isinstance(found, list | tuple) else ():
            yield from parts_of(part[1] if isinstance(part, tuple) else part)
    for name in _SINGLE:
        if hasattr(getattr(model, name, None), "get_params"):
            yield from parts_of(getattr(model, name))


def gap_of(model: Any) -> Gap | None:
    """Return the missing text or truth value of training: None and NaN are two categories to scikit-learn.

    Told by the categories of encoders and by what imputers fill; None where no part knows.
    """
    for part in parts_of(model):
        if getattr(part, "missing_values", 0) is None:
            return "None"
        known = getattr(part, "categories_", None)
        for categories in known if isinstance(known, list) else ():
            # an encoder sorts what is missing to the end
            last = categories[-1] if len(categories) and categories.dtype == object else ""
            if last is None:
                return "None"
            if isinstance(last, float) and last != last:
                return "NaN"
    return None


def parameters_of(model: Any) -> list[float]:
    """Return the finite fractions that a model and its parts were made with; empty for a bare graph."""
    try:
        known = model.get_params()
    except Exception:  # a bare graph has none, and a class of the user's own may raise anything
        return []
    return [value for value in known.values() if isinstance(value, float) and math.isfinite(value)]


def takes_texts(model: Any) -> bool:
    """Return whether a model takes a sequence of texts, shape ``(n,)``, instead of rows.

    So do scikit-learn's text vectorizers, and pipelines and unions that begin with one.
    """
    if hasattr(model, "build_analyzer"):
        return True
    parts: list[Any] = getattr(model, "steps", None) or getattr(model, "transformer_list", None) or []
    return bool(parts) and takes_texts(parts[0][1])
