"""The conditions of the model and its aggregator: pods that fail, rollouts, edits."""

from dataclasses import replace
from typing import Any

import pytest
from support.observed import (
    DEPLOYMENT,
    IN_TROUBLE,
    LATER,
    STATEFUL_SET,
    WELL,
    a_model,
    condition,
    deployed,
    message,
    status_of,
    story,
)
from support.reports import a_report
from tidegauge_operator.status.conditions import status


def failing(kind: str, reason: str, text: str, value: str = "True") -> dict[str, Any]:
    found = {"type": kind, "status": value, "reason": reason, "message": text}
    return {**DEPLOYMENT, "status": {"conditions": [found]}}


@pytest.mark.parametrize(
    ("deployment", "expected"),
    [
        (None, ("False", "DeploymentMissing")),
        ({"spec": {"replicas": 3}}, ("False", "PodsStarting")),
        ({"spec": {"replicas": 0}, "status": {}}, ("False", "ScaledToZero")),
        (failing("ReplicaFailure", "FailedCreate", "exceeded quota: pods=3"), ("False", "QuotaExceeded")),
        (failing("ReplicaFailure", "FailedCreate", "violates PodSecurity"), ("False", "FailedCreate")),
        (
            failing("Progressing", "ProgressDeadlineExceeded", "timed out", "False"),
            ("False", "ProgressDeadlineExceeded"),
        ),
    ],
)
def test_why_the_model_does_not_answer(deployment: Any, expected: tuple[str, str]) -> None:
    document = status_of(replace(WELL, deployment=deployment))
    assert condition(document, "ModelAvailable") == expected
    assert condition(document, "Ready") == expected


def test_a_quota_is_told_in_its_own_words() -> None:
    quota = failing("ReplicaFailure", "FailedCreate", "exceeded quota: pods=3")
    assert "exceeded quota: pods=3" in message(status_of(replace(WELL, deployment=quota)), "Ready")


# --- pods that fail, and revisions that do not come up --------------------------------------------------


def test_what_is_wrong_with_a_pod_is_told_at_once() -> None:
    document = status_of(replace(WELL, deployment=deployed(0), model_pods=IN_TROUBLE))
    assert condition(document, "ModelAvailable") == ("False", "ImagePullBackOff")
    assert condition(document, "Ready") == ("False", "ImagePullBackOff")
    assert message(document, "Ready") == IN_TROUBLE.message


def test_the_reason_of_an_aggregators_pod_is_in_the_condition() -> None:
    document = status_of(replace(WELL, stateful_set={"spec": {}, "status": {}}, aggregator_pods=IN_TROUBLE))
    assert condition(document, "AggregatorAvailable") == ("False", "ImagePullBackOff")
    assert condition(document, "Ready") == ("False", "ImagePullBackOff")


def test_a_revision_that_does_not_start_is_not_ready_while_the_one_before_answers() -> None:
    document = status_of(replace(WELL, deployment=deployed(3, updated=1), model_pods=IN_TROUBLE))
    assert condition(document, "ModelAvailable") == ("True", "RolloutStalled")
    assert "3 of 3 pods answer" in message(document, "ModelAvailable")
    assert IN_TROUBLE.message in message(document, "ModelAvailable")
    assert condition(document, "Ready") == ("False", "ImagePullBackOff")


def test_a_rollout_without_trouble_is_a_step_on_the_way() -> None:
    rolling = replace(WELL, deployment=deployed(3, updated=1))
    document = status_of(rolling)
    assert condition(document, "ModelAvailable") == ("True", "PodsAvailable")
    assert condition(document, "Ready") == ("False", "RollingOut")
    assert story(WELL, rolling, WELL) == [[("Normal", "Ready")], [], [("Normal", "Ready")]]


def test_a_rollout_that_stalls_is_an_event_and_so_is_its_end() -> None:
    rolling = replace(WELL, deployment=deployed(3, updated=1))
    stalled = replace(rolling, model_pods=IN_TROUBLE)
    assert story(WELL, rolling, stalled, WELL)[1:] == [
        [],
        [("Warning", "ImagePullBackOff")],
        [("Normal", "Ready")],
    ]


def test_more_pods_are_no_rollout() -> None:
    """An autoscaler that adds pods does not take the readiness away."""
    growing = replace(WELL, deployment=deployed(2, progressing="NewReplicaSetAvailable"))
    assert condition(status_of(growing), "Ready") == ("True", "Available")
    assert message(status_of(growing), "ModelAvailable") == "2 of 3 pods answer"


def test_a_pod_that_fails_later_is_named_though_others_answer() -> None:
    failing_one = deployed(2, progressing="NewReplicaSetAvailable")
    document = status_of(replace(WELL, deployment=failing_one, model_pods=IN_TROUBLE))
    assert condition(document, "ModelAvailable") == ("True", "PodsFailing")
    assert condition(document, "Ready") == ("False", "ImagePullBackOff")


def test_a_pod_that_was_replaced_is_no_trouble() -> None:
    """An evicted pod is kept for a while, failed, beside the one that took its place."""
    assert condition(status_of(replace(WELL, model_pods=IN_TROUBLE)), "Ready") == ("True", "Available")


def test_an_edit_that_its_controller_has_not_seen_is_not_ready_yet() -> None:
    before = status_of(WELL)
    edited = {**DEPLOYMENT, "metadata": {"generation": 2}}
    edited["status"] = {**DEPLOYMENT["status"], "observedGeneration": 1}
    model = a_model()
    model.metadata.generation = 3
    document = status(model, replace(WELL, generation=3, deployment=edited), before, LATER)
    ready = document["conditions"][0]
    assert (ready["status"], ready["observedGeneration"]) == ("True", 2), "kubectl wait does not take it"
    edited["status"] |= {"observedGeneration": 2}
    document = status(model, replace(WELL, generation=3, deployment=edited), document, LATER)
    assert document["conditions"][0]["observedGeneration"] == 3


def test_an_edit_that_the_aggregators_controller_has_not_seen_is_not_ready_yet() -> None:
    before = status_of(WELL)
    edited = {**STATEFUL_SET, "metadata": {"generation": 2}}
    edited["status"] = {**STATEFUL_SET["status"], "observedGeneration": 1}
    model = a_model()
    model.metadata.generation = 3
    document = status(model, replace(WELL, generation=3, stateful_set=edited), before, LATER)
    ready = document["conditions"][0]
    assert (ready["status"], ready["observedGeneration"]) == ("True", 2), "kubectl wait does not take it"
    edited["status"] |= {"observedGeneration": 2, "updatedReplicas": 0}
    document = status(model, replace(WELL, generation=3, stateful_set=edited), document, LATER)
    assert condition(document, "Ready") == ("False", "RollingOut")
    assert condition(document, "AggregatorAvailable") == ("True", "AggregatorReady")
    edited["status"] |= {"updatedReplicas": 1}
    document = status(model, replace(WELL, generation=3, stateful_set=edited), document, LATER)
    ready = document["conditions"][0]
    assert (ready["status"], ready["observedGeneration"]) == ("True", 3)


def test_an_edit_that_is_not_applied_yet_is_not_ready_yet() -> None:
    before = status_of(WELL)
    model = a_model()
    model.metadata.generation = 3
    document = status(model, WELL, before, LATER)
    assert document["conditions"][0] == before["conditions"][0]
    assert document["conditions"][0]["observedGeneration"] == 2, "kubectl wait does not take it"
    model.spec.paused = True
    assert condition(status(model, WELL, before, LATER), "Ready") == ("True", "Paused")


def test_pods_that_were_taken_away_are_not_missed() -> None:
    """The aggregator hears of a smaller scale later than the operator."""
    fewer = {**DEPLOYMENT, "spec": {**DEPLOYMENT["spec"], "replicas": 2}}
    document = status_of(replace(WELL, deployment=fewer, report=a_report(heard=2, expected=5)))
    assert document["drift"]["coverage"]["pods"] == "2/2"
    assert condition(document, "DriftMonitoringDegraded") == ("False", "Covered")
