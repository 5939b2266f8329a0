"""The drift score of one row, on the house prices of the example."""

import numpy as np
import pandas as pd
import pytest

from tidegauge import Profile, RowScorer

MEANS = {"bedrooms": 3.04, "bathrooms": 1.99, "sqft": 1998.0, "age": 24.7, "location_score": 5.53}
SDS = {"bedrooms": 1.44, "bathrooms": 0.82, "sqft": 496.0, "age": 14.8, "location_score": 2.60}


def houses() -> pd.DataFrame:
    """Columns whose mean and population standard deviation are exactly those of the example."""
    random = np.random.default_rng(0)
    normal = random.normal(size=(1000, 5))
    normal = (normal - normal.mean(axis=0)) / normal.std(axis=0)
    return pd.DataFrame({name: MEANS[name] + SDS[name] * normal[:, i] for i, name in enumerate(MEANS)})


HOUSES = houses()
SCORER = RowScorer(Profile.fit(HOUSES))


def test_the_examples_house_scores_a_third() -> None:
    assert round(SCORER.score((3, 2, 2000, 10, 7)), 2) == 0.32


@pytest.mark.parametrize("row", [(10, 8, 5000, 0, 10), (1, 1, 400, 80, 1)])
def test_an_odd_house_scores_above_two(row: tuple[float, ...]) -> None:
    assert SCORER.score(row) > 2


def test_training_rows_score_below_one_on_average() -> None:
    scores = SCORER.score_matrix(HOUSES.to_numpy())
    assert scores.mean() == pytest.approx(np.sqrt(2 / np.pi), abs=0.02)


def test_a_row_scores_the_same_alone_and_among_many() -> None:
    random = np.random.default_rng(1)
    matrix = HOUSES.to_numpy()[:50] * random.choice([1, 3, np.nan], (50, 5))
    matrix[0] = np.nan
    assert SCORER.score_matrix(matrix).tolist() == pytest.approx(
        [SCORER.score(row) for row in matrix.tolist()]
    )
    assert SCORER.score(matrix[0].tolist()) == 0


def test_missing_values_constants_and_categories_are_left_out() -> None:
    frame = pd.DataFrame({"a": [0.0, 2.0], "b": [5.0, 5.0], "c": ["x", "y"], "d": [0.0, 2.0]})
    scorer = RowScorer(Profile.fit(frame, prediction=[1.0, 9.0]))
    assert scorer.score([3.0, 99.0, 1.0, float("nan")]) == 2.0
    assert scorer.score_matrix(np.array([[3.0, 99.0, 1.0, np.nan, 77.0]])).tolist() == [2.0]


def test_a_row_without_numbers_scores_zero() -> None:
    scorer = RowScorer(Profile.fit({"c": ["x", "y"]}))
    assert scorer.score([0.0]) == 0
    assert scorer.score_matrix(np.zeros((2, 1))).tolist() == [0, 0]
