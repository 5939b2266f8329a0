"""What the status says, from what was observed."""

from dataclasses import replace
from typing import Any

import pytest
from support.observed import (
    LATER,
    WELL,
    condition,
    deployed,
    message,
    status_of,
    story,
)
from support.reports import DRIFTING, a_report, in_pods
from tidegauge_operator.status.conditions import Failure, has_happened

from tidegauge.protocol.names import Extent, Verdict


def test_the_status_of_a_healthy_model_is_ready_without_drift() -> None:
    document = status_of(WELL)
    assert {c["type"]: c["status"] for c in document["conditions"]} == {
        "Ready": "True",
        "ModelAvailable": "True",
        "AggregatorAvailable": "True",
        "MonitoringReady": "True",
        "DataDriftDetected": "False",
        "DriftMonitoringDegraded": "False",
    }
    assert {k: v for k, v in document.items() if k not in ("conditions", "drift")} == {
        "observedGeneration": 2,
        "replicas": 3,
        "selector": "a=1,b=2",
        "url": "http://house-prices.ml.svc",
    }


def test_drift_is_told_with_its_features() -> None:
    document = status_of(replace(WELL, report=DRIFTING))
    assert document["drift"] == {
        "verdict": "Drifting",
        "since": DRIFTING.time(DRIFTING.since),
        "rows": 18421,
        "coverage": {"pods": "3/3", "rows": 1.0},
        "driftingFeatures": 2,
        "topFeatures": [
            {
                "name": "sqft",
                "statistic": 0.21,
                "lowerBound": 0.17,
                "window": "160s",
                "severity": "critical",
            },
            {"name": "age", "statistic": 0.1, "lowerBound": 0.06, "window": "160s", "severity": "warning"},
        ],
    }
    assert condition(document, "DataDriftDetected") == ("True", "CriticalDrift")
    assert message(document, "DataDriftDetected") == "2 features drift: sqft, age"


def test_the_only_pods_that_drift_are_named_with_the_feature() -> None:
    alone = in_pods(DRIFTING, "sqft", Extent.CONFINED, "a-2", "a-1")
    document = status_of(replace(WELL, report=alone))
    assert [feature.get("pods") for feature in document["drift"]["topFeatures"]] == [["a-1", "a-2"], None]
    assert message(document, "DataDriftDetected") == "2 features drift: sqft (in pods a-1, a-2 only), age"


@pytest.mark.parametrize("extent", [Extent.EVERYWHERE, None])
def test_pods_that_are_not_alone_stand_in_the_report_only(extent: Extent | None) -> None:
    known = status_of(replace(WELL, report=DRIFTING))
    assert status_of(replace(WELL, report=in_pods(DRIFTING, "sqft", extent, "a-1", "a-2"))) == known


def test_another_drifting_pod_changes_the_status_and_other_figures_do_not() -> None:
    first = status_of(replace(WELL, report=in_pods(DRIFTING, "sqft", Extent.CONFINED, "a-1", "a-2")))
    moved = in_pods(DRIFTING, "sqft", Extent.CONFINED, "a-2", "a-1", statistic=0.7)
    assert status_of(replace(WELL, report=moved), first) == first
    other = status_of(replace(WELL, report=in_pods(DRIFTING, "sqft", Extent.CONFINED, "a-3")), first)
    assert has_happened(first, other)
    assert story(WELL, replace(WELL, report=DRIFTING), replace(WELL, report=moved))[2:] == [[]]


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [
        (Verdict.STABLE, ("False", "Stable")),
        (Verdict.LEARNING, ("Unknown", "Learning")),
        (Verdict.UNKNOWN, ("Unknown", "NoVerdict")),
    ],
)
def test_only_stable_means_no_drift(verdict: Verdict, expected: tuple[str, str]) -> None:
    document = status_of(replace(WELL, report=a_report(verdict)))
    assert condition(document, "DataDriftDetected") == expected


def test_silence_is_never_stable() -> None:
    before = status_of(WELL)
    document = status_of(replace(WELL, report=None, silence="nobody answers"), before, LATER)
    assert document["drift"]["verdict"] == "Unknown"
    assert document["drift"]["since"] == LATER
    assert condition(document, "DataDriftDetected") == ("Unknown", "NoReport")
    assert condition(document, "DriftMonitoringDegraded") == ("True", "NoReport")
    assert message(document, "DriftMonitoringDegraded") == "nobody answers"


def test_a_silent_shard_is_told_and_hides_no_drift_of_the_others() -> None:
    silence = "1 of 2 aggregators: the aggregator does not answer"
    calm = status_of(replace(WELL, report=a_report(Verdict.UNKNOWN), silence=silence))
    assert condition(calm, "DriftMonitoringDegraded") == ("True", "ShardsSilent")
    assert condition(calm, "DataDriftDetected") == ("Unknown", "ShardsSilent")
    drifting = status_of(replace(WELL, report=DRIFTING, silence=silence))
    assert condition(drifting, "DataDriftDetected")[0] == "True"
    assert drifting["drift"]["verdict"] == "Drifting"


def test_coverage_says_how_many_shards_are_heard() -> None:
    two = {"replicas": 2}
    silent = replace(WELL, report=DRIFTING, silence="1 of 2 aggregators: silent", silent_shards=1)
    lame, whole = status_of(silent, aggregator=two), status_of(WELL, aggregator=two)
    assert lame["drift"]["coverage"]["shards"] == "1/2"
    assert whole["drift"]["coverage"]["shards"] == "2/2"
    assert "shards" not in status_of(WELL)["drift"]["coverage"], "one aggregator is no share"
    assert has_happened(whole, lame)


@pytest.mark.parametrize(
    ("report", "expected"),
    [
        (a_report(heard=2), ("True", "PodsSilent")),
        (a_report(recent=(980, 20)), ("True", "RowsLost")),
        (a_report(Verdict.UNKNOWN, stale=True), ("True", "NoFreshRows")),
        (a_report(expected=None), ("False", "Covered")),
    ],
)
def test_what_the_verdict_has_not_seen_is_told(report: Any, expected: tuple[str, str]) -> None:
    assert condition(status_of(replace(WELL, report=report)), "DriftMonitoringDegraded") == expected


def test_pods_that_send_nothing_lead_to_their_sidecars_log() -> None:
    stale = status_of(replace(WELL, report=a_report(Verdict.UNKNOWN, stale=True)))
    assert "kubectl logs POD -c drift-sidecar" in message(stale, "DriftMonitoringDegraded")


def test_rows_lost_long_ago_are_no_trouble_and_rows_lost_now_are() -> None:
    past = status_of(replace(WELL, report=a_report(rows_ratio=0.6, recent=(1000, 0))))
    assert condition(past, "DriftMonitoringDegraded") == ("False", "Covered")
    now = status_of(replace(WELL, report=a_report(rows_ratio=0.9999, recent=(0, 1000))))
    assert condition(now, "DriftMonitoringDegraded") == ("True", "RowsLost")
    idle = status_of(replace(WELL, report=a_report(rows_ratio=0.6, recent=(0, 0))))
    assert condition(idle, "DriftMonitoringDegraded") == ("False", "Covered")


def test_a_share_of_lost_rows_around_the_bound_is_told_once() -> None:
    shares = [(1000 - lost, lost) for lost in (0, 11, 9, 11, 6, 4, 9)]
    lossy = [replace(WELL, report=a_report(recent=share)) for share in shares]
    assert story(WELL, *lossy)[2:] == [
        [("Warning", "RowsLost")],
        [],
        [],
        [],
        [("Normal", "DriftMonitoringRestored")],
        [],
    ]


@pytest.mark.parametrize("progressing", ["ReplicaSetUpdated", "NewReplicaSetAvailable"])
def test_pods_that_do_not_answer_yet_are_not_missed(progressing: str) -> None:
    """At a start, in a rollout, when an autoscaler adds pods."""
    starting = replace(WELL, deployment=deployed(1, 1, progressing), report=a_report(heard=1))
    assert condition(status_of(starting), "DriftMonitoringDegraded") == ("False", "Covered")
    assert status_of(starting)["drift"]["coverage"]["pods"] == "1/3"
    silent = replace(starting, deployment=deployed(2, 2, progressing))
    assert condition(status_of(silent), "DriftMonitoringDegraded") == ("True", "PodsSilent")
    assert "1 of 2 pods" in message(status_of(silent), "DriftMonitoringDegraded")


def test_a_pod_that_has_just_come_up_is_given_time_to_be_heard() -> None:
    up = deployed(3, 3, "NewReplicaSetAvailable")
    progress = up["status"]["conditions"][0]
    progress["lastUpdateTime"] = "2026-11-22T11:59:30Z"
    one_missing = replace(WELL, deployment=up, report=a_report(heard=2))
    assert condition(status_of(one_missing), "DriftMonitoringDegraded") == ("False", "Covered")
    a_minute_later = status_of(one_missing, now="2026-11-22T12:00:30Z")
    assert condition(a_minute_later, "DriftMonitoringDegraded") == ("True", "PodsSilent")
    progress["lastUpdateTime"] = None  # where nobody said when
    assert condition(status_of(one_missing), "DriftMonitoringDegraded") == ("True", "PodsSilent")


def test_a_failure_comes_first() -> None:
    document = status_of(replace(WELL, failure=Failure("Forbidden", "may not create services")))
    assert condition(document, "Ready") == ("False", "Forbidden")


def test_definitions_that_are_missing_are_named() -> None:
    document = status_of(
        replace(WELL, missing_kinds=("PrometheusRule",)), monitoring={"prometheusRule": {"enabled": True}}
    )
    assert condition(document, "MonitoringReady") == ("False", "CRDNotInstalled")
    assert "PrometheusRule" in message(document, "MonitoringReady")
    assert condition(document, "Ready") == ("True", "Available"), "the model itself is well"


def test_what_is_asked_for_is_there_when_it_was_applied_whatever_else_was_refused() -> None:
    refused = replace(WELL, generation=0, failure=Failure("Forbidden", "may not create networkpolicies"))
    monitoring = {"prometheusRule": {"enabled": True}}
    for applied, state in (
        (frozenset({"PrometheusRule"}), ("True", "Applied")),
        (frozenset(), ("Unknown", "NotAppliedYet")),
    ):
        document = status_of(replace(refused, applied_kinds=applied), monitoring=monitoring)
        assert condition(document, "MonitoringReady") == state


@pytest.mark.parametrize("enabled", [True, False])
def test_a_dashboard_that_is_not_made_is_named(enabled: bool) -> None:
    monitoring = {"serviceMonitor": {"enabled": enabled}, "dashboard": {"enabled": True}}
    text = message(status_of(WELL, monitoring=monitoring), "MonitoringReady")
    assert text.endswith("; spec.monitoring.dashboard has no effect yet")
    del monitoring["dashboard"]
    assert "dashboard" not in message(status_of(WELL, monitoring=monitoring), "MonitoringReady")


def test_a_new_operator_knows_that_a_paused_model_was_applied() -> None:
    monitoring = {"serviceMonitor": {"enabled": True}}
    before = status_of(WELL, paused=True, monitoring=monitoring)
    assert condition(before, "MonitoringReady") == ("True", "Applied")
    assert status_of(replace(WELL, generation=0), before, LATER, paused=True, monitoring=monitoring) == before
    never = status_of(replace(WELL, generation=0), paused=True, monitoring=monitoring)
    assert condition(never, "MonitoringReady") == ("Unknown", "NotAppliedYet")


def test_paused_is_told() -> None:
    assert condition(status_of(WELL, paused=True), "Ready") == ("True", "Paused")
