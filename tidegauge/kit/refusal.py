"""A refusal of a request: a status, a reason for machines and counters, a message for people."""

__all__ = ["Refusal", "message_of"]


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

    def to_dict(self) -> dict[str, str]:
        """Return the body of the answer, which has the same shape in every program."""
        return {"error": self.message, "reason": self.reason}


def message_of(answer: object) -> str | None:
    """Return the message of a refusal's JSON; None if it is none.

    Aggregators of version 0.1 answer ``{"error": {"reason", "message"}}``. That shape is read too.
    """
    error = answer.get("error") if isinstance(answer, dict) else None
    if isinstance(error, dict):
        error = error.get("message")
    return error if isinstance(error, str) else None
