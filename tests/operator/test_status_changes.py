"""Which changes of a status are worth a write, and which times in it stay."""

from dataclasses import replace
from typing import Any

import pytest
from support.observed import (
    LATER,
    NOW,
    WELL,
    status_of,
)
from support.reports import DRIFTING, a_report
from tidegauge_operator.status.conditions import has_happened

from tidegauge.protocol.names import Severity
from tidegauge.report.model import Report


def test_times_of_transition_stay_while_nothing_changes() -> None:
    before = status_of(WELL)
    again = status_of(WELL, before, LATER)
    assert again == before
    changed = status_of(replace(WELL, report=DRIFTING), before, LATER)
    times = {c["type"]: c["lastTransitionTime"] for c in changed["conditions"]}
    assert times.pop("DataDriftDetected") == LATER
    assert set(times.values()) == {NOW}


def test_since_is_when_the_verdict_became_this() -> None:
    before = status_of(WELL)
    assert before["drift"]["since"] == NOW
    assert status_of(WELL, before, LATER)["drift"]["since"] == NOW


def test_figures_alone_are_nothing_that_happened() -> None:
    before = status_of(replace(WELL, report=DRIFTING))
    figures = a_report(
        drifting=(("sqft", Severity.CRITICAL, 0.18), ("age", Severity.WARNING, 0.07)),
        rows=20000,
        rows_ratio=0.995,
    )
    after = status_of(replace(WELL, report=figures), before, LATER)
    assert after != before
    assert not has_happened(before, after)


@pytest.mark.parametrize("features", [2, 8], ids=["all in the status", "more than the status names"])
def test_features_that_change_places_are_nothing_that_happened(features: int) -> None:
    def report(order: float) -> Report:
        return a_report(
            drifting=tuple((f"f{i}", Severity.CRITICAL, 0.5 + order * i) for i in range(features))
        )

    before = status_of(replace(WELL, report=report(0.01)))
    after = status_of(replace(WELL, report=report(-0.01)), before, LATER)
    first = [document["drift"]["topFeatures"][0]["name"] for document in (before, after)]
    assert first == [f"f{features - 1}", "f0"]
    assert not has_happened(before, after)


def test_one_more_drifting_feature_of_many_changes_the_status() -> None:
    def report(features: int) -> Report:
        return a_report(drifting=tuple((f"f{i}", Severity.CRITICAL, 0.5) for i in range(features)))

    before = status_of(replace(WELL, report=report(8)))
    assert has_happened(before, status_of(replace(WELL, report=report(9)), before, LATER))


@pytest.mark.parametrize(
    "report",
    [
        a_report(),
        a_report(heard=2),
        a_report(drifting=(("sqft", Severity.CRITICAL, 0.17),)),
        a_report(drifting=(("sqft", Severity.CRITICAL, 0.17), ("age", Severity.CRITICAL, 0.16))),
    ],
)
def test_another_verdict_feature_severity_or_pod_changes_the_status(report: Any) -> None:
    before = status_of(replace(WELL, report=DRIFTING))
    assert has_happened(before, status_of(replace(WELL, report=report), before, LATER))
