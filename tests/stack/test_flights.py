"""The story of the flights example: a year of real flights, told by the replay under the default policy."""

from datetime import date

import pytest
from support.examples import EXAMPLES, load_script

from tidegauge.protocol.names import Severity, Verdict

MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
PAGE = EXAMPLES / "flights" / "README.md"
README = EXAMPLES.parent / "README.md"
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


@pytest.mark.parametrize("feature", ["dep_delay", "prediction"])
def test_delays_come_in_bad_days_so_what_they_move_by_is_not_certain(lines, feature):
    """No month moves much further than the critical floor; a week is too short to tell that from luck."""
    assert 0.05 < max(lines[feature].by_month) < 0.16
    assert lines[feature].episodes == []


def test_the_training_months_themselves_raise_no_alarm(lines):
    """Pressure in January is 0.30 from the three months together: weather, not drift."""
    assert distance(lines, "pressure", "Jan") > 0.25
    first = [episode.since for line in lines.values() for episode in line.episodes]
    assert min(first) >= "2013-04-01"


def test_weather_that_only_varies_is_never_said_to_drift(lines):
    assert lines["humid"].episodes == lines["visib"].episodes == lines["pressure"].episodes == []


def rows_of(page):
    """The table of features on a page, each row by its columns' names."""
    lines = [line for line in page.read_text().partition("| feature |")[2].splitlines() if "|" in line]
    lines[0] = f"| feature |{lines[0]}"
    head, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [dict(zip(head, row, strict=True)) for row in rows]


@pytest.mark.parametrize("row", rows_of(PAGE), ids=lambda row: row["feature"])
def test_the_page_tells_what_the_replay_says(lines, row):
    line = lines[row["feature"]]
    for month in set(MONTHS) & row.keys():
        assert float(row[month]) == pytest.approx(distance(lines, line.feature, month), abs=0.0051)
    assert row["at the year's end"] == line.verdict
    assert (row["drifting"] == "never") == (line.episodes == [])
    for episode in line.episodes:
        for day in filter(None, (episode.since, episode.until)):
            assert f"{date.fromisoformat(day):%-d %B}" in row["drifting"]
        assert episode.severity in row["drifting"]


def test_the_page_leaves_no_feature_out(lines):
    assert {row["feature"] for row in rows_of(PAGE)} == set(lines)


def test_the_readme_tells_the_same(lines):
    page = {row["feature"]: row for row in rows_of(PAGE)}
    told = {row["feature"]: row for row in rows_of(README)}
    for name in told.keys() & page.keys():
        assert [told[name][f"D {month}"] for month in ("Apr", "Jul", "Dec")] == [
            page[name][month] for month in ("Apr", "Jul", "Dec")
        ]
        assert told[name]["drifting"] == page[name]["drifting"].replace(", KS)", ")")
        assert told[name]["at the year's end"] == page[name]["at the year's end"]
    assert len(told.keys() & page.keys()) == 4
    assert all(lines[name].episodes == [] for name in UNMOVED)
