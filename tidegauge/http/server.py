"""uvicorn's server, set up as every program that listens with it needs it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from tidegauge.kit.listening import BACKLOG

__all__ = ["Server", "configuration"]


class Server(uvicorn.Server):
    """A server that `end` ends; the program chooses what calls it."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take no signals."""
        yield

    def end(self) -> None:
        """Take no more requests and finish those that were accepted; called again, do not wait for them."""
        self.force_exit = self.should_exit
        self.should_exit = True


def configuration(app: Any, http: Any, grace_seconds: int) -> uvicorn.Config:
    """Make uvicorn's configuration.

    Parameters
    ----------
    app
        ASGI callable.
    http
        Makes the protocol of one connection.
    grace_seconds
        How long requests that were accepted may take once the server ends.
    """
    return uvicorn.Config(
        app,
        http=http,
        loop="none",
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_graceful_shutdown=grace_seconds,
    )
