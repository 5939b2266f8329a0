"""A request that is not answered: status, reason, and a message that names the field and the rule."""

import logging
from typing import Annotated, Final

import msgspec

from tidegauge.errors import TidegaugeError
from tidegauge.kit import refusal as kit

__all__ = ["REASONS", "ErrorAnswer", "Refusal", "internal_error", "model_failed", "unreadable"]

logger = logging.getLogger(__name__)

REASONS: Final[dict[str, int]] = {
    "bad_http": 400,
    "bad_json": 400,
    "bad_encoding": 400,
    "not_found": 404,
    "unknown_model": 404,
    "method_not_allowed": 405,
    "too_slow": 408,
    "body_too_large": 413,
    "unsupported_encoding": 415,
    "bad_request": 422,
    "empty_batch": 422,
    "missing_feature": 422,
    "unknown_feature": 422,
    "missing_value": 422,
    "not_finite": 422,
    "wrong_type": 422,
    "wrong_shape": 422,
    "out_of_range": 422,
    "unknown_output": 422,
    "model_refused": 422,
    "head_too_large": 431,
    "model_failed": 500,
    "internal_error": 500,
    "not_ready": 503,
}

HEADERS: Final = {"unsupported_encoding": {"accept-encoding": "gzip, deflate"}}
"""What a refusal's answer says in its head, by reason."""


class ErrorAnswer(msgspec.Struct, gc=False):
    """Every refusal looks like this: the protocols' error, and the reason in one word."""

    error: Annotated[str, msgspec.Meta(description="What is wrong: the field and the rule")]
    reason: Annotated[str, msgspec.Meta(description="The same in one word, for programs")]


class Refusal(kit.Refusal, TidegaugeError):
    """Raised wherever a request breaks a rule; the edge turns it into the answer.

    Parameters
    ----------
    reason
        One of `REASONS`, which gives the HTTP status and the label of the error counter.
    message
        One sentence for people: the value, the rule it broke, the next step.

    Attributes
    ----------
    headers
        Further headers of the answer.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(REASONS[reason], reason, message)
        self.headers = dict(HEADERS.get(reason, {}))

    def body(self) -> bytes:
        """Return the answer's JSON: ``{"error": message, "reason": reason}``, as the protocols have it."""
        return msgspec.json.encode(ErrorAnswer(**self.to_dict()))


def unreadable(error: Exception) -> Refusal:
    """Return the refusal of a request that broke the reading of it in a way that nobody foresaw.

    The request caused it, so it is no failure of the model or of the server; the log has the traceback.
    """
    logger.warning("a request could not be read", exc_info=error)
    return Refusal("bad_request", f"the request could not be read: {type(error).__name__}")


def model_failed(error: Exception) -> Refusal:
    """Return the refusal where the model raised what is no answer to its input; the log has the traceback."""
    logger.error("a prediction failed", exc_info=error)
    return Refusal("model_failed", f"the model failed: {type(error).__name__}")


def internal_error(error: Exception) -> Refusal:
    """Return the refusal where the server itself failed; the log has the traceback."""
    logger.error("the server failed at a request", exc_info=error)
    return Refusal("internal_error", f"the server failed: {type(error).__name__}")
