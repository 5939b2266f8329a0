"""Traffic drawn from a profile: the reference's marginals, moved as the scenario says."""

import json

import numpy as np
import pytest

from tidegauge import Profile, ProfileError
from tidegauge.data.synthetic import Scenario, columns, rows

ROWS = 20_000


@pytest.fixture(scope="module")
def profile() -> Profile:
    rng = np.random.default_rng(0)
    amount = rng.lognormal(3, 1, ROWS)
    amount[::20] = np.nan
    return Profile.fit(
        {
            "amount": amount,
            "spikes": np.where(rng.random(ROWS) < 0.7, -1.0, rng.normal(size=ROWS)),
            "rooms": rng.integers(1, 6, ROWS),
            "city": rng.choice(np.array(["oslo", "rome", "bonn"], dtype=object), ROWS, p=[0.6, 0.3, 0.1]),
        },
        cut_points=200,
    )


def drawn(profile, scenario, features=None, seed=1):
    return columns(profile, ROWS, scenario, np.random.default_rng(seed), features)


def test_baseline_traffic_has_the_references_marginals(profile):
    counts = profile.count(drawn(profile, "baseline"))
    for name in ("amount", "spikes", "rooms"):
        assert counts.ks(name).pvalue > 0.001, name
    share = counts.feature("city").cells[:3] / ROWS
    assert share == pytest.approx([0.6, 0.3, 0.1], abs=0.02)
    assert counts.feature("amount").missing == pytest.approx(ROWS / 20, rel=0.2)


def test_high_traffic_is_two_standard_deviations_away(profile):
    moved = drawn(profile, "high")
    for name in ("amount", "spikes", "rooms"):
        feature = profile.feature(name)
        assert np.nanmean(moved[name]) - feature.mean == pytest.approx(2 * feature.sd, rel=0.1), name
    assert np.mean(moved["city"] == "bonn") == pytest.approx(0.75 + 0.25 * 0.1, abs=0.02)


def test_moderate_traffic_is_half_a_standard_deviation_away_in_whole_steps(profile):
    rooms = drawn(profile, "moderate")["rooms"]
    feature = profile.feature("rooms")
    assert rooms.mean() - feature.mean == pytest.approx(feature.sd / 2, rel=0.1)
    assert (rooms == np.round(rooms)).all()


def test_only_the_named_features_move(profile):
    counts = profile.count(drawn(profile, "high", ["amount"]))
    assert counts.ks("amount").statistic > 0.3
    assert max(counts.ks(name).statistic for name in ("spikes", "rooms")) < 0.02


def test_the_same_seed_draws_the_same_rows(profile):
    first, again, other = (rows(profile, 50, "moderate", np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert first == again != other


def test_rows_are_plain_json_with_null_for_missing(profile):
    made = rows(profile, 200, Scenario.BASELINE, np.random.default_rng(5))
    assert json.loads(json.dumps(made, allow_nan=False)) == made
    assert list(made[0]) == ["amount", "spikes", "rooms", "city"]
    assert any(row["amount"] is None for row in made)
    assert {type(row["rooms"]) for row in made} == {int}


def test_a_profile_of_odd_features_can_be_drawn_from():
    profile = Profile.fit(
        {
            "constant": np.full(10, 4.0),
            "infinite": np.array([-np.inf, *range(8), np.inf]),
            "one": np.array(["only"] * 10, dtype=object),
        }
    )
    for scenario, shift in (("baseline", 0), ("moderate", 0.5), ("high", 2)):
        made = columns(profile, 100, scenario, np.random.default_rng(6))
        assert not np.isnan(made["infinite"]).any()
        assert made["constant"].mean() == pytest.approx(4 + shift, abs=0.2)
        assert set(made["one"]) <= {"only", "other"}


@pytest.mark.parametrize(
    ("scenario", "features", "message"),
    [
        ("wild", None, "scenario 'wild': there is none"),
        ("high", ["price"], "no feature 'price': only a feature of the profile can be moved"),
    ],
)
def test_what_is_not_there_is_refused(scenario, features, message, profile):
    with pytest.raises(ProfileError, match=message):
        columns(profile, 1, scenario, np.random.default_rng(7), features)
