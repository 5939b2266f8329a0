"""XGBoost and LightGBM models in their own formats, which hold data and no code.

Known by the module of their class: neither library is imported unless the model is one of its own, in which
case its file has imported it already.
"""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tidegauge.bundle import Label
from tidegauge.pack.answers import class_labels
from tidegauge.pack.categories import coded
from tidegauge.pack.form import Form

__all__ = ["booster_form", "booster_library"]


def booster_library(model: Any) -> str | None:
    """``xgboost`` or ``lightgbm`` for an estimator of that library, else None."""
    library = type(model).__module__.split(".")[0]
    return library if library in ("xgboost", "lightgbm") else None


def booster_form(model: Any, library: str) -> Form:
    """The estimator's trees in the library's own format."""
    return _xgboost_form(model) if library == "xgboost" else _lightgbm_form(model)


def _xgboost_form(model: Any) -> Form:
    """XGBoost computes in float32; `XGBClassifier` insists on the classes 0, 1, ..., so none are lost."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.ubj"
        model.save_model(path)
        data = path.read_bytes()
        loaded = type(model)()
        loaded.load_model(path)

    def predict(rows: pd.DataFrame) -> Any:
        return loaded.predict(coded(rows).to_numpy(dtype=np.float32, na_value=np.nan))

    return Form(format="xgboost", file="model.ubj", data=data, dtype="float32", predict=predict)


def _lightgbm_form(model: Any) -> Form:
    import lightgbm

    text = model.booster_.model_to_string()
    loaded = lightgbm.Booster(model_str=text)
    classes = class_labels(model)

    def predict(rows: pd.DataFrame) -> Any:
        scores = loaded.predict(coded(rows).to_numpy(dtype=np.float64, na_value=np.nan))
        return labels_of(np.asarray(scores), classes) if classes else scores

    return Form(format="lightgbm", file="model.txt", data=text.encode(), dtype="float64", predict=predict)


def labels_of(scores: "np.typing.NDArray[Any]", classes: tuple[Label, ...]) -> list[Label]:
    """Labels from a booster's scores: probabilities per class, or of the second of two classes."""
    chosen = scores.argmax(axis=1) if scores.ndim == 2 else (scores > 0.5).astype(int)
    return [classes[index] for index in chosen]
