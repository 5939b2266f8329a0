"""Every estimator that predicts: fitted on small data, packed, and compared with it on fresh rows."""

import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import all_estimators
from sklearn.utils._test_common.instance_generator import _construct_instances
from support.packs import pack, predictions

from tidegauge import TidegaugeError

COLUMNS = ["u", "v", "w"]
BOOSTER_ROUNDS = 12
QUERY_ROWS = 10  # of a ranking
SEVERAL_VALUES_A_ROW = (
    *("ClassifierChain", "MultiOutputClassifier", "MultiOutputRegressor", "RegressorChain"),
    *("MultiTaskElasticNet", "MultiTaskElasticNetCV", "MultiTaskLasso", "MultiTaskLassoCV"),
)
WITHOUT_A_SAFE_FORM = ("Birch",)


@dataclass(frozen=True)
class Case:
    """One model to fit: where it comes from, its name, and how it is made and fitted on a table."""

    source: str
    name: str
    fitted: Callable[[pd.DataFrame], Any]

    @property
    def is_packed(self) -> bool:
        """Whether there is a form for it; a refusal of any other model is a fault."""
        return self.name not in (*SEVERAL_VALUES_A_ROW, *WITHOUT_A_SAFE_FORM)


@dataclass(frozen=True)
class Outcome:
    """The form a model was packed in, and its largest differences on fresh rows; or why it was not packed."""

    format: str
    difference: float = 0.0
    probability: float | None = None
    reason: str = ""

    def keeps(self, case: Case) -> bool:
        """Whether a model that has a form answers as the original, and any other is refused with a reason."""
        if not case.is_packed:
            return not self.format and bool(self.reason)
        return bool(self.format) and self.difference <= 1e-5 and (self.probability or 0.0) <= 1e-5


def table(rows: int = 240, seed: int = 3) -> pd.DataFrame:
    """Three positive features, of which one holds whole numbers and is there as a category too; targets."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "u": rng.gamma(2, 1, rows),
            "v": rng.uniform(0, 5, rows),
            "w": rng.integers(0, 6, rows).astype(float),
        }
    )
    amount = 2 * frame["u"] + np.sin(frame["v"]) + 0.7 * frame["w"] + rng.normal(0, 0.3, rows)
    codes = pd.Categorical(frame["w"].astype(int), categories=range(6))
    return frame.assign(
        k=codes,
        number=amount - amount.min() + 1,
        three=pd.qcut(amount, 3, labels=False),
        two=(amount > 7).astype(int),
    )


def outcome(case: Case, folder: Path) -> Outcome:
    """Fit, pack, serve by the server's code, and compare."""
    known, fresh = table(), table(150, seed=4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = case.fitted(known)
        # IsotonicRegression keeps neither the names of its columns nor their number
        names = list(getattr(model, "feature_names_in_", COLUMNS[: getattr(model, "n_features_in_", 1)]))
        try:
            packed = pack(model, known[names], folder, target=None, exclude=[])
        except TidegaugeError as error:
            return Outcome("", reason=_last_reason(str(error)))
        served = predictions(packed, fresh[names])
        return _compared(model, fresh[names], packed.manifest.model.format, served)


def _last_reason(text: str) -> str:
    """Why the last form was refused, which holds the object itself; the others are refused before."""
    return " ".join(text.split("; model_format=")[0].rpartition("; skops")[2].split())


def _compared(model: Any, rows: pd.DataFrame, form: str, served: Any) -> Outcome:
    exact = np.asarray(model.predict(rows))
    if hasattr(model, "classes_"):
        gap = float((served.labels != exact).mean())
    else:
        size = np.maximum(np.abs(exact), np.abs(exact).mean()) + 1e-300
        gap = float((np.abs(served.labels - exact) / size).max())
    expected = _probabilities(model, rows)
    if expected is None or served.probabilities is None:
        alike = expected is None and served.probabilities is None
        return Outcome(form, gap, None if alike else math.inf)
    return Outcome(form, gap, float(np.abs(served.probabilities - expected).max()))


def _probabilities(model: Any, rows: pd.DataFrame) -> Any:
    """The original's class probabilities; None where it has none, or numbers that are none."""
    if not hasattr(model, "predict_proba"):
        return None
    found = np.asarray(model.predict_proba(rows))
    return found if ((found >= 0) & (found <= 1)).all() else None


# --- scikit-learn -------------------------------------------------------------------------------------------

_TARGET = {"regressor": "number", "classifier": "three"}


def scikit_learn() -> Iterator[Case]:
    """Each estimator that `all_estimators` lists and that has a `predict`."""
    for name, kind in all_estimators():
        if hasattr(kind, "predict"):
            yield Case("scikit-learn", name, lambda known, kind=kind: _fitted(kind, known))


def _fitted(kind: Any, known: pd.DataFrame) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = next(iter(_construct_instances(kind)))
        tags = model.__sklearn_tags__()
        if kind.__name__ == "LocalOutlierFactor":
            model.set_params(novelty=True)
        if kind.__name__ == "DummyClassifier":
            model.set_params(strategy="prior")  # scikit-learn's own instance answers at random
        if kind.__name__ == "IsotonicRegression":
            model.set_params(out_of_bounds="clip")  # beyond training it answers NaN otherwise
        if "radius" in model.get_params():
            model.set_params(radius=5.0)  # every fresh row has a neighbour then
        columns = COLUMNS[:1] if kind.__name__ == "IsotonicRegression" else COLUMNS
        X = known[columns].round() if kind.__name__ == "CategoricalNB" else known[columns]
        return model.fit(X, known[_target(tags)])


def _target(tags: Any) -> Any:
    classifier = tags.estimator_type == "classifier"
    if tags.target_tags.multi_output and not tags.target_tags.single_output:
        return ["two", "three"] if classifier else ["number", "u"]
    if classifier and not tags.classifier_tags.multi_class:
        return "two"
    return _TARGET.get(tags.estimator_type, "number")


# --- boosters -----------------------------------------------------------------------------------------------

_ERRORS = "squarederror squaredlogerror logistic pseudohubererror absoluteerror quantileerror".split()  # noqa: SIM905
_XGBOOST_REGRESSION = (
    *(f"reg:{error}" for error in _ERRORS),
    "count:poisson",
    "reg:gamma",
    "reg:tweedie",
    "survival:cox",
)
_XGBOOST_RANKS = ("rank:pairwise", "rank:ndcg", "rank:map")
_XGBOOST_TWO = ("binary:logistic", "binary:logitraw", "binary:hinge")
_XGBOOST_MANY = ("multi:softmax", "multi:softprob")
_LIGHTGBM_LEVELS = ("regression", "regression_l1", "huber", "fair", "quantile", "mape")
_LIGHTGBM_SHARES = ("cross_entropy", "cross_entropy_lambda")
_LIGHTGBM_REGRESSION = (*_LIGHTGBM_LEVELS, "poisson", "gamma", "tweedie", *_LIGHTGBM_SHARES)
_LIGHTGBM_RANKS = ("lambdarank", "rank_xendcg")
_LIGHTGBM_CLASSES = {"binary": "two", "multiclass": "three", "multiclassova": "three"}


_EARLY, _CATEGORIES = "early stopping", "categories"
_EXTRAS = ("", _EARLY, _CATEGORIES, f"{_EARLY}, {_CATEGORIES}")


def boosters() -> Iterator[Case]:
    """Objectives by boosters, with and without early stopping, with and without a category column."""
    for booster in ("gbtree", "dart", "gblinear"):
        for objective in (*_XGBOOST_REGRESSION, *_XGBOOST_TWO, *_XGBOOST_MANY):
            for extra in _EXTRAS:
                if not (booster == "gblinear" and extra):
                    yield _booster("xgboost", booster, objective, extra)
        yield from (_ranker("xgboost", booster, objective) for objective in _XGBOOST_RANKS)
    for booster in ("gbdt", "dart", "rf"):
        for objective in (*_LIGHTGBM_REGRESSION, *_LIGHTGBM_CLASSES):
            for extra in _EXTRAS:
                if not (booster == "dart" and _EARLY in extra):
                    yield _booster("lightgbm", booster, objective, extra)
        yield from (_ranker("lightgbm", booster, objective) for objective in _LIGHTGBM_RANKS)


def _booster(library: str, booster: str, objective: str, extra: str) -> Case:
    make = _xgboost if library == "xgboost" else _lightgbm
    name = f"{objective}, {booster}" + (f", {extra}" if extra else "")
    return Case(library, name, lambda known: make(known, booster, objective, extra))


def _ranker(library: str, booster: str, objective: str) -> Case:
    def made(known: pd.DataFrame) -> Any:
        X, y = known[COLUMNS], known["two"]
        if library == "xgboost":
            import xgboost

            kind = xgboost.XGBRanker(n_estimators=BOOSTER_ROUNDS, booster=booster, objective=objective)
            return kind.fit(X, y, qid=np.arange(len(known)) // QUERY_ROWS)
        import lightgbm

        given = {"subsample": 0.7, "subsample_freq": 1} if booster == "rf" else {}
        kind = lightgbm.LGBMRanker(
            n_estimators=BOOSTER_ROUNDS, boosting_type=booster, objective=objective, verbose=-1, **given
        )
        return kind.fit(X, y, group=[QUERY_ROWS] * (len(known) // QUERY_ROWS))

    return Case(library, f"{objective}, {booster}", made)


def _features(known: pd.DataFrame, extra: str) -> pd.DataFrame:
    return known[[*COLUMNS[:2], "k"] if _CATEGORIES in extra else COLUMNS]


def _share(y: "pd.Series[Any]") -> "pd.Series[Any]":
    return (y - y.min()) / (y.max() - y.min())


def _xgboost(known: pd.DataFrame, booster: str, objective: str, extra: str) -> Any:
    import xgboost

    many, two = objective in _XGBOOST_MANY, objective in _XGBOOST_TWO
    y = known["three" if many else "two"] if many or two else known["number"]
    given: dict[str, Any] = {"quantile_alpha": 0.4} if "quantile" in objective else {}
    if _EARLY in extra:
        given |= {"early_stopping_rounds": 2, "n_estimators": 60, "learning_rate": 0.9}
    kind = xgboost.XGBClassifier if many or two else xgboost.XGBRegressor
    model = kind(
        **{
            "n_estimators": BOOSTER_ROUNDS,
            "booster": booster,
            "objective": objective,
            "enable_categorical": _CATEGORIES in extra,
            **given,
        }
    )
    X, y = _features(known, extra), _share(y) if objective == "reg:logistic" else y
    stop = {"eval_set": [(X[150:], y[150:])], "verbose": False} if _EARLY in extra else {}
    return model.fit(X[:150], y[:150], **stop) if stop else model.fit(X, y)


def _lightgbm(known: pd.DataFrame, booster: str, objective: str, extra: str) -> Any:
    import lightgbm

    target = _LIGHTGBM_CLASSES.get(objective)
    y = _share(known["number"]) if objective in _LIGHTGBM_SHARES else known[target or "number"]
    given = {"subsample": 0.7, "subsample_freq": 1} if booster == "rf" else {}
    rounds = 60 if _EARLY in extra else BOOSTER_ROUNDS
    kind = lightgbm.LGBMClassifier if target else lightgbm.LGBMRegressor
    model = kind(n_estimators=rounds, boosting_type=booster, objective=objective, verbose=-1, **given)
    X = _features(known, extra)
    if _EARLY not in extra:
        return model.fit(X, y)
    stop = [lightgbm.early_stopping(2, verbose=False)]
    return model.fit(X[:150], y[:150], eval_set=[(X[150:], y[150:])], callbacks=stop)
