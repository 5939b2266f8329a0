"""The short way and the ordinary way of a request are the same server."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.http_wire import answers, head, post, statuses
from support.serving_app import read_log
from support.serving_bundles import HOUSE_ROW, flight_bundle, house_bundle
from support.serving_ways import BODY_BYTES, WAYS, Way
from support.waiting import wait_for

VALUES = list(HOUSE_ROW.values())
PLAIN = "/predict"
V1 = "/v1/models/house-prices:predict"
V2 = "/v2/models/house-prices/infer"
PLAIN_BODY = json.dumps({"features": HOUSE_ROW}).encode()
V1_BODY = json.dumps({"instances": [HOUSE_ROW]}).encode()
V2_TENSOR = {"name": "all", "shape": [1, 5], "datatype": "FP64"}
V2_BODY = json.dumps({"id": "a", "inputs": [{**V2_TENSOR, "data": VALUES}]}).encode()
BINARY_TEXT = json.dumps(
    {
        "inputs": [{**V2_TENSOR, "parameters": {"binary_data_size": 40}}],
        "parameters": {"binary_data_output": True},
    }
).encode()
BINARY_BODY = BINARY_TEXT + np.array(VALUES, "<f8").tobytes()
BINARY = post(V2, BINARY_BODY, f"Inference-Header-Content-Length: {len(BINARY_TEXT)}")
ASKED = {
    "predict": post(PLAIN, PLAIN_BODY),
    "v1": post(V1, V1_BODY),
    "v2": post(V2, V2_BODY),
    "v2 binary": BINARY,
    "v1 rows": post(V1, json.dumps({"instances": [VALUES] * 7}).encode()),
    "v2 versions": post(V2.replace("/infer", "/versions/3/infer"), V2_BODY),
}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return house_bundle(tmp_path_factory.mktemp("ways") / "bundle")


@pytest.fixture(scope="module", params=WAYS)
def way(
    request: pytest.FixtureRequest, bundle: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Way]:
    """A server for tests that leave it as it was."""
    made = Way(bundle, tmp_path_factory.mktemp("way") / "log", request.param)
    yield made
    made.close()


@pytest.fixture(params=WAYS)
def fresh(request: pytest.FixtureRequest, bundle: Path, tmp_path: Path) -> Iterator[Way]:
    """A server of a test's own."""
    made = Way(bundle, tmp_path / "log", request.param)
    yield made
    made.close()


def is_short(wire: Any) -> bool:
    """Whether all requests of a connection took the short way."""
    return wire.connection.cycle is None


@pytest.mark.slow
@pytest.mark.parametrize("asked", ["predict", "v1", "v2", "v2 binary", "v1 rows"])
def test_a_prediction_has_the_answer_of_the_application(way: Way, asked: str) -> None:
    request = ASKED[asked]
    wire = way.connect()
    out = wire.send(request)
    request_head, _, body = request.partition(b"\r\n\r\n")
    target = request_head.split(b" ")[1].decode()
    fields = [line.split(": ", 1) for line in request_head.decode().split("\r\n")[1:]]
    given = {name.lower(): value for name, value in fields}
    status, headers, answer = way.app.ask("POST", target, body, **given)
    assert answers(out) == [(status, answer)] == [(200, answer)]
    for name, value in headers.items():
        assert f"\r\n{name}: {value}\r\n".encode() in out
    assert out.startswith(b"HTTP/1.1 200 OK\r\ndate: Thu, 01 Jan 2026 00:00:00 GMT\r\ncontent-type: ")
    assert is_short(wire) == (way.name == "short")


REFUSED = [
    (PLAIN, b"{", 400, "bad_json"),
    (PLAIN, b"\xff\xfe{}", 400, "bad_json"),
    (PLAIN, b'{"features":{}}', 422, "missing_feature"),
    (PLAIN, PLAIN_BODY.replace(b"2000", b'"x"'), 422, "wrong_type"),
    (PLAIN, PLAIN_BODY.replace(b"2000", b"1e300"), 422, "out_of_range"),
    (PLAIN, PLAIN_BODY.replace(b"2000", b"null"), 422, "missing_value"),
    (V1, b'{"instances":[]}', 422, "empty_batch"),
    (V1, b'{"instances":[[1,2]]}', 422, "wrong_shape"),
    (V2, b'{"inputs":[]}', 422, "empty_batch"),
    (V2, V2_BODY.replace(b"FP64", b"FP99"), 422, "wrong_type"),
    (V2, V2_BODY.replace(b"[1, 5]", b"[2, 5]"), 422, "wrong_shape"),
    ("/v1/models/other:predict", V1_BODY, 404, "unknown_model"),
    ("/nowhere", b"{}", 404, "not_found"),
]


@pytest.mark.parametrize(("target", "body", "status", "reason"), REFUSED)
def test_a_refusal_is_the_same_and_the_connection_goes_on(
    way: Way, target: str, body: bytes, status: int, reason: str
) -> None:
    before = way.state()
    wire = way.connect()
    wire.send(post(target, body))
    out = wire.send(ASKED["predict"])
    (first, answer), (second, _) = answers(out)
    assert (first, second) == (status, 200), answer
    if reason not in ("wrong_shape", "out_of_range"):  # JSON has other words for these than tensors
        assert json.loads(answer)["reason"] == reason
    after = way.state()
    assert sum(after["errors"].values()) == sum(before["errors"].values()) + 1
    assert after["rows"][0] == before["rows"][0] + 1


def test_a_model_that_fails_is_500_and_the_connection_goes_on(fresh: Way) -> None:
    def fail(_: Any) -> Any:
        raise RuntimeError("the model's own trouble")

    engine = fresh.app.service._engine
    working, engine.one = engine.one, fail
    wire = fresh.connect()
    out = wire.send(ASKED["predict"])
    assert statuses(out) == [500]
    engine.one = working
    assert statuses(wire.send(ASKED["predict"])) == [500, 200]
    assert fresh.state()["errors"] == {"model_failed": 1}


def fields_and_ways() -> list[tuple[bytes, bool]]:
    """Requests for a prediction, and whether the short way takes them."""
    body = PLAIN_BODY
    gone = f"content-length: {len(body)}"
    chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    return [
        (post(PLAIN, body, "Connection: keep-alive", "Accept: */*", "traceparent: 00-1-2-01"), True),
        (post(PLAIN, body, "CONTENT-TYPE: text/plain"), True),
        (b"\r\n" + post(PLAIN, body), True),
        (post(PLAIN, body, "Connection: close"), False),
        (post(PLAIN, body, "Connection: Keep-Alive, Upgrade", "Upgrade: h2c"), False),
        (post(PLAIN, body, "Expect: 100-continue"), False),
        (post(PLAIN, body, "Content-Encoding: identity"), False),
        (head("POST", PLAIN, gone, version="1.0") + body, False),
        (head("POST", PLAIN, gone, "Connection: keep-alive", version="1.0") + body, False),
        (head("POST", PLAIN, "Transfer-Encoding: chunked") + chunks, False),
        (post(PLAIN + "?a=b", body), False),
        (post("/%70redict", body), False),
        (post("http://other/predict", body), False),
    ]


@pytest.mark.parametrize("number", range(len(fields_and_ways())))
def test_every_way_to_say_it_is_answered_alike(way: Way, number: int) -> None:
    request, short = fields_and_ways()[number]
    wire = way.connect()
    out = wire.send(request)
    assert [status for status in statuses(out) if status != 100] == [200]
    assert is_short(wire) == (short and way.name == "short")
    closes = b"Connection: close" in request or b"HTTP/1.0" in request
    assert wire.pipe.closing == closes
    assert (b"connection: close" in out) == closes
    if not closes:
        assert statuses(wire.send(request))[-1] == 200


def test_requests_one_after_another_and_in_one_segment_are_answered_in_order(way: Way) -> None:
    several = [
        ASKED["predict"],
        ASKED["v1"],
        post(V1, b"{"),
        head("GET", "/v1/models"),
        ASKED["v2"],
        ASKED["v2 binary"],
        ASKED["v1 rows"],
    ]
    kept = way.connect()
    for request in several:
        kept.send(request)
    piped = way.connect().send(b"".join(several))
    assert piped == bytes(kept.pipe.out)
    assert statuses(piped) == [200, 200, 400, 200, 200, 200, 200]


@pytest.mark.parametrize("size", [1, 2, 7, 50, 211])
def test_segments_of_any_size_are_the_same(way: Way, size: int) -> None:
    data = b"".join([*ASKED.values(), post(PLAIN, b"{"), *ASKED.values()])
    whole = way.connect().send(data)
    parts = [data[at : at + size] for at in range(0, len(data), size)]
    assert way.connect().send(*parts) == whole


def test_a_slow_client_is_refused_and_counted(fresh: Way) -> None:
    request = ASKED["v1"]
    out, closed = fresh.tell(request[:40], seconds=20)
    assert statuses(out) == [408]
    assert closed
    out, closed = fresh.tell(request[:-1], seconds=20)
    assert statuses(out) == [408]
    assert closed
    out, _ = fresh.tell(*(request[at : at + 1] for at in range(len(request))))
    assert statuses(out) == [200]
    assert fresh.state()["errors"] == {"too_slow": 2}


def test_limits_hold(way: Way) -> None:
    long_body = b"{" + b" " * BODY_BYTES
    assert statuses(way.tell(post(PLAIN, long_body), seconds=6)[0]) == [413]
    chunk = head("POST", PLAIN, "transfer-encoding: chunked") + b"%x\r\n%b\r\n" % (len(long_body), long_body)
    assert statuses(way.tell(chunk, seconds=6)[0]) == [413]
    assert statuses(way.tell(post(PLAIN, PLAIN_BODY, "x: " + "a" * 20_000), seconds=6)[0]) == [431]
    padded = PLAIN_BODY + b" " * 70_000  # longer than the short way takes
    assert statuses(way.tell(post(PLAIN, padded))[0]) == [200]


def test_a_client_that_does_not_read_holds_its_answers_up(way: Way) -> None:
    wire = way.connect()
    wire.connection.pause_writing()
    assert wire.send(ASKED["predict"], ASKED["v1"], ASKED["v2"]) == b""
    assert wire.pipe.paused
    wire.connection.resume_writing()
    wire.send()
    assert statuses(wire.send()) == [200, 200, 200]


def test_while_it_drains_it_answers_and_closes(fresh: Way) -> None:
    begun, idle = fresh.connect(), fresh.connect()
    begun.send(ASKED["v1"][:-3])
    fresh.app.state.drain()
    for wire, rest in ((begun, ASKED["v1"][-3:]), (idle, ASKED["v1"])):
        out = wire.send(rest)
        assert statuses(out) == [200]
        assert b"connection: close" in out
        assert wire.pipe.closing


def test_a_server_that_ends_answers_what_has_begun(way: Way) -> None:
    begun, idle, fresh = way.connect(), way.connect(), way.connect()
    begun.send(ASKED["v1"][:-3])
    idle.send(ASKED["v1"])
    for wire in (begun, idle, fresh):
        wire.connection.shutdown()
    assert idle.pipe.closing
    assert fresh.pipe.closing
    assert not begun.pipe.closing
    assert statuses(begun.send(ASKED["v1"][-3:])) == [200]
    assert begun.pipe.closing


def test_an_answer_that_is_due_when_the_server_ends_is_written(way: Way) -> None:
    wire = way.connect()
    wire.soon(ASKED["v1"])
    way.loop.call_soon(wire.connection.shutdown)
    assert statuses(wire.send()) == [200]
    assert wire.pipe.closing


def test_a_client_that_goes_away_harms_nobody(way: Way) -> None:
    for part in (ASKED["v1"][:10], ASKED["v1"][:-3], ASKED["v1"]):
        wire = way.connect()
        wire.soon(part)
        wire.hang_up()
        assert not wire.pipe.out
        assert not wire.state.tasks
    assert statuses(way.connect().send(ASKED["v1"])) == [200]


def test_a_row_is_in_the_log_before_its_answer_leaves(fresh: Way) -> None:
    wires = [fresh.connect() for _ in range(4)]
    seen = []
    for wire in wires:
        write = wire.pipe.write

        def watched(data: bytes, write: Callable[[bytes], None] = write) -> None:
            if data.startswith(b"HTTP/1.1 200"):
                seen.append(fresh.app.capture.appended)
            write(data)

        wire.pipe.write = watched  # type: ignore[method-assign]
        wire.soon(ASKED["predict"])
    fresh.loop.settle()
    assert [statuses(bytes(wire.pipe.out)) for wire in wires] == [[200]] * 4
    assert len(seen) == 4
    assert all(count >= number for number, count in enumerate(seen, 1))
    if fresh.name == "short":
        assert seen == [4] * 4  # one commit for all of the turn
        assert [frame.rows for frame in read_log(fresh.folder)[1]] == [4]


def test_metrics_request_log_and_capture_know_the_same_by_both_ways(bundle: Path, tmp_path: Path) -> None:
    found = []
    for name in WAYS:
        way = Way(bundle, tmp_path / name, name)
        for request in (*ASKED.values(), *(post(target, body) for target, body, _, _ in REFUSED)):
            way.tell(request)
        way.tell(head("POST", V1, "content-length: 999999999"))
        way.tell(head("GET", "/", "x: " + "a" * 20_000))
        found.append(way.state())
        way.close()
    short, ordinary = found
    assert short == ordinary
    assert short["rows"][0] == 12
    assert short["requests"]["v1", 413] == 1


# --- models that are predicted in batches ------------------------------------------------------------------


@pytest.fixture
def slow(request: pytest.FixtureRequest, bundle: Path, tmp_path: Path) -> Iterator[Way]:
    """A model that is not asked on the event loop."""
    made = Way(bundle, tmp_path / "log", request.param)
    engine = made.app.service._engine
    engine.inline_rows, engine.one, made.app.service.is_quick = 0, None, False
    yield made
    made.close()


@pytest.mark.parametrize("slow", WAYS, indirect=True)
def test_a_batched_model_answers_by_both_ways(slow: Way) -> None:
    wires = [slow.connect() for _ in range(5)]
    for wire in wires:
        wire.soon(ASKED["v1"])
    for wire in wires:
        slow.finish(wire)
    outs = {bytes(wire.pipe.out) for wire in wires}
    assert len(outs) == 1
    assert statuses(outs.pop()) == [200]
    assert slow.state()["rows"][0] == 5


@pytest.mark.parametrize("slow", WAYS, indirect=True)
def test_requests_that_arrive_in_one_turn_are_one_batch(slow: Way) -> None:
    batcher, sizes = slow.app.service._engine._batcher, []
    predict = batcher._predict

    def watched(block: Any) -> Any:
        sizes.append(len(block))
        return predict(block)

    batcher._predict = watched
    wires = [slow.connect() for _ in range(6)]
    for wire, asked in zip(wires, ["v1", "v2", "predict", "v1 rows", "v2 binary", "v2"], strict=True):
        wire.soon(ASKED[asked])
    for wire in wires:
        slow.finish(wire)
    assert [statuses(bytes(wire.pipe.out)) for wire in wires] == [[200]] * 6
    assert sizes == [12]


@pytest.mark.parametrize("slow", WAYS, indirect=True)
def test_requests_behind_one_that_waits_for_its_batch_keep_their_order(slow: Way) -> None:
    wire = slow.connect()
    wire.send(ASKED["v1"] + post(V1, b"{") + ASKED["v2"])
    slow.finish(wire)
    assert statuses(bytes(wire.pipe.out)) == [200, 400, 200]


@pytest.mark.parametrize("slow", WAYS, indirect=True)
def test_a_client_that_leaves_while_its_batch_runs_harms_nobody(slow: Way) -> None:
    gone, stays = slow.connect(), slow.connect()
    gone.soon(ASKED["v1"])
    stays.soon(ASKED["v1"])
    gone.hang_up()
    slow.finish(stays)
    assert statuses(bytes(stays.pipe.out)) == [200]
    wait_for(lambda: slow.loop.settle() or not gone.state.tasks, "the request that was left ends", 30)


@pytest.mark.slow
@pytest.mark.parametrize("name", WAYS)
def test_texts_and_probabilities_are_answered_by_both_ways(tmp_path: Path, name: str) -> None:
    way = Way(flight_bundle(tmp_path / "bundle"), tmp_path / "log", name)
    row = {"temp": None, "carrier": "UA", "distance": 800.0}
    bodies = {
        "/predict": {"features": row},
        "/v1/models/late-flights:predict": {"instances": [row], "parameters": {"probabilities": True}},
    }
    for target, body in bodies.items():
        data = json.dumps(body).encode()
        out, _ = way.tell(post(target, data))
        assert answers(out) == [(200, way.app.ask("POST", target, data)[2])]
    way.close()
