"""Clients that close their side after a request (`nc -N`) get their answer, by every way."""

import asyncio
import json
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from support.http_wire import ClockLoop, Wire, answers, configured, head, post, statuses
from support.serving_bundles import HOUSE_ROW, house_bundle
from support.serving_ways import WAYS, Way

from tidegauge.http import Connection, Limits, RefusedRequest

V1 = "/v1/models/house-prices:predict"
ASKED = post(V1, json.dumps({"instances": [HOUSE_ROW]}).encode())
PLAIN = post("/predict", json.dumps({"features": HOUSE_ROW}).encode())


@pytest.fixture(scope="module", params=WAYS)
def way(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Way]:
    folder = tmp_path_factory.mktemp("ended")
    made = Way(house_bundle(folder / "bundle"), folder / "log", request.param)
    yield made
    made.close()


def send_and_end(way: Way, *parts: bytes) -> Wire:
    """Requests and the end of the client's side in one turn of the loop."""
    wire = way.connect()
    wire.soon(*parts)
    wire.end()
    way.finish(wire)
    return wire


@pytest.mark.parametrize(
    "parts",
    [
        [ASKED],
        [PLAIN, ASKED, ASKED],
        [PLAIN + post("/nowhere", b"{}") + ASKED],
        [head("GET", "/healthz") + PLAIN],
        [PLAIN + head("GET", "/v2")],
        [ASKED[:30], ASKED[30:]],
        [post(V1, b"{") + ASKED],
    ],
    ids=["one", "three", "a wrong path between", "health first", "health last", "in two parts", "refused"],
)
def test_whole_requests_are_answered_and_then_it_closes(way: Way, parts: list[bytes]) -> None:
    kept = way.connect()
    wanted = statuses(kept.send(*parts))
    wire = send_and_end(way, *parts)
    assert statuses(bytes(wire.pipe.out)) == wanted
    assert len(wanted) == b"".join(parts).count(b" HTTP/1.1")
    assert wire.pipe.closing


def test_a_model_that_takes_its_time_answers_still(way: Way) -> None:
    engine, service = way.app.service._engine, way.app.service
    before = engine.inline_rows, engine.one, service.is_quick
    engine.inline_rows, engine.one, service.is_quick = 0, None, False
    wire = send_and_end(way, ASKED + PLAIN)
    engine.inline_rows, engine.one, service.is_quick = before
    assert statuses(bytes(wire.pipe.out)) == [200, 200]
    assert wire.pipe.closing


@pytest.mark.parametrize("size", [1, 40, len(ASKED) - 60, len(ASKED) - 1])
def test_a_request_that_ends_too_early_is_refused_after_the_answers_before_it(way: Way, size: int) -> None:
    errors = way.state()["errors"].get("bad_http", 0)
    wire = send_and_end(way, PLAIN + ASKED[:size])
    (first, _), (second, body) = answers(bytes(wire.pipe.out))
    assert (first, second) == (200, 400)
    assert json.loads(body)["reason"] == "bad_http"
    assert "closed its side" in json.loads(body)["error"]
    assert wire.pipe.closing
    assert way.state()["errors"]["bad_http"] == errors + 1


def test_a_client_that_ends_after_a_refusal_does_not_hold_the_connection(way: Way) -> None:
    for before in (b"", PLAIN):
        wire = send_and_end(way, before + b"no http\r\n\r\n")
        assert statuses(bytes(wire.pipe.out))[-1] == 400
        assert wire.pipe.closing, "at once, not after the time in which a client is heard out"


def test_a_client_that_says_nothing_and_ends_is_let_go(way: Way) -> None:
    errors = way.state()["errors"]
    for before in ([], [b"\r\n"]):
        assert not send_and_end(way, *before).pipe.out
    wire = way.connect()
    wire.send(PLAIN)
    said = bytes(wire.pipe.out)
    assert wire.end() == said
    assert wire.pipe.closing
    assert way.state()["errors"] == errors


def test_a_slow_application_keeps_the_order_of_its_answers() -> None:
    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await asyncio.sleep(3 if scope["path"] == "/slow" else 0)
        answer = scope["path"].encode()
        headers = [(b"content-length", b"%d" % len(answer))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    def refuse(refused: RefusedRequest) -> bytes:
        return refused.reason.encode()

    loop = ClockLoop()
    protocol = partial(Connection, limits=Limits(body_bytes=1_000), refuse=refuse)
    wire = Wire(loop, configured(slow, protocol))
    wire.soon(head("GET", "/slow") + head("GET", "/quick") + b"POST /cut")
    assert wire.end() == b""
    assert not wire.pipe.closing
    assert answers(wire.wait(4)) == [(200, b"/slow"), (200, b"/quick"), (400, b"bad_http")]
    assert wire.pipe.closing
    wire.hang_up()
    loop.close()
