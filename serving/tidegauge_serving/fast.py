"""The short way of a prediction: from the parser to the socket in one go.

A request that is sure to be answered at once needs no task, no ASGI message and no event. It is recognised
when its head is complete; everything else goes the ordinary way (`tidegauge_serving.hot`). Both ways run the
same handler: here it is run until it has to wait, and what is left then goes the ordinary way too.

Answers of one turn of the event loop leave together, after one commit of their rows to the log.
"""

import asyncio
import time
from collections.abc import Callable, Generator
from typing import Any, Final

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE
from uvicorn.server import ServerState

from tidegauge.http import Connection, Limits
from tidegauge_serving.hot import JSON_HEADERS, HotPath
from tidegauge_serving.parts import LARGE_BYTES
from tidegauge_serving.protocols import Answer, Handler, Headers

__all__ = ["FastConnection", "Rest", "Turn"]

_ORDINARY: Final = frozenset(
    (b"expect", b"upgrade", b"connection", b"content-encoding", b"transfer-encoding")
)
"""A request with one of these fields takes the ordinary way."""


def _is_plain(headers: Headers) -> bool:
    return not any(
        name in _ORDINARY and not (name == b"connection" and value.lower() == b"keep-alive")
        for name, value in headers
    )


class Turn:
    """The answers of one turn of the event loop.

    Parameters
    ----------
    commit
        Brings the rows of all answers so far into the log.
    """

    def __init__(self, commit: Callable[[], None]) -> None:
        self._commit = commit
        self._due: list[tuple[FastConnection, bytes]] = []

    def add(self, connection: "FastConnection", answer: bytes) -> None:
        """Write an answer when the turn ends."""
        if not self._due:
            connection.loop.call_soon(self._end)
        self._due.append((connection, answer))

    def _end(self) -> None:
        due, self._due = self._due, []
        self._commit()
        for connection, answer in due:
            connection.answer(answer)


class Rest:
    """What is left of a coroutine that was begun outside of a task.

    Parameters
    ----------
    coroutine
        It has run until it had to wait.
    waits_for
        What it gave then, for its task to wait for.
    """

    def __init__(self, coroutine: Any, waits_for: Any) -> None:
        self._coroutine = coroutine
        self._waits_for = waits_for

    def __await__(self) -> Generator[Any, None, Answer]:
        try:
            yield self._waits_for
        except BaseException:
            self._coroutine.close()
            raise
        answer: Answer = yield from self._coroutine.__await__()
        return answer


class FastConnection(Connection):
    """A connection whose short predictions take the short way.

    Parameters
    ----------
    config, server_state, app_state, _loop
        As uvicorn gives them.
    limits
        Bounds of each request.
    hot
        The ordinary way.
    turn
        Shared by all connections of the event loop.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        limits: Limits,
        hot: HotPath,
        turn: Turn,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop, limits=limits, refuse=hot.refuse)
        self._hot = hot
        self._gate = hot.gate
        self._turn = turn
        self._route: tuple[str, Handler] | None = None  # of the request that takes the short way
        self._body = b""
        self._started = 0.0
        self._due = False  # an answer leaves when the turn ends
        self._closes = False
        self._dated: Headers = []
        self._ok = b""  # the head of most answers, up to the length

    # --- which way ---------------------------------------------------------------------------------------

    def begin(self, length: int) -> None:
        """Take the short way if the request can."""
        route = self._gate.routes.get(self.url.decode("latin-1"))
        if (
            route is None
            or not 0 < length <= LARGE_BYTES
            or self._gate.draining
            or self.is_answering
            or not _is_plain(self.headers)
            or self.parser.get_method() != b"POST"
            or self.parser.get_http_version() != "1.1"
        ):
            super().begin(length)
            return
        self._route, self._body, self._started = route, b"", time.perf_counter()

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        if self._route is None:
            super().on_body(body)
        else:
            self.received(len(body))
            self._body = self._body + body if self._body else body

    def on_message_complete(self) -> None:
        """Answer."""
        route = self._route
        if route is None:
            super().on_message_complete()
            return
        self._route = None
        self.ended()
        if self.flow.write_paused or self._gate.draining:  # since its head came
            self._go_on(route[0], route[1](self._body, self.headers))
        else:
            self._answer(route)

    def _answer(self, route: tuple[str, Handler]) -> None:
        coroutine: Any = route[1](self._body, self.headers)
        try:
            waits_for = coroutine.send(None)
        except StopIteration as answered:
            body, rows, more = answered.value
            status, headers = 200, self._hot.headers_of(more)
        except Exception as error:
            status, body, headers = self._hot.refused(error)
            rows = 0
        else:
            self._go_on(route[0], Rest(coroutine, waits_for))
            return
        self._hot.count(route[0], status, rows, self._started)
        self._due = True
        self._turn.add(self, self._encoded(status, headers, body))

    def _go_on(self, protocol: str, work: Any) -> None:
        """Let the ordinary way finish what the short one began."""
        self.begin_whole(self._hot.finishing(protocol, self._started, work), keep_alive=not self._closes)

    # --- the answer --------------------------------------------------------------------------------------

    def answer(self, data: bytes) -> None:
        """Write an answer; its rows are in the log."""
        self._due = False
        self.responded()
        if not self.transport.is_closing():
            self.transport.write(data)
            if self._closes and not super().is_answering:
                self.transport.close()

    def _encoded(self, status: int, headers: Headers, body: bytes) -> bytes:
        dated = self.server_state.default_headers
        if status == 200 and headers is JSON_HEADERS:
            if dated is not self._dated:
                self._dated, self._ok = dated, self._head(200, headers)
            return b"%bcontent-length: %d\r\n\r\n%b" % (self._ok, len(body), body)
        return b"%bcontent-length: %d\r\n\r\n%b" % (self._head(status, headers), len(body), body)

    def _head(self, status: int, headers: Headers) -> bytes:
        fields = [*self.server_state.default_headers, *headers]
        return STATUS_LINE[status] + b"".join([b"%b: %b\r\n" % field for field in fields])

    # --- the end -----------------------------------------------------------------------------------------

    @property
    def is_answering(self) -> bool:
        """Whether an answer is due to a request that has begun."""
        return self._due or self._route is not None or super().is_answering

    def shutdown(self) -> None:
        """Close, after the answers that are due."""
        if self._due or self._route is not None:
            self._closes = True
        if super().is_answering or not self._closes:
            super().shutdown()

    def unread_cycle(self) -> Any:
        """None on the short way: there is no cycle then."""
        if self._route is None:
            return super().unread_cycle()
        self._route = None
        return None
