"""Few distinct numbers that differ in their last digits are the same numbers, and somebody says so."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ks_2samp

from tidegauge import Monitor, Policy, Profile
from tidegauge.counting.ks import ks_two_sample
from tidegauge.fit.rounding import with_rounding_limits
from tidegauge.profile.features import NumericFeature
from tidegauge.protocol.names import Verdict
from tidegauge.report.explanation import rounding
from tidegauge.report.model import FeatureReport
from tidegauge.stats.tables import over_values

RANDOM = np.random.default_rng(21)
PRICES = RANDOM.choice([0.1, 0.2, 0.3, 0.7, 19.99], 20_000, p=[0.3, 0.3, 0.2, 0.1, 0.1])


def judged(profile: Profile, live: Any) -> FeatureReport:
    monitor = Monitor(profile, Policy(design_effect=1))
    monitor.add(0, profile.count({"x": live}))
    return monitor.report(0).features["x"]


@pytest.mark.parametrize(
    ("live", "share"),
    [
        (PRICES[:4000] + 1e-9, 1.0),
        (PRICES[:4000].astype(np.float32), 1.0),
        (np.where(PRICES == 0.3, 0.1 + 0.2, PRICES), 0.2),
        (PRICES[:4000] / 3 * 3, None),
        (np.cumsum(np.full(3, 0.1))[RANDOM.integers(0, 3, 50)], None),
        (PRICES[:4000], 0.0),
    ],
)
def test_rounding_is_no_drift_and_its_share_is_told(live: Any, share: float | None) -> None:
    found = judged(Profile.fit({"x": PRICES}), live)
    assert found.verdict in (Verdict.STABLE, Verdict.LEARNING)
    assert (found.unseen_rate, found.detected) == (0.0, False)
    if share is not None:
        assert found.rounded_rate == pytest.approx(share, abs=0.01)
        assert ("cast them" in rounding(found)) == (share > 0)


def test_rounded_values_of_another_distribution_still_drift() -> None:
    found = judged(Profile.fit({"x": PRICES}), RANDOM.choice([0.1, 0.2, 0.3], 4000).astype(np.float32))
    assert (found.verdict, found.cause, found.rounded_rate) == (Verdict.DRIFTING, "g", 1.0)


@pytest.mark.parametrize("live", [PRICES[:4000] + 0.05, PRICES[:4000] * 1.00001, RANDOM.uniform(0, 1, 4000)])
def test_values_that_lie_farther_away_are_others(live: Any) -> None:
    found = judged(Profile.fit({"x": PRICES}), live)
    assert (found.verdict, found.cause, found.rounded_rate) == (Verdict.DRIFTING, "unseen", 0.0)


def test_a_profile_of_float32_takes_sums_of_float32() -> None:
    reference = RANDOM.choice(np.array([0.0, 0.1, 0.3], dtype=np.float32), 9000)
    live = np.where(reference > 0.2, np.float32(0.1) + np.float32(0.2), reference).astype(np.float32)
    live[live == 0] = 1e-9
    assert judged(Profile.fit({"x": reference}), live).verdict is Verdict.STABLE


def test_over_values_the_distance_is_that_of_the_values_meant() -> None:
    profile = Profile.fit({"x": PRICES})
    feature, counts = profile.feature("x"), profile.count({"x": PRICES[:4000].astype(np.float32)})
    assert isinstance(feature, NumericFeature)
    meant = ks_two_sample(*(over_values(feature, cells) for cells in (counts.cells, feature.counts)))
    assert meant.statistic == pytest.approx(ks_2samp(PRICES[:4000], PRICES).statistic, abs=1e-12)
    assert counts.ks("x").statistic == pytest.approx(
        ks_2samp(PRICES[:4000].astype(np.float32).astype(np.float64), PRICES).statistic, abs=1e-12
    )


def test_a_reference_that_holds_both_roundings_of_a_value_takes_either() -> None:
    profile = Profile.fit({"x": np.where(RANDOM.random(9000) < 0.5, 0.1 + 0.2, 0.3)})
    assert judged(profile, np.full(3000, 0.3)).verdict is Verdict.STABLE
    assert judged(profile, np.full(3000, 0.4)).verdict is Verdict.DRIFTING


@pytest.mark.parametrize(
    "values",
    [[0.0, 1.0], [1.0, 2.0, 3.0], np.arange(60) + 0.5, [0.5, np.inf], [], [5e-324, 0.5]],
)
def test_many_whole_or_infinite_values_have_no_limits(values: Any) -> None:
    assert with_rounding_limits(np.asarray(values, dtype=float)).size == len(values)


def test_no_more_cut_points_than_were_asked_for() -> None:
    feature = Profile.fit({"x": PRICES}, cut_points=14).feature("x")
    assert isinstance(feature, NumericFeature)
    assert feature.cut_points.tolist() == [0.1, 0.2, 0.3, 0.7, 19.99]


def test_a_file_has_the_same_limits(tmp_path: Path) -> None:
    pd.DataFrame({"x": PRICES}).to_parquet(tmp_path / "prices.parquet", row_group_size=3000)
    profile = Profile.fit(tmp_path / "prices.parquet")
    assert profile == Profile.fit({"x": PRICES})
    assert np.array_equal(profile.count({"x": PRICES}).cells, profile.feature("x").counts)


@pytest.mark.slow
@given(
    values=st.sets(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=50),
    dtype=st.sampled_from(["float64", "float32"]),
)
def test_each_value_lies_between_two_limits_and_all_of_them_rise(values: set[float], dtype: str) -> None:
    given_values = np.array(sorted(values), dtype=dtype)
    cuts = with_rounding_limits(given_values)
    limits = np.setdiff1d(cuts, given_values)
    assert (np.diff(cuts) > 0).all()
    assert set(given_values.tolist()) <= set(cuts.tolist())
    if limits.size:
        inside = np.searchsorted(limits, given_values)
        assert limits.size % 2 == 0
        assert (inside % 2 == 1).all()
