"""Which of the API server's refusals are told, and when."""

import pytest
from tidegauge_operator.controller.applier import NameTakenError, ObjectError
from tidegauge_operator.controller.failures import FailureStatus
from tidegauge_operator.kube.cache import Ref
from tidegauge_operator.kube.client import ApiError

FORBIDDEN = ApiError(403, "Forbidden", "may not")


def reason(told: FailureStatus) -> str | None:
    return told.failure and told.failure.reason


@pytest.mark.parametrize("code", [0, 409, 429, 500, 503, 504])
def test_what_may_pass_is_told_from_the_third_time_in_a_row(code: int) -> None:
    told, error = FailureStatus(), ApiError(code, "Busy", "not now")
    assert [reason(told) for _ in range(3) if told.fail(error)][:2] == [None, None]
    assert told.failure == told.fail(error)
    assert "it is tried again" in told.fail(error).message


@pytest.mark.parametrize(
    "error",
    [
        FORBIDDEN,
        ApiError(422, "Invalid", "no such class"),
        ApiError(404, "NotFound", "no such namespace"),
        NameTakenError("it is somebody else's"),
    ],
    ids=lambda error: str(error),
)
def test_what_does_not_pass_by_itself_is_told_at_once(error: ApiError | NameTakenError) -> None:
    told = FailureStatus()
    assert told.fail(error) == told.failure


def test_a_success_in_between_begins_the_count_anew() -> None:
    told, error = FailureStatus(), ApiError(500, "InternalError", "no")
    for _ in range(2):
        told.fail(error)
        told.fail(error)
        told.succeed()
    assert told.fail(error)
    assert told.failure is None


def test_a_moment_of_trouble_does_not_hide_what_stands_in_the_way() -> None:
    told = FailureStatus()
    told.fail(FORBIDDEN)
    for _ in range(2):
        told.fail(ApiError(0, "Unreachable", "gone"))
    assert reason(told) == "Forbidden"
    told.fail(ApiError(0, "Unreachable", "gone"))
    assert reason(told) == "ApiServerUnreachable"


def test_a_success_ends_what_was_told() -> None:
    told = FailureStatus()
    told.fail(FORBIDDEN)
    told.succeed()
    assert told.failure is None


def test_of_several_objects_the_first_that_does_not_pass_by_itself_is_told_and_the_others_named() -> None:
    told = FailureStatus()
    busy = ApiError(500, "InternalError", "a webhook does not answer")
    refused = [
        ObjectError(Ref("v1", "Service", "a"), busy),
        ObjectError(Ref("apps/v1", "Deployment", "b"), FORBIDDEN),
        ObjectError(Ref("v1", "Secret", "c"), FORBIDDEN),
    ]
    failure = told.fail_all(refused)
    assert failure == told.failure
    assert (failure.reason, failure.message) == (
        "Forbidden",
        "may not: give the operator this right, or lift the quota or policy that says no"
        "; refused as well: Service/a, Secret/c",
    )


def test_objects_refused_by_what_may_pass_are_told_from_the_third_time() -> None:
    told = FailureStatus()
    refused = [ObjectError(Ref("v1", "Service", "a"), ApiError(500, "InternalError", "no"))]
    assert [told.fail_all(refused) and reason(told) for _ in range(3)] == [None, None, "InternalError"]


def test_a_volume_that_may_not_grow_is_told_from_other_refusals_of_a_claim() -> None:
    words = (
        "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must"
    )
    found = FailureStatus().fail(
        ApiError(403, "Forbidden", f"{words} support resize", "persistentvolumeclaims")
    )
    assert found.reason == "VolumeNotExpandable"
    assert "allowVolumeExpansion" in found.message


@pytest.mark.parametrize(
    "words", ["exceeded quota: small", "ValidatingAdmissionPolicy 'x' denied request", ""]
)
def test_a_claim_that_a_quota_or_policy_refuses_is_forbidden(words: str) -> None:
    found = FailureStatus().fail(ApiError(403, "Forbidden", words, "persistentvolumeclaims"))
    assert found.reason == "Forbidden"
    assert "lift the quota or policy" in found.message


@pytest.mark.parametrize(
    "error",
    [
        ApiError(
            403, "Forbidden", "the storageclass that provisions the pvc must support resize", "services"
        ),
        ApiError(422, "Invalid", "the storageclass that provisions the pvc must support resize"),
        ApiError(409, "Conflict", "busy", "persistentvolumeclaims"),
    ],
    ids=lambda error: f"{error.code} {error.resource}",
)
def test_no_sentence_makes_another_refusal_one_of_a_volume(error: ApiError) -> None:
    assert FailureStatus().fail(error).reason != "VolumeNotExpandable"
