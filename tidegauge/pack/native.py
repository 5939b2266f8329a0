"""Models in a library's own file or class, without scikit-learn's interface: packed as they are.

What such a model answers is what its library's own `predict` answers.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tidegauge.pack.form import Form
from tidegauge.protocol.bundle import Label

__all__ = ["Native", "lightgbm_model", "xgboost_model"]

Ask = Callable[[Any], npt.NDArray[Any]]


class Native:
    """A model with the attributes that packing asks an estimator for.

    Parameters
    ----------
    form
        The one form it is packed in.
    predict
        From rows to answers, shape ``(n,)``.
    names
        The features' names, None where the file has none.
    count
        How many features it takes, None where the file does not say.
    classes
        A classifier's labels.
    predict_proba
        Of a classifier that has them: its probabilities, shape ``(n, classes)``.
    booster
        The library's object, for boosters.
    named
        From the features' names to the form's bytes, where the file must name them and does not.
    """

    def __init__(
        self,
        form: Form,
        predict: Ask,
        names: Sequence[str] | None,
        count: int | None,
        *,
        classes: Sequence[Label] | None = None,
        predict_proba: Ask | None = None,
        booster: Any = None,
        named: Callable[[Sequence[str]], bytes] | None = None,
    ) -> None:
        self.form = form
        self._named = named
        self.predict = predict
        self.feature_names_in_ = names
        self.n_features_in_ = count
        self.booster = booster
        if classes is not None:
            self.classes_ = np.array(classes)
        if predict_proba is not None:
            self.predict_proba = predict_proba

    def form_of(self, names: Sequence[str]) -> Form:
        """Return the form for features of these names."""
        return self.form if self._named is None else replace(self.form, data=self._named(names))


@dataclass(frozen=True, slots=True)
class _Booster:
    """The common interface of both libraries' boosters."""

    form: Form
    ask: Ask
    names: Sequence[str] | None
    count: int
    booster: Any

    def numbers(self) -> Native:
        return Native(self.form, self.ask, self.names, self.count, booster=self.booster)

    def classifier(self, classes: int, *, scores: bool) -> Native:
        """Make a classifier of classes 0, 1, ...; `ask` answers a score for each class, or the class."""

        def labels(rows: Any) -> npt.NDArray[Any]:
            answers = self.ask(rows)
            return answers.argmax(axis=1) if scores else answers.astype(np.int64)

        return Native(
            self.form,
            labels,
            self.names,
            self.count,
            classes=range(classes),
            predict_proba=self.ask if scores else None,
            booster=self.booster,
        )


def xgboost_model(booster: Any) -> Any:
    """Return an XGBoost booster; the estimator of which it is a part, where its file says that there was one.

    A booster of `xgboost.train` answers with all its trees, whatever its best iteration was.
    """
    import xgboost

    kind = json.loads(booster.attr("scikit_learn") or "{}").get("_estimator_type")
    estimators = {
        "classifier": xgboost.XGBClassifier,
        "regressor": xgboost.XGBRegressor,
        "ranker": xgboost.XGBRanker,
    }
    if kind in estimators:
        loaded = estimators[kind]()
        loaded.load_model(booster.save_raw("ubj"))
        return loaded

    def ask(rows: Any) -> npt.NDArray[Any]:
        types = None if _has_categories(rows) else booster.feature_types
        matrix = xgboost.DMatrix(rows, enable_categorical=True, feature_types=types)
        return np.asarray(booster.predict(matrix, validate_features=False))

    whole = booster.copy()
    whole.set_attr(best_iteration=None, best_score=None)
    form = Form(format="xgboost", file="model.ubj", data=bytes(whole.save_raw("ubj")), dtype="float32")
    found = _Booster(form, ask, booster.feature_names, booster.num_features(), booster)
    learner = json.loads(booster.save_config())["learner"]
    objective, classes = learner["objective"]["name"], int(learner["learner_model_param"]["num_class"])
    if objective in ("multi:softprob", "multi:softmax"):
        return found.classifier(classes, scores=objective == "multi:softprob")
    return found.numbers()


def lightgbm_model(booster: Any) -> Native:
    """Return a LightGBM booster.

    Of a binary one the answers are probabilities, as its `predict` gives them.
    """

    def ask(rows: Any) -> npt.NDArray[Any]:
        return np.asarray(booster.predict(rows))

    text = booster.model_to_string()
    form = Form(format="lightgbm", file="model.txt", data=text.encode(), dtype="float64")
    found = _Booster(form, ask, booster.feature_name(), booster.num_feature(), booster)
    classes = booster.num_model_per_iteration()
    return found.classifier(classes, scores=True) if classes > 1 else found.numbers()


def _has_categories(rows: Any) -> bool:
    dtypes = getattr(rows, "dtypes", ())
    return any(isinstance(dtype, pd.CategoricalDtype) for dtype in dtypes)
