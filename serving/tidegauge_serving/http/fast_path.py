"""The way of a prediction request: an ASGI callable in front of the FastAPI application.

It takes ``POST`` on the prediction paths itself, without validation models, middleware or thread hops,
and passes everything else on.
"""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias

import msgspec

from tidegauge.http import RefusedRequest
from tidegauge_serving.http.codings import coding_of, inflate
from tidegauge_serving.http.state import ServingState
from tidegauge_serving.protocols import Answer, Handler, Headers
from tidegauge_serving.rows.chunking import LARGE_BYTES
from tidegauge_serving.rows.refusal import Refusal, internal_error

__all__ = ["App", "FastPath", "Receive", "RequestLine", "Send"]

Receive: TypeAlias = Callable[[], Awaitable[dict[str, Any]]]
Send: TypeAlias = Callable[[dict[str, Any]], Awaitable[None]]
App: TypeAlias = Callable[[Any, Any, Any], Awaitable[None]]

JSON_HEADERS: Final = [(b"content-type", b"application/json")]
_BINARY: Final = (b"content-type", b"application/octet-stream")
_CLOSE: Final = (b"connection", b"close")
LINGER_SECONDS: Final = 5.0


class RequestLine(msgspec.Struct):
    """One line of the request log; never a feature's value."""

    time: float
    protocol: str
    code: int
    rows: int
    seconds: float


class FastPath:
    """ASGI callable.

    Parameters
    ----------
    app
        Answers all other requests.
    state
        Says which paths are answered now.
    max_body_bytes
        Longer bodies are refused, and not kept while they come in.
    log_line
        Takes one line of the request log, or None for no log.
    settled
        Waited for before `app` is asked to refuse a prediction: what it waits for takes long at a start.
    """

    def __init__(
        self,
        app: App,
        state: ServingState,
        max_body_bytes: int,
        log_line: Callable[[bytes], None] | None,
        settled: Callable[[], Awaitable[object]] | None = None,
    ) -> None:
        self._settled = settled
        self._app = app
        self.state = state
        self._max_body_bytes = max_body_bytes
        self._short_bytes = min(LARGE_BYTES, max_body_bytes)
        self._log_line = log_line

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        route = self.state.route(scope["path"])
        if route is None and self._settled is not None:  # the model may become ready meanwhile
            await self._settled()
            route = self.state.route(scope["path"])
        if route is None:
            await self._app(scope, receive, send)
        else:
            await self._predict(route[0], route[1], scope, receive, send)

    async def _predict(
        self, protocol: str, handler: Handler, scope: Any, receive: Receive, send: Send
    ) -> None:
        started = time.perf_counter()
        rows, status = 0, 200
        unread = True
        answer_body: Callable[[bytes, Headers], Awaitable[Answer]] = handler
        try:
            coding = coding_of(scope["headers"])
            message = await receive()
            if message["type"] != "http.request":
                return
            body = message["body"]
            if message["more_body"] or len(body) > self._short_bytes:
                body = await self._long_body(body, scope, receive, message["more_body"])
                if body is None:
                    return
            unread = False
            if coding:
                body = await self._inflated(body, coding)
            if len(body) > LARGE_BYTES:
                answer_body = handler.large
            answer, rows, more = await answer_body(body, scope["headers"])
            headers = self.headers_of(more)
        except Exception as error:  # what is no refusal is the server's own failure
            status, answer, headers = self.refused(error)
        self.count(protocol, status, rows, started)
        await self._send(send, status, answer, headers, more=unread)
        if unread:
            await _linger(receive)
            await send({"type": "http.response.body", "body": b""})

    def finishing(self, protocol: str, started: float, work: Awaitable[Answer]) -> App:
        """Return an application that sends what a prediction comes to whose body has been read."""

        async def finish(scope: Any, receive: Receive, send: Send) -> None:  # noqa: ARG001
            rows, status = 0, 200
            try:
                answer, rows, more = await work
                headers = self.headers_of(more)
            except Exception as error:
                status, answer, headers = self.refused(error)
            self.count(protocol, status, rows, started)
            await self._send(send, status, answer, headers, more=False)

        return finish

    def headers_of(self, more: Headers) -> Headers:
        """Return the headers of an answer that a handler gave, but its length."""
        return [_BINARY, *more] if more else JSON_HEADERS

    def refused(self, error: Exception) -> tuple[int, bytes, Headers]:
        """Return status, body and headers of a refusal, which is counted."""
        refusal = self._refusal(error)
        more = [(name.encode(), value.encode()) for name, value in refusal.headers.items()]
        return refusal.status, refusal.body(), [*JSON_HEADERS, *more]

    def refuse(self, refused: RefusedRequest) -> bytes:
        """Count what the connection refuses before it comes here; the answer's JSON."""
        metrics = self.state.metrics
        metrics.errors[refused.reason] += 1
        route = self.state.route(refused.path) if refused.method == "POST" else None
        if route is None:
            metrics.requests["other", refused.status] += 1
        else:
            self.count(route[0], refused.status, 0, time.perf_counter())
        return Refusal(refused.reason, refused.message).body()

    def count(self, protocol: str, status: int, rows: int, started: float) -> None:
        """Count an answer, and leave its line in the request log."""
        seconds = time.perf_counter() - started
        metrics = self.state.metrics
        metrics.requests[protocol, status] += 1
        metrics.seconds[protocol].observe(seconds)
        if self._log_line is not None:
            line = RequestLine(time.time(), protocol, status, rows, seconds)
            self._log_line(msgspec.json.encode(line) + b"\n")

    async def _send(self, send: Send, status: int, body: bytes, headers: Headers, *, more: bool) -> None:
        self.state.commit()
        every = [*headers, (b"content-length", b"%d" % len(body))]
        if self.state.draining or more:
            every.append(_CLOSE)
        await send({"type": "http.response.start", "status": status, "headers": every})
        await send({"type": "http.response.body", "body": body, "more_body": more})

    def _refusal(self, error: Exception) -> Refusal:
        """The refusal for what went wrong, counted."""
        refusal = error if isinstance(error, Refusal) else internal_error(error)
        self.state.metrics.errors[refusal.reason] += 1
        return refusal

    async def _inflated(self, body: bytes, coding: str) -> bytes:
        """A body without its coding; a long one in a thread, so that the event loop goes on."""
        if len(body) <= LARGE_BYTES:
            try:
                return inflate(body, coding, self._short_bytes)
            except Refusal as refusal:
                if refusal.reason != "body_too_large":
                    raise
        return await asyncio.to_thread(inflate, body, coding, self._max_body_bytes)

    async def _long_body(self, first: bytes, scope: Any, receive: Receive, more: bool) -> bytes | None:
        """A body of several parts; None if the client went away."""
        declared = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        parts, received = [first], len(first)
        size = max(received, int(declared))
        while size <= self._max_body_bytes and more:
            message = await receive()
            if message["type"] != "http.request":
                return None
            parts.append(message["body"])
            received += len(message["body"])
            size = max(size, received)
            more = message["more_body"]
        if size > self._max_body_bytes:
            raise Refusal(
                "body_too_large", f"a body of {size} bytes: at most {self._max_body_bytes} are taken"
            )
        return b"".join(parts)


async def _linger(receive: Receive) -> None:
    """Throw away for a while what a client still sends: closing at once would reset the answer on its way."""

    async def discard() -> None:
        while True:
            message = await receive()
            if message["type"] != "http.request" or not message["more_body"]:
                return

    try:
        await asyncio.wait_for(discard(), LINGER_SECONDS)
    except TimeoutError:
        return


def write_stderr(line: bytes) -> None:
    """Write a line of the request log."""
    os.write(2, line)
