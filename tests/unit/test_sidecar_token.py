"""The sidecar's token: taken up when it changes, kept while its file is being replaced."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from support.stub_server import run_server
from tidegauge_sidecar.transport import HttpTransport


class Listener(ThreadingHTTPServer):
    """Takes any PUT and remembers who sent it."""

    heard: list[str | None]


class Handler(BaseHTTPRequestHandler):
    server: Listener

    def do_PUT(self) -> None:
        self.server.heard.append(self.headers["Authorization"])
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(201)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def listener() -> Iterator[Listener]:
    server = Listener(("127.0.0.1", 0), Handler)
    server.heard = []
    with run_server(server):
        yield server


def transport_to(listener: Listener, token: Path) -> HttpTransport:
    return HttpTransport(f"http://127.0.0.1:{listener.server_port}", token)


def test_a_new_token_is_sent_with_the_next_pane(listener: Listener, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("first\n")
    transport = transport_to(listener, token)
    transport.put("/pane", b"1")
    (tmp_path / "next").write_text("  second\n")
    (tmp_path / "next").rename(token)  # as a mounted Secret changes
    transport.put("/pane", b"2")
    assert listener.heard == ["Bearer first", "Bearer second"]


@pytest.mark.parametrize("spoil", [lambda token: token.write_text("\n"), lambda token: token.unlink()])
def test_a_token_file_that_is_being_replaced_changes_nothing(
    listener: Listener, tmp_path: Path, spoil
) -> None:
    token = tmp_path / "token"
    token.write_text("good")
    transport = transport_to(listener, token)
    assert transport.put("/pane", b"1").status == 201
    spoil(token)
    assert transport.put("/pane", b"2").status == 201
    assert listener.heard == ["Bearer good", "Bearer good"]


@pytest.mark.parametrize("text", [None, "", " \n"])
def test_nothing_is_sent_until_there_is_a_token(listener: Listener, tmp_path: Path, text: str | None) -> None:
    token = tmp_path / "token"
    if text is not None:
        token.write_text(text)
    transport = transport_to(listener, token)
    answer = transport.put("/pane", b"1")
    assert (answer.status, listener.heard) == (0, [])
    assert "token" in answer.text
    token.write_text("here at last")
    assert transport.put("/pane", b"1").status == 201
    assert listener.heard == ["Bearer here at last"]
