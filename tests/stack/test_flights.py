"""The story of the flights example: a year of real flights, told by the replay under the default policy."""

import pytest
from support.examples import load_script

from tidegauge.contract import Severity, Verdict

MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
UNMOVED = ["distance", "hour", "carrier", "origin"]


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    told = load_script("flights/story.py").story(tmp_path_factory.mktemp("flights"))
    return {line.feature: line for line in told}


def distance(lines, feature, month):
    return lines[feature].by_month[MONTHS.index(month)]


@pytest.mark.parametrize(
    ("feature", "month", "expected"),
    [
        ("temp", "Apr", 0.63),
        ("temp", "Jul", 1.00),
        ("temp", "Dec", 0.10),
        ("dewp", "Jul", 0.99),
        ("dep_delay", "Jul", 0.11),
    ],
)
def test_the_counts_give_the_distances_that_the_data_hold(lines, feature, month, expected):
    assert distance(lines, feature, month) == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("feature", UNMOVED)
def test_what_does_not_move_is_never_said_to_drift(lines, feature):
    assert max(lines[feature].by_month) < 0.045
    assert lines[feature].episodes == []
    assert lines[feature].verdict is Verdict.STABLE


@pytest.mark.parametrize("feature", ["temp", "dewp"])
def test_warmth_is_found_in_spring_and_gone_before_the_year_ends(lines, feature):
    """Weather is shared by flights and lasts for days: telling a season from a warm spell takes weeks."""
    (episode,) = lines[feature].episodes
    assert "2013-04-10" <= episode.since <= "2013-05-31"
    assert episode.until is not None
    assert "2013-10-15" <= episode.until <= "2013-12-31"
    assert episode.severity is Severity.CRITICAL


def test_the_training_months_themselves_raise_no_alarm(lines):
    """Pressure in January is 0.30 from the three months together: weather, not drift."""
    assert distance(lines, "pressure", "Jan") > 0.25
    first = [episode.since for line in lines.values() for episode in line.episodes]
    assert min(first) >= "2013-04-01"


def test_weather_that_only_varies_is_never_said_to_drift(lines):
    assert lines["humid"].episodes == lines["visib"].episodes == lines["pressure"].episodes == []
