"""The house-prices example: its data, its drift scores, and what the monitor says of its traffic."""

import numpy as np
import pandas as pd
import pytest
from support.examples import load_script
from support.packs import ask

from tidegauge import Profile, RowScorer, replay
from tidegauge.data import synthetic
from tidegauge.pack import verify_bundle
from tidegauge.protocol.names import Verdict

pytestmark = pytest.mark.slow

FEATURES = ["bedrooms", "bathrooms", "sqft", "age", "location_score"]
HOUR_ROWS = 2_000


@pytest.fixture(scope="module")
def house_prices(tmp_path_factory):
    return load_script("house-prices/build.py").build(tmp_path_factory.mktemp("house-prices"))


@pytest.fixture(scope="module")
def profile(house_prices) -> Profile:
    return house_prices.profile


def frame_of(house_prices, rows, scenario, seed, features=None):
    """Traffic with the packed model's predictions."""
    drawn = synthetic.columns(house_prices.profile, rows, scenario, np.random.default_rng(seed), features)
    frame = pd.DataFrame(drawn)
    return frame.assign(prediction=ask(house_prices, frame))


def test_the_training_data_have_the_stated_moments(profile):
    moments = {feature.name: (feature.mean, feature.sd) for feature in profile.features}
    printed = {
        "bedrooms": ("3.04", "1.44"),
        "bathrooms": ("1.99", "0.82"),
        "sqft": ("1998", "496"),
        "age": ("24.7", "14.8"),
        "location_score": ("5.53", "2.60"),
    }
    for name, (mean, sd) in printed.items():
        digits = len(mean.partition(".")[2])
        assert (f"{moments[name][0]:.{digits}f}", f"{moments[name][1]:.{digits}f}") == (mean, sd), name


def test_the_forest_is_packed_as_onnx(house_prices):
    manifest = verify_bundle(house_prices.folder)
    assert manifest.model.format == "onnx"
    assert manifest.model.max_relative_difference <= 1e-5
    assert [feature.name for feature in manifest.features] == FEATURES


@pytest.mark.parametrize(
    ("row", "low", "high"),
    [((3, 2, 2000, 10, 7), 0.315, 0.325), ((10, 8, 5000, 0, 10), 2, 9), ((1, 1, 400, 80, 1), 2, 9)],
)
def test_a_row_scores_by_how_far_it_is_from_the_training_data(profile, row, low, high):
    assert low <= RowScorer(profile).score(row) < high


def test_baseline_rows_score_below_1_on_average_and_high_drift_above(profile):
    averages = {}
    for scenario in synthetic.Scenario:
        drawn = synthetic.columns(profile, 2_000, scenario, np.random.default_rng(1))
        averages[scenario] = RowScorer(profile).score_matrix(np.column_stack(list(drawn.values()))).mean()
    assert averages["baseline"] < 1 < averages["high"]
    assert averages["baseline"] < averages["moderate"] < averages["high"]


def test_fresh_rows_have_the_predictions_of_the_training_rows(house_prices, profile):
    """Its features are independent and the forest does not overfit: otherwise this would not hold."""
    counts = profile.count(frame_of(house_prices, 20_000, "baseline", seed=2))
    assert counts.ks("prediction").upper < 0.02


def test_baseline_is_stable_for_three_days(house_prices, profile):
    rows = 3 * 24 * HOUR_ROWS
    frame = frame_of(house_prices, rows, "baseline", seed=3)
    frame["time"] = 1_700_000_000 + np.arange(rows) * 3600 / HOUR_ROWS
    told = replay(profile, frame, time="time", pane="5m")
    assert {each.verdict for each in told} <= {Verdict.LEARNING, Verdict.STABLE}
    last = {each.feature: each.verdict for each in told}
    assert last == dict.fromkeys([None, *FEATURES, "prediction"], Verdict.STABLE)


def drifting_after(house_prices, scenario, features=None, rows=HOUR_ROWS):
    """Features that drift after as many rows of baseline and of the scenario."""
    parts = [
        frame_of(house_prices, rows, "baseline", seed=4),
        frame_of(house_prices, rows, scenario, seed=5, features=features),
    ]
    told = replay(house_prices.profile, pd.concat(parts, ignore_index=True), rows_per_pane=rows // 40)
    before = {each.verdict for each in told if each.row <= rows}
    assert Verdict.DRIFTING not in before
    last = {each.feature: each.verdict for each in told}
    return {name for name, verdict in last.items() if verdict is Verdict.DRIFTING}


def test_high_drift_is_found_in_all_features_and_the_prediction(house_prices):
    assert drifting_after(house_prices, "high") == {None, *FEATURES, "prediction"}


def test_moderate_drift_is_found(house_prices):
    assert drifting_after(house_prices, "moderate", rows=20_000) >= {None, *FEATURES}


@pytest.mark.parametrize("feature", FEATURES)
def test_the_feature_that_moved_is_the_one_named(feature, house_prices):
    """The price may move with it: that is what the feature is for."""
    assert drifting_after(house_prices, "high", [feature]) - {None, "prediction"} == {feature}
