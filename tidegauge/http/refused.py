"""Refusals of the connection itself."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["Refuse", "RefusedRequest", "last_answer"]

_JSON: Final = (b"content-type", b"application/json")
_CLOSE: Final = (b"connection", b"close")


@dataclass(frozen=True, slots=True)
class RefusedRequest:
    """A request that the connection refuses before any application sees it, or while one waits for it.

    Parameters
    ----------
    status
        HTTP status.
    reason
        One word for programs: `bad_http`, `head_too_large`, `body_too_large` or `too_slow`.
    message
        One sentence: value, rule, next step.
    method, path
        Of the request, as far as they were read.
    """

    status: int
    reason: str
    message: str
    method: str = ""
    path: str = ""


Refuse = Callable[[RefusedRequest], bytes]
"""Counts a refusal and gives the JSON of its answer."""


def last_answer(
    status: int, body: bytes, more: list[tuple[bytes, bytes]], linger_seconds: Callable[[], float]
) -> Any:
    """Return an application that answers with a refusal and closes when the client has heard it."""
    headers = [_JSON, (b"content-length", b"%d" % len(body)), *more, _CLOSE]

    async def app(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": True})
        with suppress(TimeoutError):
            await asyncio.wait_for(receive(), linger_seconds())
        await send({"type": "http.response.body", "body": b""})

    return app
