"""XGBoost and LightGBM models in their own formats, which hold data and no code.

Known by the module of their class: neither library is imported unless the model is one of its own, in which
case its file has imported it already.
"""

import tempfile
from pathlib import Path
from typing import Any

from tidegauge.pack.form import Form

__all__ = ["booster_form", "booster_library"]


def booster_library(model: Any) -> str | None:
    """Return ``xgboost`` or ``lightgbm`` for an estimator of that library, else None."""
    library = type(model).__module__.split(".")[0]
    return library if library in ("xgboost", "lightgbm") else None


def booster_form(model: Any, library: str) -> Form:
    """Return the estimator's trees in the library's own format."""
    return _xgboost_form(model) if library == "xgboost" else _lightgbm_form(model)


def _xgboost_form(model: Any) -> Form:
    """XGBoost computes in float32; `XGBClassifier` insists on the classes 0, 1, ..., so none are lost."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.ubj"
        model.save_model(path)
        return Form(format="xgboost", file="model.ubj", data=path.read_bytes(), dtype="float32")


def _lightgbm_form(model: Any) -> Form:
    text = model.booster_.model_to_string()
    return Form(format="lightgbm", file="model.txt", data=text.encode(), dtype="float64")
