"""One request and its answer, and when a connection is read."""

import asyncio
from collections import deque
from typing import Any

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

__all__ = ["Cycle", "Flow", "disconnect"]


class Flow(FlowControl):
    """Does not read on while requests wait for their turn: their number would have no bound."""

    def __init__(self, transport: asyncio.Transport, waiting: deque[Any]) -> None:
        super().__init__(transport)
        self._waiting = waiting

    def resume_reading(self) -> None:
        """Read on, unless requests wait."""
        if not self._waiting:
            super().resume_reading()


class Cycle(RequestResponseCycle):
    """One request and its answer."""

    async def send(self, message: Any) -> None:
        """Send one message; close if the client waits for `100 Continue`: its body may never come."""
        if self.waiting_for_100_continue and self.more_body and not self.response_started:
            self.keep_alive = False
        await super().send(message)


def disconnect(cycle: RequestResponseCycle) -> None:
    """Tell a request's application that its client is gone."""
    cycle.disconnected = True
    cycle.message_event.set()
