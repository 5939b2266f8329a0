"""The report as a document, and shards' reports as one."""

import json
from dataclasses import fields, replace

import numpy as np
import pytest
from support.drift import independent, normal_profile, run_monitor, shifted_pane
from support.reports import in_pods

from tidegauge import Monitor, Profile, Report, WireError
from tidegauge.protocol.names import REPORT_SCHEMA, Extent, Severity, Verdict
from tidegauge.report.model import Baseline, Coverage, FeatureReport
from tidegauge.stats.registry import STATISTICS


def _feature(name: str, verdict: Verdict, *, lower: float = 0.0, since: int | None = None) -> FeatureReport:
    severity = Severity.WARNING if verdict is Verdict.DRIFTING else None
    return FeatureReport(
        name=name, kind="numeric", verdict=verdict, severity=severity, lower=lower, since=since
    )


def test_each_published_figure_has_a_name_that_a_type_checker_knows() -> None:
    """A name that is no field and no property is an error for a type checker and for Python."""
    known = {field.name for field in fields(FeatureReport)}
    for statistic in STATISTICS:
        for name in statistic.publishes:
            assert name in known or isinstance(getattr(FeatureReport, name), property), name
            if name not in known:
                report = FeatureReport(
                    name="x", kind="numeric", verdict=Verdict.STABLE, measures={name: 0.25}
                )
                assert getattr(report, name) == 0.25
    assert not hasattr(FeatureReport, "__getattr__")
    with pytest.raises(AttributeError, match="hellingr"):
        getattr(_feature("x", Verdict.STABLE), "hellingr")  # noqa: B009


def _report(*features: FeatureReport, stale: bool = False, pane: int = 9) -> Report:
    verdict, severity, since = Report.judge(features, stale=stale)
    return Report(
        verdict=verdict,
        severity=severity,
        since=since,
        pane=pane,
        pane_seconds=10,
        rows=100,
        profile="0" * 64,
        features={f.name: f for f in features},
        baseline=Baseline(state="ready", seconds=0, of_seconds=0),
        stale=stale,
    )


@pytest.fixture(scope="module")
def drifted() -> Report:
    random = np.random.default_rng(1)
    frame = {
        "x": random.normal(size=5000),
        "kind": random.choice(list("abc"), 5000),
        "few": random.integers(0, 5, 5000),
    }
    profile = Profile.fit(frame, prediction=random.normal(size=5000))
    monitor = Monitor(profile, independent())
    for pane in range(5):
        rows = {
            "x": random.normal(0.8, size=600),
            "kind": random.choice(list("abz"), 600),
            "few": random.integers(0, 5, 600),
        }
        monitor.add(pane, profile.count(rows, prediction=random.normal(size=600)))
    return monitor.report(4)


def test_a_document_read_back_is_the_report(drifted: Report) -> None:
    covered = drifted.with_coverage(
        Coverage(pods_heard=2, pods_expected=3, rows_counted=10, rows_ratio=1.0), "houses"
    )
    text = json.dumps(covered.to_dict(), allow_nan=False)
    assert Report.from_dict(json.loads(text)) == covered


def test_pods_are_read_back_and_a_report_from_before_they_were_said_is_read(drifted: Report) -> None:
    located = in_pods(drifted, "x", Extent.CONFINED, "a", "b")
    document = json.loads(json.dumps(located.to_dict()))
    assert Report.from_dict(document) == located
    newer = json.loads(json.dumps(document))
    newer["features"][1]["pods"][0]["colour"] = "blue"
    assert Report.from_dict(newer) == located
    for feature in document["features"]:
        del feature["pods"], feature["extent"]
    assert Report.from_dict(document) == drifted


def test_a_document_says_when_and_what(drifted: Report) -> None:
    document = drifted.to_dict()
    assert document["schema"] == REPORT_SCHEMA
    assert document["time"] == "1970-01-01T00:00:50Z"
    assert document["drifting"] == ["kind", "x"]  # a third of the rows against D = 0.31
    by_name = {feature["name"]: feature for feature in document["features"]}
    assert by_name["x"]["since"] == "1970-01-01T00:00:10Z"
    assert by_name["kind"]["unseen_rate"] == pytest.approx(1 / 3, abs=0.05)
    assert by_name["few"]["verdict"] == "Stable"
    assert by_name["prediction"]["kind"] == "numeric"


def test_bounds_hold_the_statistic_between_them(drifted: Report) -> None:
    for feature in drifted.features.values():
        assert feature.lower is not None
        assert feature.upper is not None
        assert feature.lower <= feature.statistic <= feature.upper <= 1


def test_drifting_features_come_first_the_clearest_before_the_others() -> None:
    monitor = Monitor(normal_profile(4), independent())
    random = np.random.default_rng(2)
    for pane in range(8):
        monitor.add(pane, shifted_pane(monitor.profile, random, 500, 0, 0.8, 0, 1.6))
    report = monitor.report(7)
    assert list(report.features) == ["x3", "x1", "x0", "x2"]
    assert [f.name for f in report.drifting] == ["x3", "x1"]


@pytest.mark.parametrize(
    ("verdicts", "stale", "expected"),
    [
        ([Verdict.STABLE, Verdict.STABLE], False, Verdict.STABLE),
        ([Verdict.STABLE, Verdict.LEARNING], False, Verdict.LEARNING),
        ([Verdict.LEARNING, Verdict.DRIFTING], False, Verdict.DRIFTING),
        ([Verdict.STABLE, Verdict.DRIFTING], True, Verdict.DRIFTING),
        ([Verdict.STABLE, Verdict.STABLE], True, Verdict.UNKNOWN),
        ([Verdict.STABLE, Verdict.UNKNOWN], False, Verdict.STABLE),
        ([Verdict.UNKNOWN], False, Verdict.UNKNOWN),
        ([], False, Verdict.UNKNOWN),
    ],
)
def test_the_models_verdict_follows_its_features(
    verdicts: list[Verdict], stale: bool, expected: Verdict
) -> None:
    features = [_feature(f"x{i}", verdict, since=3) for i, verdict in enumerate(verdicts)]
    assert Report.judge(features, stale=stale)[0] is expected


class TestJoining:
    def test_one_drifting_shard_makes_the_model_drift(self) -> None:
        joined = Report.join(
            [
                _report(_feature("a", Verdict.STABLE)),
                _report(_feature("b", Verdict.DRIFTING, since=4), pane=7),
            ]
        )
        assert (joined.verdict, joined.since, joined.pane) == (Verdict.DRIFTING, 4, 7)
        assert list(joined.features) == ["b", "a"]

    def test_a_shard_that_knows_nothing_is_not_hidden_by_a_stable_one(self) -> None:
        stable, stale = (
            _report(_feature("a", Verdict.STABLE)),
            _report(_feature("b", Verdict.UNKNOWN), stale=True),
        )
        assert Report.join([stable, stale]).verdict is Verdict.UNKNOWN

    def test_beside_a_silent_shard_only_drift_is_sure(self) -> None:
        calm = _report(_feature("a", Verdict.STABLE))
        moved = _report(_feature("b", Verdict.DRIFTING, since=4))
        assert Report.join([calm], silent=1).verdict is Verdict.UNKNOWN
        assert Report.join([moved], silent=1).verdict is Verdict.DRIFTING

    def test_the_worst_coverage_is_the_whole_ones(self) -> None:
        parts = [
            _report(_feature("a", Verdict.STABLE)).with_coverage(
                Coverage(pods_heard=3, rows_ratio=1.0, newest_pane_age_seconds=5)
            ),
            _report(_feature("b", Verdict.STABLE)).with_coverage(
                Coverage(pods_heard=2, rows_ratio=0.9, newest_pane_age_seconds=2)
            ),
        ]
        coverage = Report.join(parts).coverage
        assert coverage is not None
        assert (coverage.pods_heard, coverage.rows_ratio, coverage.newest_pane_age_seconds) == (2, 0.9, 5)

    def test_a_shard_that_loses_rows_now_is_not_hidden_by_one_that_lost_more_before(self) -> None:
        lost_long_ago = Coverage(pods_heard=3, rows_ratio=0.8, recent_rows_counted=900)
        loses_now = Coverage(pods_heard=3, rows_ratio=0.99, recent_rows_counted=500, recent_rows_lost=400)
        parts = [
            _report(_feature(name, Verdict.STABLE)).with_coverage(coverage)
            for name, coverage in (("a", lost_long_ago), ("b", loses_now), ("c", Coverage(pods_heard=3)))
        ]
        coverage = Report.join(parts).coverage
        assert coverage is not None
        assert (coverage.recent_rows_counted, coverage.recent_rows_lost) == (500, 400)
        assert coverage.rows_ratio == 0.8

    def test_what_does_not_belong_together_is_refused(self) -> None:
        one = _report(_feature("a", Verdict.STABLE))
        for parts in (
            [],
            [one, one],
            [one, replace(_report(_feature("b", Verdict.STABLE)), pane_seconds=60)],
        ):
            with pytest.raises(WireError):
                Report.join(parts)


def test_what_is_no_report_is_refused(drifted: Report) -> None:
    good = drifted.to_dict()
    bad_feature = [{**good["features"][0], "verdict": "Fine"}]
    for document in (
        None, [], {}, {**good, "schema": "tidegauge.io/report/v2"}, {**good, "verdict": "Fine"},
        {**good, "features": bad_feature}, {**good, "features": [{}]}, {k: v for k, v in good.items() if k
        != "pane"},
    ):  # fmt: skip
        with pytest.raises(WireError):
            Report.from_dict(document)


def test_reports_are_read_without_numpy() -> None:
    import subprocess
    import sys

    code = "import sys, tidegauge.report.model; sys.exit(any(m in sys.modules for m in ('numpy', 'scipy')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_run_of_reports_has_no_figures_that_json_cannot_hold() -> None:
    monitor = Monitor(normal_profile(), independent())
    run_monitor(monitor, [0.0, 3.0], 10)
    json.dumps(monitor.report(1).to_dict(), allow_nan=False)
