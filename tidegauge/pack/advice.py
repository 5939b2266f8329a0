"""Why a model fails on its training rows, if that is known, and what helps."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pandas as pd

from tidegauge.nearest import listed

__all__ = ["advice"]

_TRIED_ROWS: Final = 50


def advice(error: Exception, model: Any, rows: Any) -> str:
    """Return what to do about an error of `predict`; empty if unknown.

    Parameters
    ----------
    error
        What the model raised.
    model
        The model.
    rows
        What it was asked: a frame, an array, or a column of texts.
    """
    if type(error).__name__ == "NotFittedError":
        return "; train it before you save it: model.fit(X, y), then joblib.dump(model, 'model.joblib')"
    if not isinstance(rows, pd.DataFrame):
        return ""
    for tell in (_texts_for_numbers, _numbers_for_texts):
        told = tell(model, rows)
        if told:
            return f"; {told}"
    return ""


def _texts_for_numbers(model: Any, rows: pd.DataFrame) -> str | None:
    """Texts where numbers were trained on: the model answers once they are numbers."""
    tried = rows.head(_TRIED_ROWS)
    texts = [name for name in rows if pd.api.types.infer_dtype(rows[name], skipna=True) == "string"]
    if not texts or not _answers(model, _as_numbers(tried, texts)):
        return None
    for name in list(texts):  # only those that must be numbers
        others = [each for each in texts if each != name]
        texts = others if others and _answers(model, _as_numbers(tried, others)) else texts
    if type(model).__module__.split(".")[0] in ("xgboost", "lightgbm"):
        return (
            f"the columns {listed([str(name) for name in texts])} hold texts, the model takes numbers and "
            "categories: train it on X[name].astype('category') of each, and write the training table as "
            "Parquet"
        )
    text = next((text for text in rows[texts[0]].dropna() if not _is_number(text)), rows[texts[0]].iloc[0])
    return f"column {str(texts[0])!r} holds the text {text!r}, where the model was trained on numbers"


def _as_numbers(rows: pd.DataFrame, names: Sequence[Any]) -> pd.DataFrame:
    return rows.assign(**{name: np.arange(len(rows), dtype=np.float64) for name in names})


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _numbers_for_texts(model: Any, rows: pd.DataFrame) -> str | None:
    """A CSV file turns texts of digits into numbers: tried by turning them back, one column after another."""
    tried = rows.head(_TRIED_ROWS).copy()
    for name in [name for name in rows if rows[name].dtype.kind in "iu"]:
        tried[name] = tried[name].astype(str).astype(object)
        if _answers(model, tried):
            return (
                f"column {str(name)!r} holds numbers, where the model was trained on texts: a CSV file does "
                "not say that digits are texts; give Parquet, which keeps types"
            )
    return None


def _answers(model: Any, rows: pd.DataFrame) -> bool:
    try:
        model.predict(rows)
    except Exception:  # the model is the user's: it may raise anything
        return False
    return True
