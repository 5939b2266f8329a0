"""What arrives in one turn of the event loop: predicted together, committed together, answered together.

Code and data of a step are still in the processor's caches when the next request takes the same step; a model
finds its trees there too. The rows are in the log before the first of the answers leaves.
"""

import asyncio
from typing import Any, Protocol

from tidegauge_serving.http.fast_path import JSON_HEADERS, FastPath
from tidegauge_serving.protocols import Headers, Route, Single

__all__ = ["Turn"]


class _Connection(Protocol):
    loop: asyncio.AbstractEventLoop
    connections: set[Any]

    def encoded(self, status: int, headers: Headers, body: bytes) -> bytes: ...

    def answer(self, data: bytes) -> None: ...


class Turn:
    """The answers of one turn of the event loop.

    Parameters
    ----------
    fast_path
        Counts answers, words refusals, knows the service.
    """

    def __init__(self, fast_path: FastPath) -> None:
        self._fast_path = fast_path
        self._state = fast_path.state
        self._asked: list[tuple[_Connection, Route, Single, float]] = []
        self._due: list[tuple[_Connection, bytes]] = []
        self._will_end = False

    def ask(self, connection: _Connection, route: Route, found: Single, started: float) -> None:
        """Predict one row and answer it when the turn ends."""
        self._asked.append((connection, route, found, started))
        if not self._will_end:
            self._end_soon(connection)

    def add(self, connection: _Connection, answer: bytes) -> None:
        """Write an answer when the turn ends."""
        self._due.append((connection, answer))
        if not self._will_end:
            self._end_soon(connection)

    def _end_soon(self, connection: _Connection) -> None:
        """End the turn once all that has arrived is read: at once if there is only this connection."""
        if len(connection.connections) == 1:
            self._end()
        else:
            self._will_end = True
            connection.loop.call_soon(self._end)

    def _end(self) -> None:
        self._will_end = False
        due, self._due = self._due, []
        if self._asked:
            self._predict(due)
        self._state.commit()
        for connection, answer in due:
            connection.answer(answer)

    def _predict(self, due: list[tuple[_Connection, bytes]]) -> None:
        """Answer the rows that were asked."""
        asked, self._asked = self._asked, []
        service, fast_path = self._state.service, self._fast_path
        assert service is not None
        answered = service.answer_rows([found[0] for _, _, found, _ in asked])
        time_ns = service.now_ns()
        for (connection, (protocol, handler), found, started), one in zip(asked, answered, strict=True):
            headers, status, rows = JSON_HEADERS, 200, 1
            try:
                if isinstance(one, Exception):
                    raise one
                body = handler.write_one(one[0], one[1], time_ns, found[1])
            except Exception as error:
                status, body, headers = fast_path.refused(error)
                rows = 0
            fast_path.count(protocol, status, rows, started)
            due.append((connection, connection.encoded(status, headers, body)))
