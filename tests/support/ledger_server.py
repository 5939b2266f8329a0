"""A `Ledger` behind HTTP, for sidecars that are processes."""

import random
import threading
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from support.ledger import Ledger
from support.stub_server import run_server


class LedgerServer(ThreadingHTTPServer):
    """Takes panes; each answer is drawn from `moods` (see `Ledger.put`), behind `token` if there is one."""

    daemon_threads = True
    token: str | None = None
    unauthorized = 0

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.ledger = ledger
        self.moods = ["take"]
        self.rng = random.Random(5)
        self.guard = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: LedgerServer
    protocol_version = "HTTP/1.1"
    timeout = 20

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.token and self.headers["Authorization"] != f"Bearer {self.server.token}":
            self.server.unauthorized += 1
            return self._answer(401, "no or another token")
        with self.server.guard:
            self.server.ledger.script[:] = [self.server.rng.choice(self.server.moods)]
            answer = self.server.ledger.put(self.path, body)
        if answer.status == 0:
            self.close_connection = True
            return None
        return self._answer(answer.status, answer.text)

    def _answer(self, status: int, text: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_request(self, *args: object) -> None:
        pass


def serving(ledger: Ledger) -> AbstractContextManager[LedgerServer]:
    """A server of that ledger, until the block ends."""
    return run_server(LedgerServer(ledger))
