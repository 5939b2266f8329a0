"""Boosters' knowledge of their training columns: other names, and categories in their order."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import pandas as pd

from tidegauge.data.values import labels_by_text, texts_of
from tidegauge.errors import SchemaError
from tidegauge.nearest import listed
from tidegauge.pack.native import Native
from tidegauge.protocol.bundle import Label
from tidegauge.telling import found, told

__all__ = ["columns_of", "with_own_categories"]

_CATEGORICAL: Final = re.compile(r"^\[categorical_feature: ([\d,]+)\]$", re.MULTILINE)


def columns_of(names: Sequence[str], table: Sequence[str]) -> list[str]:
    """Return the table's columns that a model means by `names`.

    LightGBM turns the spaces in a name into ``_``, converters to ONNX all that is no letter or number. A name
    that is in neither spelling comes back as it is.
    """
    spelled = {_identifier(each): each for each in table}
    return [name if name in table else spelled.get(_identifier(name), name) for name in names]


def _identifier(name: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in name)


def with_own_categories(model: Any, frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with category columns as the booster knows them, however the file held them.

    Raises
    ------
    SchemaError
        The columns that hold categories are unknown, or XGBoost would refuse a value.
    """
    return frame.assign(
        **{name: _categories(frame[name], own) for name, own in _own_categories(model, frame).items()}
    )


def _own_categories(model: Any, frame: pd.DataFrame) -> Mapping[str, Sequence[Label]]:
    library, booster = _booster(model)
    if library == "xgboost":
        return _of_xgboost(booster, frame)
    return _of_lightgbm(booster, frame) if library == "lightgbm" else {}


def _booster(model: Any) -> tuple[str, Any]:
    """The library and its booster; empty for other models."""
    if isinstance(model, Native):
        return model.form.format, model.booster
    library = type(model).__module__.split(".")[0]
    if library == "xgboost" and hasattr(model, "get_booster"):
        return library, model.get_booster()
    if library == "lightgbm" and hasattr(model, "booster_"):
        return library, model.booster_
    return "", None


def _of_xgboost(booster: Any, frame: pd.DataFrame) -> Mapping[str, Sequence[Label]]:
    """Files of XGBoost before 3.1 hold none: then the order is the training table's."""
    if not hasattr(booster, "get_categories") or "c" not in (booster.feature_types or ()):
        return {}
    stored = booster.get_categories(export_to_arrow=True).to_arrow() or ()
    names = [str(name) for name in frame.columns]
    return {
        name: values.to_pylist()
        for name, (_, values) in zip(names, stored, strict=False)
        if values is not None and len(values)
    }


def _of_lightgbm(booster: Any, frame: pd.DataFrame) -> Mapping[str, Sequence[Label]]:
    stored = booster.pandas_categorical or []
    names = [str(name) for name in frame if isinstance(frame[name].dtype, pd.CategoricalDtype)]
    if stored and len(names) != len(stored):  # of a CSV file: the model's file has their positions
        found = _CATEGORICAL.search(booster.model_to_string())
        names = [str(frame.columns[int(at)]) for at in found[1].split(",")] if found else []
    if len(names) != len(stored):
        raise SchemaError(
            f"the model was trained with {len(stored)} category columns, the training data has {len(names)}: "
            "give the training table as Parquet, written while these columns are of pandas' type category"
        )
    return dict(zip(names, stored, strict=True))


def _categories(values: "pd.Series[Any]", own: Sequence[Label]) -> pd.Categorical:
    known = labels_by_text(own)
    texts = texts_of(values.astype(object).tolist())
    strange = next((text for text in texts if text is not None and text not in known), None)
    if strange is not None:
        name = str(values.name)
        raise SchemaError(
            f"the model's categories are {listed(sorted(map(str, known)))}",
            argument=found("data", strange, f"column {name!r} holds {told(strange)}", name),
            step="give the rows that the model was trained on",
        )
    return pd.Categorical([None if text is None else known[text] for text in texts], categories=list(own))
