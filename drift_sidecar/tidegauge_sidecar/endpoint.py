"""`/metrics` and `/healthz`, served by the standard library."""

import json
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

__all__ = ["serve_endpoint"]


def serve_endpoint(
    host: str, port: int, registry: CollectorRegistry, is_healthy: Callable[[], bool], stack: str = ""
) -> ThreadingHTTPServer:
    """Start serving in a thread of its own; the server's `server_port` tells the port taken.

    In a local stack `/healthz` carries the stack's id.

    Raises
    ------
    OSError
        The address cannot be listened on.
    """

    class Handler(_Handler):
        metrics = registry
        healthy = staticmethod(is_healthy)
        identity = {"stack": stack} if stack else {}

    server = ThreadingHTTPServer((host, port), Handler)
    server.daemon_threads = True
    Thread(target=server.serve_forever, name="endpoint", daemon=True).start()
    return server


class _Handler(BaseHTTPRequestHandler):
    metrics: CollectorRegistry
    healthy: Callable[[], bool]
    identity: dict[str, str]
    timeout = 5

    def do_GET(self) -> None:
        """Answer the two paths."""
        match self.path.split("?")[0]:
            case "/metrics":
                self._answer(200, generate_latest(self.metrics), CONTENT_TYPE_LATEST)
            case "/healthz" if self.healthy():
                self._answer_json(200, {"status": "ok", **self.identity})
            case "/healthz":
                self._answer_json(503, _error("stuck", "the main loop has not turned for too long"))
            case path:
                self._answer_json(
                    404, _error("not_found", f"no {path} here: there are /metrics and /healthz")
                )

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002
        """Answer what is no request of ours, or no request at all, as everything else is answered."""
        self.close_connection = True
        self.request_version = self.protocol_version  # else an answer to a broken line has no status
        if code == HTTPStatus.NOT_IMPLEMENTED:
            self._answer_json(405, _error("method_not_allowed", f"{self.command}: there is GET only"))
        else:
            said = message or HTTPStatus(code).phrase
            self._answer_json(400 if code >= 500 else code, _error("bad_request", said))

    def _answer_json(self, status: int, document: dict[str, object]) -> None:
        self._answer(status, json.dumps(document).encode(), "application/json")

    def _answer(self, status: int, body: bytes, content_type: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing: probes and scrapes are no news."""


def _error(reason: str, message: str) -> dict[str, object]:
    return {"error": message, "reason": reason}
