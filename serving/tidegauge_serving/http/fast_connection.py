"""The short way of a prediction: from the parser to the socket in one go.

A request that is sure to be answered at once needs no task, no ASGI message and no event. It is recognised
when its head is complete; everything else goes the ordinary way (`fast_path`). A row that a quick
model takes is answered when the turn ends (`turn`). For other requests both ways run the
same handler: here it is run until it has to wait, and what is left then goes the ordinary way too.

A client sends the same few heads again and again. A request in one piece whose head has been read before,
byte for byte, is not parsed.
"""

import time
from collections.abc import Generator
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from tidegauge.http import Connection, Limits
from tidegauge_serving.http.fast_path import JSON_HEADERS, FastPath
from tidegauge_serving.http.heads import Heads
from tidegauge_serving.http.turn import Turn
from tidegauge_serving.protocols import Answer, Headers, Route
from tidegauge_serving.rows.chunking import LARGE_BYTES

__all__ = ["FastConnection", "Rest"]

_ORDINARY: Final = frozenset(
    (b"expect", b"upgrade", b"connection", b"content-encoding", b"transfer-encoding")
)
"""A request with one of these fields takes the ordinary way."""


def _is_plain(headers: Headers) -> bool:
    return not any(
        name in _ORDINARY and not (name == b"connection" and value.lower() == b"keep-alive")
        for name, value in headers
    )


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
    limits
        Bounds of each request.
    fast_path
        The ordinary way.
    turn, heads
        Shared by all connections of the event loop.
    of_uvicorn
        What uvicorn gives to each connection.
    """

    def __init__(
        self, *, limits: Limits, fast_path: FastPath, turn: Turn, heads: Heads, **of_uvicorn: Any
    ) -> None:
        super().__init__(limits=limits, refuse=fast_path.refuse, **of_uvicorn)
        self._fast_path = fast_path
        self._state = fast_path.state
        self._turn = turn
        self._heads = heads
        self._unlearned = b""  # the head of the request that the parser is given, until it has been read
        self._is_clear = True  # nothing came since the short way's last answer
        self._route: Route | None = None  # of the request that takes the short way
        self._body = b""
        self._started = 0.0
        self._due = False  # an answer leaves when the turn ends
        self._closes = False
        self._dated: Headers = []
        self._ok = b""  # the head of most answers, up to the length

    # --- which way ---------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Take what the client sent: a request whose head is known at once, all else with the parser."""
        if self._is_clear and self.is_between:
            self._is_clear = False
            end = data.find(b"\r\n\r\n") + 4
            self._unlearned = head = data[:end]
            known = self._heads.get(head)
            if (
                known is not None
                and len(data) == end + known.length
                and self._takes(known.route, data[end:], known.headers)
            ):
                return
        super().data_received(data)

    def begin(self, length: int) -> None:
        """Take the short way if the request can."""
        head, self._unlearned, self._is_clear = self._unlearned, b"", False
        route = self._state.routes.get(self.url.decode("latin-1"))
        if (
            route is None
            or not 0 < length <= LARGE_BYTES
            or self._state.draining
            or self.is_answering
            or not _is_plain(self.headers)
            or self.parser.get_method() != b"POST"
            or self.parser.get_http_version() != "1.1"
        ):
            super().begin(length)
            return
        self._route, self._body, self._started = route, b"", time.perf_counter()
        self._heads.learn(head, route, self.headers, length)

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        if self._route is None:
            super().on_body(body)
        else:
            self.received(len(body))
            self._body = self._body + body if self._body else body

    def on_message_complete(self) -> None:
        """Answer the request that is complete now."""
        route = self._route
        if route is None:
            super().on_message_complete()
            return
        self._route = None
        self.ended()
        if self._must_wait:  # since its head came
            self._go_on(route[0], route[1](self._body, self.headers))
        elif not self._takes(route, self._body, self.headers):
            self._run(route)

    @property
    def _must_wait(self) -> bool:
        return self.flow.write_paused or self._state.draining

    def _takes(self, route: Route, body: bytes, headers: Headers) -> bool:
        """Answer a request of one row that a quick model takes, when the turn ends; whether it is one."""
        if self._must_wait:
            return False
        started = time.perf_counter()
        try:
            found = route[1].read_one(body, headers)
        except Exception as error:
            self._answer(route[0], *self._fast_path.refused(error), 0, started)
            return True
        if found is None:
            return False
        self._due = True
        self._turn.ask(self, route, found, started)
        return True

    def _run(self, route: Route) -> None:
        """Run the handler until it has to wait."""
        coroutine: Any = route[1](self._body, self.headers)
        try:
            waits_for = coroutine.send(None)
        except StopIteration as answered:
            body, rows, more = answered.value
            self._answer(route[0], 200, body, self._fast_path.headers_of(more), rows, self._started)
        except Exception as error:
            self._answer(route[0], *self._fast_path.refused(error), 0, self._started)
        else:
            self._go_on(route[0], Rest(coroutine, waits_for))

    def _answer(
        self, protocol: str, status: int, body: bytes, headers: Headers, rows: int, started: float
    ) -> None:
        """Answer when the turn ends."""
        self._fast_path.count(protocol, status, rows, started)
        self._due = True
        self._turn.add(self, self.encoded(status, headers, body))

    def _go_on(self, protocol: str, work: Any) -> None:
        """Let the ordinary way finish what the short one began."""
        self.begin_whole(
            self._fast_path.finishing(protocol, self._started, work), keep_alive=not self._closes
        )

    # --- the answer --------------------------------------------------------------------------------------

    def answer(self, data: bytes) -> None:
        """Write an answer; its rows are in the log."""
        self._due = False
        self._is_clear = not self.is_deaf and not super().is_answering
        self.responded()
        if not self.transport.is_closing():
            self.transport.write(data)
            if self._closes and not super().is_answering:
                self.transport.close()

    def encoded(self, status: int, headers: Headers, body: bytes) -> bytes:
        """Return an answer's bytes."""
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
        """Close after the answers that are due."""
        if self._due or self._route is not None:
            self._closes = True
        if super().is_answering or not self._closes:
            super().shutdown()

    def unread_cycle(self) -> Any:
        """Return none on the short way: there is no cycle then."""
        if self._route is None:
            return super().unread_cycle()
        self._route = None
        return None
