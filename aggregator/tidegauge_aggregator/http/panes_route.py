"""The hot route, ``PUT .../panes/{pane}/{instance}``, as a bare ASGI callable in front of the application.

A hundred panes a second pass here; everything else goes on to `app`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from tidegauge.kit.refusal import Refusal
from tidegauge.protocol.pane import MAX_PANE_BYTES
from tidegauge_aggregator.domain.rows import Outcome
from tidegauge_aggregator.service.aggregator import Aggregator
from tidegauge_aggregator.service.validation import PaneName, check_size

from .access import TokenGate

__all__ = ["PanesRoute", "read_body"]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_PATH: Final = re.compile(r"/v1/models/([^/]+)/profiles/([^/]+)/panes/([^/]+)/([^/]+)")
_ANSWERS: Final = {
    Outcome.COUNTED: (201, b'{"outcome":"counted"}'),
    Outcome.KNOWN: (200, b'{"outcome":"known"}'),
}


class PanesRoute:
    """Takes panes; passes any other request on.

    Parameters
    ----------
    aggregator
        Takes the panes.
    gate
        Checks the bearer token.
    app
        Everything else.
    """

    def __init__(self, aggregator: Aggregator, gate: TokenGate, app: App) -> None:
        self._aggregator, self._gate, self._app = aggregator, gate, app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http" and scope["method"] == "PUT" and (match := _PATH.fullmatch(scope["path"])):
            status, body = await self._take(PaneName(*match.groups()), scope, receive)
            await _answer(send, status, body)
        else:
            await self._app(scope, receive, send)

    async def _take(self, name: PaneName, scope: Scope, receive: Receive) -> tuple[int, bytes]:
        try:
            self._gate.check(_header(scope, b"authorization"))
            body = await read_body(scope, receive, MAX_PANE_BYTES)
            outcome = await self._aggregator.take_pane(name, body)
        except Refusal as refusal:
            self._aggregator.metrics.refused.labels(refusal.reason).inc()
            return refusal.status, json.dumps(refusal.to_dict()).encode()
        return _ANSWERS[outcome]


async def read_body(scope: Scope, receive: Receive, limit: int) -> bytes:
    """Read a request's body; refuse it (413) as soon as it is, or says that it is, longer than the limit."""
    said = _header(scope, b"content-length") or b"0"
    check_size(int(said) if said.isdigit() else 0, limit)
    chunks, size, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refusal(400, "cut_off", "the connection ended before the body did")
        chunk = message.get("body", b"")
        size += len(chunk)
        check_size(size, limit)
        chunks.append(chunk)
        more = message.get("more_body", False)
    return b"".join(chunks)


def _header(scope: Scope, name: bytes) -> bytes | None:
    return next((value for key, value in scope["headers"] if key == name), None)


async def _answer(send: Send, status: int, body: bytes) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if status == 503:
        headers.append((b"retry-after", b"5"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
