"""A refusal of a request: a status, a reason for machines and counters, a message for people."""

from __future__ import annotations

__all__ = ["Refusal"]


class Refusal(Exception):
    """A request that is not granted.

    Parameters
    ----------
    status
        HTTP status.
    reason
        In snake case; the label `reason` of the counter, one of a fixed set.
    message
        What was wrong with which value, and the next step.
    """

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status, self.reason, self.message = status, reason, message

    def to_dict(self) -> dict[str, dict[str, str]]:
        """The body of the answer."""
        return {"error": {"reason": self.reason, "message": self.message}}
