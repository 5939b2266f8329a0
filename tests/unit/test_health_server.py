"""Whatever is sent to a health server: an answer with a reason, and it goes on answering."""

import json
import socket
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, generate_latest

from tidegauge.kit.health_server import serve_health
from tidegauge.kit.listening import listen
from tidegauge.kit.refusal import Refusal

SETTINGS = settings(max_examples=150, deadline=None)
HEALTHZ = b"GET /healthz HTTP/1.0\r\n\r\n"

words = st.binary(max_size=20) | st.sampled_from(
    [b"GET", b"POST", b"/metrics", b"/healthz", b"HTTP/1.1", b"HTTP/9"]
)
requests = st.lists(words, max_size=5).map(b" ".join)
headers = st.lists(st.binary(max_size=30) | st.just(b"Content-Length: -1"), max_size=4).map(b"\r\n".join)


def not_yet() -> None:
    raise Refusal(503, "starting", "the first list is not complete")


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    registry = CollectorRegistry()
    Counter("rows", "Rows.", registry=registry).inc(3)
    listening = listen("127.0.0.1", 0)
    checks = {"/healthz": lambda: None, "/readyz": not_yet}
    server = serve_health(listening, lambda: generate_latest(registry), checks)
    yield listening.getsockname()[1]
    server.shutdown()
    server.server_close()


def send(port: int, data: bytes) -> tuple[int, bytes]:
    """The answer's status, 0 where there is none, and its body."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while part := connection.recv(65536):
            answer += part
    head, _, body = answer.partition(b"\r\n\r\n")
    return (int(head.split()[1]), body) if head.startswith(b"HTTP/") else (0, answer)


@pytest.mark.slow
@SETTINGS
@given(requests, headers, st.binary(max_size=200))
def test_random_bytes_are_refused_with_a_reason_and_harm_nothing(
    port: int, request: bytes, heads: bytes, body: bytes
) -> None:
    status, answer = send(port, b"\r\n".join((request, heads, b"", body)))
    if status >= 400:
        assert status < 500
        assert json.loads(answer)["error"]
    assert send(port, HEALTHZ) == (200, b'{"status": "ok"}')


@pytest.mark.parametrize(
    ("request_line", "status", "reason"),
    [
        (b"POST /metrics HTTP/1.0", 405, "method_not_allowed"),
        (b"GET /pane HTTP/1.0", 404, "not_found"),
        (b"GET /metrics HTTP/7.3", 400, "bad_request"),
        (b"GET /" + b"x" * 70_000 + b" HTTP/1.0", 414, "bad_request"),
        (b"nonsense", 400, "bad_request"),
    ],
)
def test_an_unknown_path_of_the_sidecar_is_named(
    port: int, request_line: bytes, status: int, reason: str
) -> None:
    found, answer = send(port, request_line + b"\r\n\r\n")
    assert (found, json.loads(answer)["reason"]) == (status, reason)


def test_the_sidecars_metrics_are_those_of_the_registry(port: int) -> None:
    status, page = send(port, b"GET /metrics?x=1 HTTP/1.0\r\n\r\n")
    assert (status, b"rows_total 3.0" in page) == (200, True)


def test_a_check_that_does_not_pass_is_503_with_its_reason(port: int) -> None:
    status, answer = send(port, b"GET /readyz HTTP/1.0\r\n\r\n")
    assert status == 503
    assert json.loads(answer) == {"error": "the first list is not complete", "reason": "starting"}


def test_a_path_that_is_none_is_answered_with_those_there_are(port: int) -> None:
    _, answer = send(port, b"GET / HTTP/1.0\r\n\r\n")
    assert json.loads(answer)["error"] == "no / here: there are /healthz, /metrics and /readyz"
