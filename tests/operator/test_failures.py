"""Which errors of the API server become failures in the status, and when."""

import pytest
from tidegauge_operator.controller.applier import NameTakenError, ObjectError
from tidegauge_operator.controller.failures import FailureStatus
from tidegauge_operator.kube.cache import Ref
from tidegauge_operator.kube.client import ApiError

FORBIDDEN = ApiError(403, "Forbidden", "may not")


def reason(status: FailureStatus) -> str | None:
    return status.failure and status.failure.reason


@pytest.mark.parametrize("code", [0, 409, 429, 500, 503, 504])
def test_what_may_pass_is_shown_from_the_third_time_in_a_row(code: int) -> None:
    status, error = FailureStatus(), ApiError(code, "Busy", "not now")
    assert [reason(status) for _ in range(3) if status.fail(error)][:2] == [None, None]
    assert status.failure == status.fail(error)
    assert "it is tried again" in status.fail(error).message


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
def test_what_does_not_pass_by_itself_is_shown_at_once(error: ApiError) -> None:
    status = FailureStatus()
    assert status.fail(error) == status.failure


def test_a_success_in_between_starts_the_count_again() -> None:
    status, error = FailureStatus(), ApiError(500, "InternalError", "no")
    for _ in range(2):
        status.fail(error)
        status.fail(error)
        status.succeed()
    assert status.fail(error)
    assert status.failure is None


def test_a_passing_failure_does_not_hide_a_lasting_one() -> None:
    status = FailureStatus()
    status.fail(FORBIDDEN)
    for _ in range(2):
        status.fail(ApiError(0, "Unreachable", "gone"))
    assert reason(status) == "Forbidden"
    status.fail(ApiError(0, "Unreachable", "gone"))
    assert reason(status) == "ApiServerUnreachable"


def test_a_success_ends_what_was_shown() -> None:
    status = FailureStatus()
    status.fail(FORBIDDEN)
    status.succeed()
    assert status.failure is None


def test_of_several_objects_the_first_that_does_not_pass_by_itself_is_shown_and_the_others_named() -> None:
    status = FailureStatus()
    busy = ApiError(500, "InternalError", "a webhook does not answer")
    refused = [
        ObjectError(Ref("v1", "Service", "a"), busy),
        ObjectError(Ref("apps/v1", "Deployment", "b"), FORBIDDEN),
        ObjectError(Ref("v1", "Secret", "c"), FORBIDDEN),
    ]
    failure = status.fail_all(refused)
    assert failure == status.failure
    assert (failure.reason, failure.message) == (
        "Forbidden",
        "may not: give the operator this right, or lift the quota or policy that refuses it"
        "; refused as well: Service/a, Secret/c",
    )


def test_objects_refused_by_what_may_pass_are_shown_from_the_third_time() -> None:
    status = FailureStatus()
    refused = [ObjectError(Ref("v1", "Service", "a"), ApiError(500, "InternalError", "no"))]
    assert [status.fail_all(refused) and reason(status) for _ in range(3)] == [None, None, "InternalError"]


def test_a_volume_that_may_not_grow_is_shown_from_other_refusals_of_a_claim() -> None:
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
def test_no_message_turns_another_error_into_one_of_a_volume(error: ApiError) -> None:
    assert FailureStatus().fail(error).reason != "VolumeNotExpandable"
