"""Failures from the errors of the API server: which are shown, when, and with which next step. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from tidegauge_operator.controller.applier import NameTakenError, ObjectError
from tidegauge_operator.kube.client import ApiError
from tidegauge_operator.status.pod_reasons import Failure

__all__ = ["FailureStatus", "failure_of"]

CLAIMS: Final = "persistentvolumeclaims"
# Only these words distinguish it from a policy or a quota; without them the general message is shown.
NOT_EXPANDABLE: Final = "storageclass that provisions the pvc must support resize"
SHOWN_FROM: Final = 3  # in a row: the next try usually cures a conflict or a busy API server
_NEXT_STEP: Final[Mapping[int, tuple[str, str]]] = {
    0: ("ApiServerUnreachable", "it is tried again"),
    403: ("Forbidden", "give the operator this right, or lift the quota or policy that refuses it"),
    409: ("Conflict", "it is tried again"),
    422: ("Rejected", "change spec so that the object is valid"),
}


def failure_of(error: ApiError) -> Failure:
    """Return the failure that an error means, with the next step."""
    if isinstance(error, NameTakenError):
        return Failure("NameTaken", str(error))
    if error.code == 403 and error.resource == CLAIMS and NOT_EXPANDABLE in str(error):
        step = "set allowVolumeExpansion on its storage class; until then the volume stays as it is"
        return Failure("VolumeNotExpandable", f"{error}: {step}")
    reason, step = _NEXT_STEP.get(error.code, (error.reason or "ApiError", "it is tried again"))
    return Failure(reason, f"{error}: {step}")


class FailureStatus:
    """The failure that a model's status shows.

    Attributes
    ----------
    failure
        The present failure, or None; one that may pass by itself only after three times in a row.
    """

    __slots__ = ("_passing", "failure")

    def __init__(self) -> None:
        self.failure: Failure | None = None
        self._passing = 0

    def fail(self, error: ApiError, others: Sequence[str] = ()) -> Failure:
        """Record a failed try, `others` were refused too; return the failure, shown in the status or not."""
        found = failure_of(error)
        if others:
            found = Failure(found.reason, f"{found.message}; refused as well: {', '.join(others)}")
        self._passing = self._passing + 1 if _may_pass(error) else 0
        if self._passing == 0 or self._passing >= SHOWN_FROM:
            self.failure = found
        return found

    def fail_all(self, refused: Sequence[ObjectError]) -> Failure:
        """Record a failed try for these objects; the first that does not pass by itself leads the message."""
        chief = next((one for one in refused if not _may_pass(one.error)), refused[0])
        return self.fail(chief.error, [f"{ref.kind}/{ref.name}" for ref, _ in refused if ref != chief.ref])

    def succeed(self) -> None:
        """Record a successful try."""
        self.failure, self._passing = None, 0


def _may_pass(error: ApiError) -> bool:
    """Return whether it is no connection, another's write, too many requests, or a fault of the server."""
    return not isinstance(error, NameTakenError) and (error.code in (0, 409, 429) or error.code >= 500)
