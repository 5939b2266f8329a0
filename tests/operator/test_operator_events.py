"""The Events on the way from one observation to the next."""

from dataclasses import replace

import pytest
from support.observed import WELL, condition, message, story, told
from support.reports import DRIFTING, a_report
from tidegauge_operator.events import Event, events
from tidegauge_operator.status import Failure, Observed

from tidegauge.contract import Severity, Verdict


def test_one_event_for_each_transition() -> None:
    starting = Observed(generation=2, deployment={"spec": {"replicas": 3}}, silence="starting")
    warned = a_report(drifting=(("sqft", Severity.WARNING, 0.06),))
    assert story(
        starting,
        starting,
        WELL,
        WELL,
        replace(WELL, report=warned),
        replace(WELL, report=DRIFTING),
        replace(WELL, report=DRIFTING),
        WELL,
    ) == [
        [],
        [],
        [("Normal", "Ready")],
        [],
        [("Warning", "WarningDrift")],
        [("Warning", "CriticalDrift")],
        [],
        [("Normal", "DataDriftEnded")],
    ]


def test_a_failure_is_told_once_and_its_end_too() -> None:
    failed = replace(WELL, failure=Failure("Forbidden", "may not create services"))
    assert story(failed, failed, WELL) == [[("Warning", "Forbidden")], [], [("Normal", "Ready")]]


def test_an_aggregator_that_has_not_been_asked_yet_is_no_trouble() -> None:
    starting = replace(WELL, report=None, asked=False)
    assert condition(told(starting), "DriftMonitoringDegraded") == ("Unknown", "NoReport")
    assert story(starting, WELL) == [[("Normal", "Ready")], []]


def test_an_event_says_why() -> None:
    before = told(WELL)
    after = told(replace(WELL, report=DRIFTING), before)
    assert events(before, after) == [Event("Warning", "CriticalDrift", "2 features drift: sqft, age")]


# --- Events across an Unknown ---------------------------------------------------------------------------

MOVED = replace(WELL, report=DRIFTING)
UNASKED = replace(WELL, report=None, asked=False, silence="the aggregator is not ready")
SILENT = replace(WELL, report=None, silence="nobody answers")
UNSURE = replace(WELL, report=a_report(Verdict.UNKNOWN))


@pytest.mark.parametrize("between", [UNASKED, UNSURE])
def test_the_end_of_drift_is_told_after_a_time_without_a_verdict(between: Observed) -> None:
    assert story(WELL, MOVED, between, between, WELL, between, WELL)[1:] == [
        [("Warning", "CriticalDrift")],
        [],
        [],
        [("Normal", "DataDriftEnded")],
        [],
        [],
    ]


def test_drift_that_goes_on_after_a_time_without_a_verdict_is_not_told_again() -> None:
    assert story(WELL, MOVED, UNASKED, UNSURE, MOVED, UNASKED, WELL)[2:] == [
        [],
        [],
        [],
        [],
        [("Normal", "DataDriftEnded")],
    ]


def test_drift_that_grew_or_began_meanwhile_is_told() -> None:
    warned = replace(WELL, report=a_report(drifting=(("sqft", Severity.WARNING, 0.06),)))
    assert story(warned, UNSURE, MOVED)[2] == [("Warning", "CriticalDrift")]
    unsure = told(UNSURE, told(MOVED), "2026-10-01T00:00:00Z")
    assert DRIFTING.since is not None
    anew = replace(DRIFTING, since=DRIFTING.since + 864_000)
    assert events(unsure, told(MOVED, unsure)) == []
    assert [e.reason for e in events(unsure, told(replace(WELL, report=anew), unsure))] == ["CriticalDrift"]


def test_the_end_of_silence_is_told_after_the_aggregator_was_started_anew() -> None:
    assert story(WELL, SILENT, UNASKED, WELL)[1:] == [
        [("Warning", "NoReport")],
        [],
        [("Normal", "DriftMonitoringRestored")],
    ]
    assert story(WELL, SILENT, UNASKED, SILENT)[3] == [], "the same silence goes on"
    assert story(WELL, UNASKED, WELL)[1:] == [[], []], "to be started anew is no trouble"


def test_an_unknown_says_what_was_before_it() -> None:
    document = told(UNSURE, told(UNASKED, told(MOVED)))
    assert message(document, "DataDriftDetected").endswith("; CriticalDrift before that")
    assert message(document, "DataDriftDetected").count("before that") == 1
    assert "before that" not in message(told(WELL, document), "DataDriftDetected")
