"""The connection of every program that listens: offers to upgrade, limits, times, order of answers."""

import asyncio
import json
from collections.abc import Iterator
from functools import partial
from typing import Any

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.http_wire import ClockLoop, Wire, answers, configured, cut, head, post, statuses

from tidegauge.http import Connection, Limits, RefusedRequest

H2C = (
    "Connection: Upgrade, HTTP2-Settings",
    "Upgrade: h2c",
    "HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAA",
)
LIMITS = Limits(body_bytes=100_000)


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answers with what it was asked, after the whole body."""
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body += message["body"]
        more = message["more_body"]
    if scope["path"] == "/slow":
        await asyncio.sleep(5)
    answer = f"{scope['method']} {scope['path']} {body.decode('latin-1')}".encode("latin-1")
    headers = [(b"content-length", b"%d" % len(answer))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


class Server:
    """Connections to `echo`, and what they refused."""

    def __init__(self, app: Any = echo, limits: Limits = LIMITS) -> None:
        self.loop = ClockLoop()
        self.refused: list[RefusedRequest] = []
        self.wires: list[Wire] = []
        self.config = configured(app, partial(Connection, limits=limits, refuse=self.refuse))

    def refuse(self, refused: RefusedRequest) -> bytes:
        self.refused.append(refused)
        return json.dumps({"reason": refused.reason}).encode()

    def connect(self) -> Wire:
        self.wires.append(Wire(self.loop, self.config))
        return self.wires[-1]

    def close(self) -> None:
        for wire in self.wires:
            wire.hang_up()
        self.loop.move(6)
        self.loop.close()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


# --- offers to upgrade -------------------------------------------------------------------------------------


def offers() -> list[tuple[str, ...]]:
    """What clients send: Java, curl, Spring behind a proxy, browsers, and odd spellings."""
    return [
        H2C,
        ("Upgrade: h2c", "Connection: upgrade"),
        ("connection: keep-alive, Upgrade", "upgrade: TLS/1.0, h2c"),
        ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: x"),
        ("Connection:  UPGRADE ,keep-alive ", "Upgrade: h2c ", "Connection: HTTP2-Settings"),
    ]


@pytest.mark.parametrize("offer", offers(), ids=str)
@pytest.mark.parametrize("split", [False, True], ids=["with the head", "in its own segment"])
def test_an_offer_to_upgrade_is_ignored_and_the_body_kept(
    server: Server, offer: tuple[str, ...], split: bool
) -> None:
    inner = post("/inner", b"x")
    request = post("/outer", inner, *offer)
    at = len(request) - len(inner)
    out = server.connect().send(*([request[:at], request[at:]] if split else [request]))
    assert answers(out) == [(200, b"POST /outer " + inner)]


def test_a_chunked_body_after_an_offer_is_kept(server: Server) -> None:
    chunks = b"3\r\nabc\r\n2;ext=1\r\nde\r\n0\r\n\r\n"
    out = server.connect().send(
        head("POST", "/a", "Transfer-Encoding: chunked", *H2C) + chunks + post("/b", b"f")
    )
    assert answers(out) == [(200, b"POST /a abcde"), (200, b"POST /b f")]


def test_an_offer_without_a_body_is_answered_and_the_connection_goes_on(server: Server) -> None:
    wire = server.connect()
    wire.send(head("GET", "/a", *H2C))
    assert [body for _, body in answers(wire.send(head("GET", "/b", *H2C), post("/c", b"1")))] == [
        b"GET /a ",
        b"GET /b ",
        b"POST /c 1",
    ]


def test_an_offer_to_close_as_well_closes(server: Server) -> None:
    wire = server.connect()
    out = wire.send(post("/a", b"1", "Connection: close, Upgrade", "Upgrade: h2c"))
    assert b"connection: close" in out
    assert wire.pipe.closing


def test_connect_is_refused_and_nothing_behind_it_is_read(server: Server) -> None:
    out = server.connect().send(head("CONNECT", "other:443") + post("/a", b"1"))
    assert statuses(out) == [400]


REQUESTS = st.tuples(
    st.sampled_from(["/a", "/b?q=1"]),
    st.sampled_from(
        [b"", b"{}", post("/inner", b"smuggled"), head("GET", "/inner"), b"0\r\n\r\n", b"x" * 300]
    ),
    st.sampled_from(["length", "chunked"]),
    st.sampled_from([(), *offers()]),
)


def encoded(target: str, body: bytes, framing: str, offer: tuple[str, ...]) -> bytes:
    if framing == "length":
        return post(target, body, *offer)
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:7], body[7:]) if part)
    return head("POST", target, "Transfer-Encoding: chunked", *offer) + chunks + b"0\r\n\r\n"


@pytest.mark.slow
@given(st.lists(REQUESTS, min_size=1, max_size=5), st.lists(st.integers(0, 5000), max_size=12))
def test_every_request_gets_its_own_answer_wherever_segments_end(
    requests: list[Any], places: list[int]
) -> None:
    server = Server()
    data = b"".join(encoded(*request) for request in requests)
    out = server.connect().send(*cut(data, places))
    server.close()
    assert answers(out) == [
        (200, b"POST " + target.partition("?")[0].encode() + b" " + body) for target, body, _, _ in requests
    ]


def test_byte_by_byte_is_the_same(server: Server) -> None:
    data = b"".join(post("/a", post("/inner", b"2"), *offer) for offer in offers())
    out = server.connect().send(*(data[at : at + 1] for at in range(len(data))))
    assert answers(out) == [(200, b"POST /a " + post("/inner", b"2"))] * len(offers())


# --- limits ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "request_head",
    [
        head("GET", "/" + "a" * 17_000),
        head("GET", "/", "x-long: " + "a" * 17_000),
        head("GET", "/", *(f"x-{number}: {'a' * 200}" for number in range(85))),
        head("GET", "/", *(f"x-{number}: 1" for number in range(100))),
        head("POST", "/", "transfer-encoding: chunked") + b"0\r\n" + b"x-trailer: 1\r\n" * 1500 + b"\r\n",
    ],
    ids=["target", "one field", "many fields", "number of fields", "trailers"],
)
@pytest.mark.parametrize("size", [1_000, 100_000], ids=["in segments", "in one"])
def test_a_head_above_the_limits_is_431(server: Server, request_head: bytes, size: int) -> None:
    wire = server.connect()
    out = wire.send(*cut(request_head, range(0, len(request_head), size)))
    assert statuses(out) == [431]
    assert [refused.reason for refused in server.refused] == ["head_too_large"]


def test_a_head_at_the_limits_is_answered(server: Server) -> None:
    fields = [f"x-{number}: 1" for number in range(99)]
    assert statuses(server.connect().send(head("GET", "/", *fields))) == [200]
    used = len("/") + len("hostx") + 4 + len("x") + 4
    assert statuses(server.connect().send(head("GET", "/", "x: " + "a" * (16_384 - used)))) == [200]
    assert statuses(server.connect().send(head("GET", "/", "x: " + "a" * (16_385 - used)))) == [431]


@pytest.mark.parametrize(
    ("start", "endless"),
    [
        (b"GET / HTTP/1.1\r\nx: ", b"a"),
        (b"GET / HTTP/1.1\r\nx:", b" "),
        (b"", b"\r\n"),
        (b"GET /", b"a"),
        (b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n3;x=", b"a"),
        (b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx: ", b"a"),
    ],
    ids=["value", "white space", "empty lines", "target", "chunk extension", "trailer"],
)
def test_what_has_no_end_is_refused_before_it_fills_the_memory(
    server: Server, start: bytes, endless: bytes
) -> None:
    wire = server.connect()
    sent = 0
    wire.send(start)
    while not server.refused and sent < 1_000_000:
        wire.send(endless * 1000)
        sent += 1000
    assert sent < 50_000
    assert statuses(bytes(wire.pipe.out)) == [431]


@pytest.mark.parametrize("expect", [(), ("Expect: 100-continue",)], ids=["", "expect"])
def test_a_declared_length_above_the_limit_is_413_before_the_body(
    server: Server, expect: tuple[str, ...]
) -> None:
    out = server.connect().send(head("POST", "/a%2Fb", "content-length: 100001", *expect))
    assert statuses(out) == [413]
    (refused,) = server.refused
    assert (refused.reason, refused.method, refused.path) == ("body_too_large", "POST", "/a/b")
    assert "100001" in refused.message
    assert "100000" in refused.message


def test_lengths_that_are_no_number_of_bytes_are_400(server: Server) -> None:
    for length in ("9" * 5_000, "-1", "+1", "1_0", "٣", "1, 2"):
        out = server.connect().send(head("POST", "/", f"content-length: {length}".encode().decode("latin-1")))
        assert statuses(out)[0] in (400, 413), length


def test_a_client_that_expects_100_hears_it_when_its_body_is_wanted(server: Server) -> None:
    wire = server.connect()
    assert statuses(wire.send(head("POST", "/a", "content-length: 2", "Expect: 100-continue"))) == [100]
    assert statuses(wire.send(b"{}")) == [100, 200]
    assert not wire.pipe.closing


def test_a_final_answer_instead_of_100_closes_as_the_body_may_never_come() -> None:
    async def refuse(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001
        await send({"type": "http.response.start", "status": 404, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    server = Server(refuse)
    wire = server.connect()
    out = wire.send(head("POST", "/a", "content-length: 2", "Expect: 100-continue"))
    assert statuses(out) == [404]
    assert b"connection: close" in out
    assert wire.pipe.closing
    server.close()


# --- times -------------------------------------------------------------------------------------------------


def test_a_head_that_is_not_whole_after_10_s_is_408(server: Server) -> None:
    wire = server.connect()
    wire.send(b"GET / HTTP/1.1\r\nhost:")
    assert wire.wait(9) == b""
    wire.send(b" x\r\n")  # a byte now and then does not help
    assert statuses(wire.wait(3)) == [408]
    assert [refused.reason for refused in server.refused] == ["too_slow"]
    wire.wait(10)
    assert wire.pipe.closing


def test_a_body_may_take_10_s_and_more_only_as_it_comes(server: Server) -> None:
    wire = server.connect()
    wire.send(head("POST", "/a", "content-length: 90000"))
    for _ in range(4):
        wire.send(b"x" * 16_384)
        assert wire.wait(3) == b""
    assert wire.wait(1) == b""
    assert statuses(wire.wait(4)) == [408]
    (refused,) = server.refused
    assert "65536 bytes" in refused.message


def test_a_body_that_comes_in_drops_is_408_and_its_application_hears_the_end(server: Server) -> None:
    wire = server.connect()
    wire.send(head("POST", "/a", "transfer-encoding: chunked"))
    for _ in range(12):
        wire.send(b"1\r\nx\r\n")
        wire.wait(1)
    assert statuses(bytes(wire.pipe.out)) == [408]
    wire.wait(6)
    assert not wire.state.tasks


def test_an_idle_connection_closes_after_its_time_without_a_word(server: Server) -> None:
    fresh, used = server.connect(), server.connect()
    used.send(post("/a", b"1"))
    said = len(used.pipe.out)
    server.loop.move(74)
    assert not fresh.pipe.closing
    assert not used.pipe.closing
    server.loop.move(3)
    assert fresh.pipe.closing
    assert used.pipe.closing
    assert len(used.pipe.out) == said


def test_time_that_the_server_takes_is_not_the_client_s(server: Server) -> None:
    slow = post("/slow", b"1")
    wire = server.connect()
    wire.send(slow, slow, slow + b"GET / HT")
    for _ in range(3):
        wire.wait(6)
    assert statuses(bytes(wire.pipe.out)) == [200, 200, 200]
    assert statuses(wire.send(b"TP/1.1\r\nhost: x\r\n\r\n")) == [200, 200, 200, 200]


# --- order -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bad", "status"),
    [
        (b"\x00\x01\r\n\r\n", 400),
        (head("GET", "/", "x: " + "a" * 20_000), 431),
        (head("POST", "/", "content-length: 999999"), 413),
        (head("POST", "/", "transfer-encoding: chunked") + b"zz\r\n", 400),
        (head("POST", "/", "content-length: 1", "transfer-encoding: chunked"), 400),
    ],
)
def test_a_refusal_waits_for_the_answers_before_it(server: Server, bad: bytes, status: int) -> None:
    wire = server.connect()
    assert wire.send(post("/slow", b"1") + bad + post("/never", b"read")) == b""
    out = wire.wait(6)
    assert statuses(out) == [200, status]
    assert b"/never" not in out
    wire.wait(6)
    assert wire.pipe.closing
    assert not wire.state.tasks


def test_requests_that_wait_have_a_bound(server: Server) -> None:
    wire = server.connect()
    wire.send(*[post("/slow", b"1") * 3] * 100)
    server.loop.move(11)
    wire._deliver()
    assert len(wire.connection.pipeline) <= 3
    assert len(wire.waiting) > 90


def test_a_client_that_goes_away_ends_its_request(server: Server) -> None:
    wire = server.connect()
    wire.send(head("POST", "/a", "content-length: 5") + b"x")
    assert wire.state.tasks
    wire.hang_up()
    assert not wire.state.tasks
    assert wire.connection not in wire.state.connections


def test_a_server_that_stops_answers_what_it_has_begun(server: Server) -> None:
    idle, busy = server.connect(), server.connect()
    busy.send(head("POST", "/a", "content-length: 2") + b"{")
    idle.connection.shutdown()
    busy.connection.shutdown()
    assert idle.pipe.closing
    assert not busy.pipe.closing
    out = busy.send(b"}")
    assert statuses(out) == [200]
    assert b"connection: close" in out
    assert busy.pipe.closing


def test_the_parser_s_own_upgrade_offset_is_the_end_of_the_head() -> None:
    """What `Connection` relies on, for whoever updates httptools."""
    request_head = head("POST", "/a", "content-length: 3", *H2C)
    for extra in (b"", b"a", b"abcGET"):
        parser = httptools.HttpRequestParser(object())
        with pytest.raises(httptools.HttpParserUpgrade) as stopped:
            parser.feed_data(request_head + extra)
        assert stopped.value.args == (len(request_head),)
