"""The Events on the way from one observation to the next."""

from dataclasses import replace

import pytest
from support.observed import IN_TROUBLE, WELL, condition, deployed, message, status_of, story
from support.reports import DRIFTING, a_report
from tidegauge_operator.status.conditions import Failure, Observed
from tidegauge_operator.status.events import Event, events

from tidegauge.protocol.names import Severity, Verdict


def test_each_transition_of_a_verdict_is_one_event() -> None:
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
    assert condition(status_of(starting), "DriftMonitoringDegraded") == ("Unknown", "NoReport")
    assert story(starting, WELL) == [[("Normal", "Ready")], []]


def test_an_event_says_why() -> None:
    before = status_of(WELL)
    after = status_of(replace(WELL, report=DRIFTING), before)
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
    unsure = status_of(UNSURE, status_of(MOVED), "2026-10-01T00:00:00Z")
    assert DRIFTING.since is not None
    later = replace(DRIFTING, since=DRIFTING.since + 864_000)
    assert events(unsure, status_of(MOVED, unsure)) == []
    assert [e.reason for e in events(unsure, status_of(replace(WELL, report=later), unsure))] == [
        "CriticalDrift"
    ]


def test_the_end_of_silence_is_an_event_after_a_restart_of_the_aggregator() -> None:
    assert story(WELL, SILENT, UNASKED, WELL)[1:] == [
        [("Warning", "NoReport")],
        [],
        [("Normal", "DriftMonitoringRestored")],
    ]
    assert story(WELL, SILENT, UNASKED, SILENT)[3] == [], "the same silence goes on"
    assert story(WELL, UNASKED, WELL)[1:] == [[], []], "a restart is no trouble"


def test_an_unknown_says_what_was_before_it() -> None:
    document = status_of(UNSURE, status_of(UNASKED, status_of(MOVED)))
    assert message(document, "DataDriftDetected").endswith("; CriticalDrift before that")
    assert message(document, "DataDriftDetected").count("before that") == 1
    assert {"type": "DataDriftDetected", "reason": "CriticalDrift"} in document["reasonsBefore"]
    assert "reasonsBefore" not in status_of(WELL, document)
    assert "before that" not in message(status_of(WELL, document), "DataDriftDetected")


def test_what_was_before_is_not_read_out_of_a_message() -> None:
    """A message may hold any words, of pods and of other programs."""
    document = status_of(UNSURE, status_of(WELL))
    for each in document["conditions"]:
        each["message"] += "; CriticalDrift before that"
    assert events(document, status_of(WELL, document)) == []
    assert message(status_of(UNSURE, document), "DataDriftDetected").count("before that") == 0


# --- Events of the parts, where Ready tells nothing new ---------------------------------------------------

ONE_UP = deployed(1, updated=1)
STALLED = replace(WELL, deployment=ONE_UP, model_pods=IN_TROUBLE)
OUT = replace(STALLED, deployment=deployed(0, updated=1))


def test_the_last_pod_that_dies_in_a_stalled_rollout_is_an_event() -> None:
    assert story(WELL, STALLED, OUT, OUT, STALLED, WELL)[1:] == [
        [("Warning", "ImagePullBackOff")],
        [("Warning", "ImagePullBackOff")],
        [],
        [("Normal", "ModelAvailable")],
        [("Normal", "Ready")],
    ]


def test_an_aggregator_that_fails_while_the_model_does_is_an_event() -> None:
    lost = replace(
        STALLED,
        stateful_set={"spec": {}, "status": {}},
        aggregator_pods=Failure("Unschedulable", "no node has room"),
    )
    assert story(WELL, STALLED, lost, STALLED)[2:] == [
        [("Warning", "Unschedulable")],
        [("Normal", "AggregatorAvailable")],
    ]


def test_what_ready_tells_is_not_told_again_of_its_part() -> None:
    down = replace(WELL, deployment=deployed(0), model_pods=IN_TROUBLE)
    assert story(WELL, down, WELL)[1:] == [[("Warning", "ImagePullBackOff")], [("Normal", "Ready")]]


def test_a_first_start_and_a_roll_of_the_aggregator_are_no_news() -> None:
    no_aggregator = {"spec": {"replicas": 1}, "status": {"readyReplicas": 0}}
    nothing = Observed(generation=2)
    starting = Observed(generation=2, deployment=deployed(0), stateful_set=no_aggregator)
    serving = replace(starting, deployment=ONE_UP)
    assert story(nothing, starting, serving, WELL) == [[], [], [], [("Normal", "Ready")]]
    rolling = replace(WELL, deployment=deployed(3, updated=1))
    both = replace(rolling, stateful_set=no_aggregator)
    assert story(WELL, rolling, both, rolling, WELL)[1:] == [[], [], [], [("Normal", "Ready")]]
