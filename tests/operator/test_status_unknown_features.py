"""What the status says of features that spec.drift names and the profile does not have."""

from dataclasses import replace
from typing import Any

from support.observed import DEPLOYMENT, LATER, NOW, WELL, condition, deployed, message, status_of, story
from support.reports import a_report
from tidegauge_operator.status.conditions import Observed

KIND = "DriftMonitoringDegraded"
MISSPELT = replace(WELL, report=a_report(unknown_features=("idd", "sqfeet")))


def rolled_out_at(time: str) -> dict[str, Any]:
    done = {
        "type": "Progressing",
        "status": "True",
        "reason": "NewReplicaSetAvailable",
        "lastUpdateTime": time,
    }
    return {**DEPLOYMENT, "status": {**DEPLOYMENT["status"], "conditions": [done]}}


def degraded(observed: Observed, now: str = NOW) -> tuple[str, str]:
    return condition(status_of(observed, now=now), KIND)


def test_unknown_features_are_named_and_the_model_stays_ready() -> None:
    document = status_of(MISSPELT)
    assert condition(document, KIND) == ("True", "UnknownFeatures")
    assert "spec.drift names idd, sqfeet, which the profile does not have" in message(document, KIND)
    assert condition(document, "Ready")[0] == "True"
    assert condition(document, "DataDriftDetected") == ("False", "Stable")


def test_unknown_features_give_one_warning_and_their_mend_one_event() -> None:
    assert story(WELL, MISSPELT, MISSPELT, WELL)[1:] == [
        [("Warning", "UnknownFeatures")],
        [],
        [("Normal", "DriftMonitoringRestored")],
    ]


def test_while_profile_and_policy_may_be_of_two_specs_nothing_is_said() -> None:
    assert degraded(replace(MISSPELT, deployment=deployed(3, updated=1))) == ("False", "Covered")
    assert degraded(replace(MISSPELT, deployment=rolled_out_at(NOW))) == ("False", "Covered")
    assert degraded(replace(MISSPELT, deployment=rolled_out_at(NOW)), LATER) == ("True", "UnknownFeatures")


def test_what_is_worse_is_said_first() -> None:
    deaf = replace(WELL, report=a_report(heard=2, unknown_features=("idd",)))
    assert degraded(deaf) == ("True", "PodsSilent")
