"""The Hellinger distance: by hand, beside scipy, and wherever PSI is."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import euclidean

from tidegauge import Monitor, Policy, Profile, Report
from tidegauge.stats.distance import total_variation
from tidegauge.stats.statistics.hellinger import hellinger

COUNTS = st.lists(st.integers(0, 10**6), min_size=2, max_size=30)


@pytest.mark.parametrize(
    ("live", "reference", "squared"),
    [
        ([1, 0], [0, 1], 1.0),
        ([3, 3], [10, 10], 0.0),
        ([1, 1], [9, 1], 1 - math.sqrt(0.45) - math.sqrt(0.05)),
        ([1, 3, 0], [1, 0, 3], 1 - 0.25),
        ([0, 0, 5], [1, 1, 2], 1 - math.sqrt(0.5)),
    ],
)
def test_the_hellinger_distance_is_what_one_works_out_by_hand(
    live: list[int], reference: list[int], squared: float
) -> None:
    found = hellinger(np.array(live), np.array(reference))
    assert found == pytest.approx(math.sqrt(squared), abs=1e-12)


@pytest.mark.slow
@given(COUNTS, COUNTS)
def test_the_hellinger_distance_is_that_of_the_roots_of_the_shares(a: list[int], b: list[int]) -> None:
    size = min(len(a), len(b))
    live, reference = np.array(a[:size]), np.array(b[:size])
    if not live.any() or not reference.any():
        assert hellinger(live, reference) == 0
        return
    p, q = np.sqrt(live / live.sum()), np.sqrt(reference / reference.sum())
    found, moved = hellinger(live, reference), total_variation(live, reference)
    assert found == pytest.approx(euclidean(p, q) / math.sqrt(2), abs=1e-12)
    assert found == pytest.approx(hellinger(reference, live), abs=1e-12)
    assert found**2 - 1e-12 <= moved <= math.sqrt(2) * found + 1e-12


def test_the_hellinger_distance_is_published_beside_psi() -> None:
    random = np.random.default_rng(1)
    rows = {"x": random.normal(size=4000), "word": random.choice(list("abc"), 4000)}
    profile = Profile.fit(rows)
    monitor = Monitor(profile, Policy(design_effect=1))
    before = monitor.report(0)
    monitor.add(1, profile.count({"x": random.normal(1, 1, 500), "word": random.choice(list("ab"), 500)}))
    report = monitor.report(1)
    document = json.loads(json.dumps(report.to_dict()))
    for feature in document["features"]:
        assert 0 < feature["hellinger"] < feature["psi"]
        assert report.features[feature["name"]].hellinger == feature["hellinger"]
    assert [(f["hellinger"], f["psi"]) for f in before.to_dict()["features"]] == [(None, None)] * 2
    assert Report.from_dict(document).features["x"].hellinger == report.features["x"].hellinger


def test_a_report_of_an_older_version_has_no_hellinger_distance() -> None:
    profile = Profile.fit({"x": np.arange(100.0)})
    monitor = Monitor(profile)
    monitor.add(0, profile.count({"x": np.arange(50.0)}))
    document = monitor.report(0).to_dict()
    del document["features"][0]["hellinger"]
    feature = Report.from_dict(document).features["x"]
    assert feature.psi == document["features"][0]["psi"]
    assert feature.hellinger is None
    assert "hellinger" not in feature.measures
