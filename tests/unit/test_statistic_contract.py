"""One contract for every registered statistic: what it says of counts, whatever they are."""

import doctest
import importlib
import inspect
import itertools
import json
import re
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from tidegauge import Counts, Monitor, Policy, Profile, Report
from tidegauge.stats.evaluation import Evaluator
from tidegauge.stats.evidence import Budget, Evidence, Limits, Sums
from tidegauge.stats.registry import STATISTICS, count_pairs, figures_of, unknown_figures
from tidegauge.stats.statistic import Statistic
from tidegauge.stats.tables import Kind, Reference, Sample

ROOT = Path(__file__).parents[2]
DECIDING = [each for each in STATISTICS if each.kinds]
PUBLISHING = [each for each in STATISTICS if each.publishes]
BUDGET = Budget.of(np.array([1e-4]))
HUGE = 10**12

deciding = pytest.mark.parametrize("statistic", DECIDING, ids=lambda each: each.name)
publishing = pytest.mark.parametrize("statistic", PUBLISHING, ids=lambda each: each.name)


def _columns(random: np.random.Generator, rows: int, shift: float = 0.0) -> dict[str, object]:
    """One column of each kind: many numbers, few, tenths, one, categories, none."""
    return {
        "many": random.normal(shift, 1, rows),
        "few": random.integers(0, 8, rows) + np.round(shift),
        "tenths": np.round(random.uniform(shift, 1 + shift, rows), 1),
        "one": np.full(rows, 7.0),
        "word": random.choice(["a", "b", "c", f"d{shift}"], rows),
        "none": np.full(rows, np.nan),
    }


@pytest.fixture(scope="module")
def profile() -> Profile:
    columns = _columns(np.random.default_rng(1), 5000)
    with pytest.warns(UserWarning, match="no values"):
        return Profile.fit(columns, 200)


@pytest.fixture(scope="module")
def evaluator(profile: Profile) -> Evaluator:
    return Evaluator(Reference(profile))


def _same(value: object, rows: int) -> dict[str, object]:
    numbers = {name: np.full(rows, value) for name in ("many", "few", "tenths", "one", "none")}
    return {**numbers, "word": ["a" if value == value else None] * rows}


def _cases(profile: Profile) -> dict[str, Counts]:
    random = np.random.default_rng(2)
    some = profile.count(_columns(random, 800, 0.4))
    huge = Counts(profile, HUGE * some.rows, *(HUGE * x for x in (some.cells, some.missing, some.beyond)))
    return {
        "no rows": Counts.zero(profile),
        "one row": profile.count(_same(1.0, 1)),
        "all missing": profile.count(_same(np.nan, 300)),
        "constant": profile.count(_same(2.0, 300)),
        "ties": profile.count(_columns(random, 300)),
        "moved": some,
        "huge": huge,
    }


CASES = ("no rows", "one row", "all missing", "constant", "ties", "moved", "huge")


def _sums(evaluator: Evaluator, *counts: Counts) -> Sums:
    return evaluator.sums([[_block(evaluator, one) for one in counts]])


def _block(evaluator: Evaluator, counts: Counts) -> np.ndarray:
    raw = np.zeros(evaluator.width, dtype=np.int64)
    evaluator.fill(raw, counts, None)
    return evaluator.vector(raw)


def _decide(statistic: type[Statistic], evaluator: Evaluator, sums: Sums) -> Evidence:
    reference = evaluator.reference
    limits = Limits.of(reference, sums, BUDGET, np.ones_like(sums.n))
    return statistic(reference, evaluator.pairs).decide(sums, limits)


def _samples(profile: Profile, counts: Counts) -> list[Sample]:
    parts = [counts.feature(name) for name in profile.names]
    return [Sample.of(part.feature, part.cells, part.missing, part.beyond) for part in parts]


# --- statistics that decide ----------------------------------------------------------------------------


@deciding
@pytest.mark.parametrize("case", CASES)
def test_a_point_is_a_share_and_its_bound_is_not_above_it(
    statistic: type[Statistic], case: str, profile: Profile, evaluator: Evaluator
) -> None:
    sums = _sums(evaluator, _cases(profile)[case])
    said = _decide(statistic, evaluator, sums)
    on = statistic.applies(evaluator.reference)
    assert {getattr(said, field.name).shape for field in fields(said)} == {sums.n.shape}
    assert ((said.point >= 0) & (said.point <= 1))[:, on].all()
    moved = np.maximum(said.point, sums.distance)  # a bound of D is one of G too, whose bins are pooled
    assert (said.lower <= moved + 1e-12)[:, on].all()
    assert (said.half_width >= 0)[:, on].all()
    assert np.isfinite(said.point).all()
    assert not np.isnan(said.lower).any()


@deciding
def test_no_rows_show_nothing(statistic: type[Statistic], profile: Profile, evaluator: Evaluator) -> None:
    said = _decide(statistic, evaluator, _sums(evaluator, Counts.zero(profile)))
    assert not said.detected.any()
    assert (said.lower <= 0).all()


@deciding
def test_rows_like_the_reference_are_not_significant(
    statistic: type[Statistic], profile: Profile, evaluator: Evaluator
) -> None:
    said = _decide(statistic, evaluator, _sums(evaluator, _cases(profile)["ties"]))
    assert not said.detected[:, statistic.applies(evaluator.reference)].any()


@deciding
def test_the_order_of_addition_changes_nothing(
    statistic: type[Statistic], profile: Profile, evaluator: Evaluator
) -> None:
    random = np.random.default_rng(3)
    pods = [profile.count(_columns(random, rows, 0.3)) for rows in (1, 90, 400)]
    said = [_decide(statistic, evaluator, _sums(evaluator, *order)) for order in itertools.permutations(pods)]
    said.append(_decide(statistic, evaluator, _sums(evaluator, sum(pods, start=0))))
    for field in fields(Evidence):
        assert len({getattr(one, field.name).tobytes() for one in said}) == 1, field.name


@deciding
def test_more_rows_of_the_same_shares_stay_significant(
    statistic: type[Statistic], profile: Profile, evaluator: Evaluator
) -> None:
    cases = _cases(profile)
    few, many = (_decide(statistic, evaluator, _sums(evaluator, cases[name])) for name in ("moved", "huge"))
    on = statistic.applies(evaluator.reference) & few.detected[0]
    assert (many.detected[:, on]).all()


@deciding
def test_a_statistic_reads_the_sums_that_it_names(
    statistic: type[Statistic], profile: Profile, evaluator: Evaluator
) -> None:
    sums = _sums(evaluator, _cases(profile)["moved"])
    names = {field.name for field in fields(Sums)}
    assert statistic.reads <= names
    limits = Limits.of(evaluator.reference, sums, BUDGET, np.ones_like(sums.n))
    member = statistic(evaluator.reference, evaluator.pairs)
    blank = {name: np.full_like(getattr(sums, name), np.nan) for name in names - statistic.reads}
    whole, part = member.decide(sums, limits), member.decide(replace(sums, **blank), limits)
    for field in fields(Evidence):
        assert np.array_equal(getattr(whole, field.name), getattr(part, field.name)), field.name


@deciding
def test_a_statistic_alarms_only_for_its_kinds(statistic: type[Statistic], evaluator: Evaluator) -> None:
    kinds = np.array(evaluator.reference.kinds)
    assert set(kinds[statistic.applies(evaluator.reference)]) <= statistic.kinds
    assert statistic.leads <= statistic.kinds


@pytest.mark.parametrize("kind", Kind)
def test_each_kind_has_one_leader(kind: Kind) -> None:
    assert len([each for each in STATISTICS if kind in each.leads]) == 1


# --- statistics that publish ---------------------------------------------------------------------------


@publishing
@pytest.mark.parametrize("case", CASES)
def test_figures_have_the_names_that_it_publishes(
    statistic: type[Statistic], case: str, profile: Profile
) -> None:
    for sample in _samples(profile, _cases(profile)[case]):
        found = figures_of(sample, (statistic,))
        assert set(found) <= set(statistic.publishes)
        assert all(value is None or (type(value) is float and np.isfinite(value)) for value in found.values())


@publishing
def test_figures_of_the_reference_itself_are_those_of_no_drift(
    statistic: type[Statistic], profile: Profile
) -> None:
    quiet = {"rank_mean": 0.5, "psi_noise": None, "missing_rate": None, "reference_missing_rate": None}
    quiet |= {"exceedance_rate": None, "unseen_rate": None}
    for feature in profile.monitored:
        sample = Sample.of(feature, feature.counts, feature.missing, getattr(feature, "beyond", 0))
        for name, value in figures_of(sample, (statistic,)).items():
            wanted = quiet.get(name, 0.0)
            assert wanted is None or value == pytest.approx(wanted, abs=1e-7), (feature.name, name)


@publishing
def test_each_published_figure_is_given_for_some_feature(
    statistic: type[Statistic], profile: Profile
) -> None:
    samples = _samples(profile, _cases(profile)["moved"])
    found = {
        name
        for sample in samples
        for name, value in figures_of(sample, (statistic,)).items()
        if value is not None
    }
    assert found == set(statistic.publishes)


# --- files, docs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("statistic", STATISTICS, ids=lambda each: each.name)
def test_a_file_holds_one_statistic_with_its_formula_and_an_example(statistic: type[Statistic]) -> None:
    module = importlib.import_module(statistic.__module__)
    classes = {each for each in vars(module).values() if inspect.isclass(each)}
    own = {each for each in classes if each.__module__ == module.__name__ and issubclass(each, Statistic)}
    assert own == {statistic}
    assert doctest.testmod(module).attempted > 0
    assert statistic.kinds or statistic.publishes


def test_names_are_given_once() -> None:
    names = [each.name for each in STATISTICS]
    figures = [name for each in STATISTICS for name in each.publishes]
    assert len(set(names)) == len(names)
    assert len(set(figures)) == len(figures)


@pytest.mark.parametrize("name", [*unknown_figures(), *(each.name for each in DECIDING)])
def test_the_report_page_has_a_line_for_each_name(name: str) -> None:
    page = (ROOT / "docs/report-format.md").read_text()
    assert re.search(rf"^\|.*`{name}`", page, re.MULTILINE)


# --- one of one's own ----------------------------------------------------------------------------------

OWN_FILE = '''
"""Share of rows in the first bin: a statistic for this test."""

import numpy as np

from tidegauge.stats.evidence import Evidence
from tidegauge.stats.statistic import Statistic
from tidegauge.stats.tables import Kind


class FirstBin(Statistic):
    name = "first_bin"
    kinds = frozenset({Kind.CONTINUOUS})
    reads = frozenset({"n", "bins", "expected"})
    publishes = ("first_bin_rate",)

    def decide(self, sums, limits):
        first = self.reference.bin_offsets[:-1]
        share = sums.bins[:, first] / np.maximum(sums.n, 1)
        gap = np.abs(share - sums.expected[:, first])
        return Evidence(gap, gap - limits.half_width, gap > limits.half_width, limits.half_width)

    @staticmethod
    def figures(sample):
        return {"first_bin_rate": float(sample.live[0]) / sample.n}


STATISTIC = FirstBin
'''
JUDGED = """
import json, sys
import tidegauge.stats.statistics
tidegauge.stats.statistics.__path__.append(sys.argv[1])
import numpy as np
from tidegauge import Monitor, Policy, Profile
random = np.random.default_rng(1)
profile = Profile.fit({"x": random.normal(size=4000)})
monitor = Monitor(profile, Policy(design_effect=1))
monitor.add(0, profile.count({"x": random.normal(size=500)}))
print(json.dumps(monitor.report(0).to_dict()))
"""


@pytest.mark.slow
def test_a_file_in_the_folder_is_a_statistic_without_another_line(tmp_path: Path) -> None:
    (tmp_path / "first_bin.py").write_text(OWN_FILE)
    printed = subprocess.run(
        [sys.executable, "-c", JUDGED, str(tmp_path)], check=True, capture_output=True, text=True
    ).stdout
    report = json.loads(printed)
    feature = report["features"][0]
    assert feature["first_bin_rate"] == pytest.approx(1 / 16, abs=0.03)
    assert report["policy"]["pairs"] == 6
    assert Report.from_dict(report).features["x"].measures["first_bin_rate"] == feature["first_bin_rate"]


def test_a_statistic_of_ones_own_can_raise_an_alarm_and_is_its_cause() -> None:
    held: dict[str, object] = {"__name__": "own"}
    exec(OWN_FILE, held)
    own: type[Statistic] = held["STATISTIC"]  # type: ignore[assignment]
    random = np.random.default_rng(1)
    profile = Profile.fit({"x": random.normal(size=20_000)})
    live = random.normal(size=3000)
    live[:900] = -5.0  # D moves as far: the own one needs the same half-width and sees one bin
    monitor = Monitor(profile, Policy(design_effect=1), statistics=(*STATISTICS, own))
    monitor.add(0, profile.count({"x": live}))
    found = monitor.report(0).features["x"]
    alone = Monitor(profile, Policy(design_effect=1))
    alone.add(0, profile.count({"x": live}))
    assert found.verdict.value == "Drifting"
    assert found.lower >= alone.report(0).features["x"].lower - 0.02
    assert count_pairs(monitor.reference, monitor.statistics) == Monitor.count_pairs(profile) + 1
