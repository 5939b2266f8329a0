"""`/metrics` and the health of a program without a web framework, served by the standard library."""

import json
import socket
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from prometheus_client import CONTENT_TYPE_LATEST

from tidegauge.kit.refusal import Refusal

__all__ = ["Check", "serve_health"]

Check = Callable[[], None]
"""Raises a `Refusal` unless all is well."""


def serve_health(
    listening: socket.socket, metrics: Callable[[], bytes], checks: Mapping[str, Check], stack: str = ""
) -> ThreadingHTTPServer:
    """Start serving a listening socket, in a thread of its own and one for each connection.

    Parameters
    ----------
    listening
        The socket.
    metrics
        Makes the page that Prometheus reads; called in those threads, as the checks are.
    checks
        By path, such as ``/healthz``.
    stack
        Id of a local stack, which each check that passes then carries.
    """

    class Handler(_Handler):
        pages = {"/metrics": lambda: (metrics(), CONTENT_TYPE_LATEST)} | {
            path: lambda check=check: (_well(check, stack), "application/json")
            for path, check in checks.items()
        }

    server = ThreadingHTTPServer(listening.getsockname()[:2], Handler, bind_and_activate=False)
    server.socket.close()  # made, but never bound
    server.socket = listening
    server.daemon_threads = True
    Thread(target=server.serve_forever, name="health", daemon=True).start()
    return server


def _well(check: Check, stack: str) -> bytes:
    check()
    return json.dumps({"status": "ok"} | ({"stack": stack} if stack else {})).encode()


class _Handler(BaseHTTPRequestHandler):
    pages: Mapping[str, Callable[[], tuple[bytes, str]]]
    timeout = 5

    def do_GET(self) -> None:
        """Answer one of the paths."""
        path = self.path.split("?")[0]
        try:
            if path not in self.pages:
                *some, last = sorted(self.pages)
                raise Refusal(404, "not_found", f"no {path} here: there are {', '.join(some)} and {last}")
            self._answer(200, *self.pages[path]())
        except Refusal as refusal:
            self._refuse(refusal)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002
        """Answer what is no request of ours, or no request at all, as everything else is answered."""
        self.close_connection = True
        self.request_version = self.protocol_version  # else an answer to a broken line has no status
        if code == HTTPStatus.NOT_IMPLEMENTED:
            self._refuse(Refusal(405, "method_not_allowed", f"{self.command}: there is GET only"))
        else:
            said = message or HTTPStatus(code).phrase
            self._refuse(Refusal(400 if code >= 500 else code, "bad_request", said))

    def _refuse(self, refusal: Refusal) -> None:
        self._answer(refusal.status, json.dumps(refusal.to_dict()).encode(), "application/json")

    def _answer(self, status: int, body: bytes, content_type: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing: probes and scrapes are no news."""
