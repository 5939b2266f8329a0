"""Liveness and readiness, answered while the application that answers the rest is still being made.

A pod gets no requests before `/readyz` says so, and importing FastAPI is most of what a start takes.
"""

import asyncio
import json
from collections.abc import Callable
from typing import Any, Final

from tidegauge_serving.http.fast_path import App, Receive, Send
from tidegauge_serving.http.state import ServingState
from tidegauge_serving.rows.refusal import Refusal

__all__ = ["LIVE_PATHS", "READY_PATHS", "Health", "LateApp"]

LIVE_PATHS: Final = ("/healthz", "/v2/health/live")
READY_PATHS: Final = ("/readyz", "/v2/health/ready")
_LIVE: Final = b'{"live":true}'
_READY: Final = b'{"ready":true}'


class Health:
    """ASGI callable: whether the server lives and is ready, on the paths that the application documents.

    Parameters
    ----------
    app
        Answers all other requests.
    state
        Says whether the server is ready.
    stack
        Id of the local stack, which readiness then carries.
    """

    def __init__(self, app: App, state: ServingState, stack: str = "") -> None:
        self._app = app
        self._state = state
        self._ready = json.dumps({"ready": True, "stack": stack}).encode() if stack else _READY

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Answer one request."""
        path = scope["path"] if scope["type"] == "http" and scope["method"] in ("GET", "HEAD") else ""
        if path in LIVE_PATHS:
            await _answer(send, 200, _LIVE)
        elif path in READY_PATHS:
            await _answer(send, *self._readiness())
        else:
            await self._app(scope, receive, send)

    def _readiness(self) -> tuple[int, bytes]:
        if self._state.ready:
            return 200, self._ready
        refusal = Refusal("not_ready", self._state.reason)
        self._state.metrics.errors[refusal.reason] += 1
        return refusal.status, refusal.body()


class LateApp:
    """ASGI callable whose application is made in a thread, by the first request or before it.

    Parameters
    ----------
    make
        Makes the application.
    """

    def __init__(self, make: Callable[[], App]) -> None:
        self._make = make
        self._made: asyncio.Task[App] | None = None

    def begin(self) -> "asyncio.Task[App]":
        """Have the application made, once."""
        if self._made is None:
            self._made = asyncio.create_task(asyncio.to_thread(self._make))
        return self._made

    async def made(self) -> App:
        """Return the application, once it is made; a client that goes away ends its own wait alone."""
        return await asyncio.shield(self.begin())

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Answer one request."""
        app = await self.made()
        await app(scope, receive, send)


async def _answer(send: Send, status: int, body: bytes) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
