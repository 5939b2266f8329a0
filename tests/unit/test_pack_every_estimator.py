"""Every estimator answers as the original on rows that packing never saw, or is refused with the reason."""

from pathlib import Path

import pytest
from support.forms import Case, boosters, outcome, scikit_learn

pytestmark = pytest.mark.slow

CASES = {f"{case.source} {case.name}": case for case in (*scikit_learn(), *boosters())}
FEW = (
    "scikit-learn BaggingClassifier",
    "scikit-learn ClassifierChain",
    "scikit-learn DummyClassifier",
    "scikit-learn IsotonicRegression",
    "scikit-learn IsolationForest",
    "scikit-learn NuSVC",
    "scikit-learn OneVsOneClassifier",
    "scikit-learn StackingRegressor",
    "xgboost multi:softmax, dart, early stopping",
    "xgboost count:poisson, gblinear",
    "lightgbm multiclassova, rf, early stopping",
    "lightgbm binary, gbdt, categories",
    "lightgbm lambdarank, gbdt",
    "lightgbm poisson, gbdt, early stopping, categories",
    "xgboost rank:ndcg, gbtree",
    "xgboost multi:softprob, gbtree, early stopping, categories",
)


def check(case: Case, folder: Path) -> None:
    found = outcome(case, folder)
    assert found.keeps(case), found


@pytest.mark.parametrize("name", FEW)
def test_a_few_kinds_answer_as_the_original(name: str, tmp_path: Path) -> None:
    check(CASES[name], tmp_path)


@pytest.mark.soak
@pytest.mark.parametrize("name", CASES)
def test_every_kind_answers_as_the_original(name: str, tmp_path: Path) -> None:
    check(CASES[name], tmp_path)


def test_the_list_is_that_of_the_libraries() -> None:
    assert len([case for case in CASES.values() if case.source == "scikit-learn"]) > 100
    assert len([case for case in CASES.values() if case.source != "scikit-learn"]) > 100
