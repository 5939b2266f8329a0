"""Why a model fails on its training rows, if that is known, and what helps."""

import re
from typing import Any, Final

import pandas as pd

from tidegauge.nearest import listed

__all__ = ["advice"]

_TRIED_ROWS: Final = 50
_NO_NUMBER: Final = re.compile(r"could not convert string to float: '(.*)'")


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
    for tell in (_not_fitted, _texts_for_numbers, _numbers_for_texts, _objects_for_boosters):
        told = tell(error, model, rows)
        if told:
            return f"; {told}"
    return ""


def _not_fitted(error: Exception, model: Any, rows: Any) -> str | None:  # noqa: ARG001
    if type(error).__name__ != "NotFittedError":
        return None
    return "train it before you save it: model.fit(X, y), then joblib.dump(model, 'model.joblib')"


def _texts_for_numbers(error: Exception, model: Any, rows: Any) -> str | None:  # noqa: ARG001
    found = _NO_NUMBER.search(str(error))
    if found is None or not isinstance(rows, pd.DataFrame):
        return None
    name = next((str(name) for name in rows if (rows[name].astype(object) == found[1]).any()), None)
    return name and f"column {name!r} holds the text {found[1]!r}, where the model was trained on numbers"


def _numbers_for_texts(error: Exception, model: Any, rows: Any) -> str | None:  # noqa: ARG001
    """A CSV file turns texts of digits into numbers: tried by turning them back, one column after another."""
    if not isinstance(rows, pd.DataFrame):
        return None
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


def _objects_for_boosters(error: Exception, model: Any, rows: Any) -> str | None:
    if not isinstance(rows, pd.DataFrame) or type(model).__module__.split(".")[0] not in (
        "xgboost",
        "lightgbm",
    ):
        return None
    texts = [str(name) for name in rows if pd.api.types.infer_dtype(rows[name], skipna=True) == "string"]
    if not texts or "dtypes" not in str(error):
        return None
    return (
        f"the columns {listed(texts)} hold texts, the model takes numbers and categories: train it on "
        "X[name].astype('category') of each, and write the training table as Parquet"
    )
