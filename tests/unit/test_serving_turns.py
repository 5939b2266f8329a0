"""Requests that arrive in one turn of the loop, and heads that were read before."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.http_wire import answers, head, post, statuses
from support.serving_app import read_log
from support.serving_bundles import HOUSE_FEATURES, house_bundle, house_data
from support.serving_ways import WAYS, Way
from tidegauge_serving.http.heads import MOST_HEADS, Heads
from tidegauge_serving.predict.engine import MOST_TOGETHER, Engine, together
from tidegauge_serving.rows.schema import Block

PLAIN = "/predict"
V1 = "/v1/models/house-prices:predict"
V2 = "/v2/models/house-prices/infer"
ROWS = house_data(40, seed=5)[0].round(2).tolist()


def named(row: list[float]) -> dict[str, float]:
    return dict(zip(HOUSE_FEATURES, row, strict=True))


def plain(row: list[float]) -> bytes:
    return post(PLAIN, json.dumps({"features": named(row)}).encode())


def v1(row: Any) -> bytes:
    return post(V1, json.dumps({"instances": [row]}).encode())


def v2(row: list[float]) -> bytes:
    tensor = {"name": "all", "shape": [1, 5], "datatype": "FP64", "data": row}
    return post(V2, json.dumps({"inputs": [tensor]}).encode())


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return house_bundle(tmp_path_factory.mktemp("turns") / "bundle")


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, bundle: Path, tmp_path: Path) -> Iterator[Way]:
    made = Way(bundle, tmp_path / "log", request.param)
    yield made
    made.close()


@pytest.fixture
def short(bundle: Path, tmp_path: Path) -> Iterator[Way]:
    made = Way(bundle, tmp_path / "log", "short")
    yield made
    made.close()


class NoParser:
    """Stands where the parser was: nothing may be parsed any more."""

    def feed_data(self, data: bytes) -> None:
        raise AssertionError(f"parsed: {data!r}")


# --- one turn -----------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("many", [2, 5, 16, 17, 40])
def test_requests_of_one_turn_have_the_answers_they_have_alone(way: Way, many: int) -> None:
    kinds = (plain, v1, v2, lambda row: v1(named(row)))
    requests = [kinds[at % 4](row) for at, row in enumerate(ROWS[:many])]
    alone = [way.tell(request)[0] for request in requests]
    wires = [way.connect() for _ in requests]
    for wire, request in zip(wires, requests, strict=True):
        wire.soon(request)
    way.loop.settle()
    assert [bytes(wire.pipe.out) for wire in wires] == alone
    assert all(statuses(out) == [200] for out in alone)
    logged = np.array(way.state()["capture"]).reshape(-1, 6)
    assert logged[:many].tolist() == logged[many:].tolist()
    assert logged[:many, :5].tolist() == ROWS[:many]


@pytest.mark.parametrize("answer", [None, float("nan"), float("inf")])
def test_a_row_that_the_model_fails_at_fails_no_other(way: Way, answer: float | None) -> None:
    engine = way.app.service._engine
    one = engine.one

    def failing(values: tuple[float, ...]) -> Any:
        if values[0] == 13.0:
            if answer is not None:
                return answer
            raise RuntimeError("not this one")
        return one(values)

    engine.one = failing
    engine._together = lambda rows: [failing(row) for row in rows]
    rows = [ROWS[0], [13.0, *ROWS[1][1:]], ROWS[2]]
    wires = [way.connect() for _ in rows]
    for wire, row in zip(wires, rows, strict=True):
        wire.soon(plain(row))
    way.loop.settle()
    for wire in wires:
        way.finish(wire)
    assert [statuses(bytes(wire.pipe.out))[0] for wire in wires] in ([200, 422, 200], [200, 500, 200])
    assert way.state()["rows"][0] == 2


def test_refused_and_answered_requests_of_one_turn_keep_apart(way: Way) -> None:
    requests = [plain(ROWS[0]), post(PLAIN, b"{"), v2(ROWS[1]), v1([1, 2]), v1(ROWS[2])]
    wires = [way.connect() for _ in requests]
    for wire, request in zip(wires, requests, strict=True):
        wire.soon(request)
    way.loop.settle()
    assert [statuses(bytes(wire.pipe.out)) for wire in wires] == [[200], [400], [200], [422], [200]]


def test_an_only_connection_is_answered_in_the_turn_of_its_request(short: Way) -> None:
    wire = short.connect()
    wire.connection.data_received(plain(ROWS[0]))  # the loop does not run
    assert statuses(bytes(wire.pipe.out)) == [200]
    assert [frame.rows for frame in read_log(short.folder)[1]] == [1]


class Sums:
    """A model whose sums may depend on how many rows are asked together."""

    def __init__(self, error: float) -> None:
        self._error = error

    def one(self, values: tuple[float, ...]) -> float:
        return float(sum(values))

    def many(self, rows: list[tuple[float, ...]]) -> list[float]:
        return [self.one(row) + (self._error if len(rows) > 3 else 0.0) for row in rows]

    def predict(self, block: Block) -> Any:
        raise NotImplementedError


@pytest.mark.parametrize(("error", "taken"), [(0.0, True), (1e-9, False)])
def test_rows_are_predicted_together_only_where_that_changes_no_answer(error: float, *, taken: bool) -> None:
    model: Any = Sums(error)
    found = together(model, Block(np.array([[1.0, 2.0]]), {}))
    assert (found is not None) == taken


def test_rows_beyond_the_most_are_predicted_in_several_calls(short: Way) -> None:
    engine: Engine = short.app.service._engine
    rows = [tuple(row) for row in ROWS]
    sizes = []

    def watched(part: Any) -> Any:
        sizes.append(len(part))
        return [engine.one(row) for row in part]  # type: ignore[misc]

    engine._together = watched
    assert engine.predict_rows(rows) == [engine.one(row) for row in rows]  # type: ignore[misc]
    assert sizes == [MOST_TOGETHER, MOST_TOGETHER, 8]


# --- heads that were read before ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [plain, v1, v2])
def test_a_head_that_was_read_before_is_not_parsed_again(short: Way, kind: Any) -> None:
    first, again = short.connect(), short.connect()
    wanted = [short.tell(kind(row))[0] for row in ROWS[:2]]
    first.send(kind(ROWS[0]))
    again.connection.parser = NoParser()
    assert again.send(kind(ROWS[0])) == wanted[0]
    assert again.send(kind(ROWS[0])) == wanted[0] * 2


def test_a_known_head_is_parsed_where_its_request_is_not_whole_or_not_alone(way: Way) -> None:
    request = plain(ROWS[0])
    first = way.connect().send(request)
    for parts in (
        [request[:-1], request[-1:]],
        [request + request],
        [request + request[:30], request[30:]],
        [b"\r\n" + request],
        [b"\r", b"\n", request],
        [request, request[:50], request[50:], request],
    ):
        out, _ = way.tell(*parts)
        assert out == first * (b"".join(parts).count(b"POST"))


def test_a_known_head_with_another_body_is_read_by_its_body(way: Way) -> None:
    body = json.dumps({"features": named(ROWS[0])}).encode()
    bad = b"{" + b" " * (len(body) - 1)
    wire = way.connect()
    out = wire.send(post(PLAIN, body), post(PLAIN, bad), post(PLAIN, body))
    assert statuses(out) == [200, 400, 200]
    assert way.state()["errors"] == {"bad_json": 1}


def test_a_known_head_waits_for_the_answer_before_it(way: Way) -> None:
    known, slow = plain(ROWS[0]), head("GET", "/v1/models")
    alone = answers(way.tell(known)[0]) + answers(way.tell(slow)[0])
    wire = way.connect()
    way.connect()  # so that answers leave at the end of a turn
    wire.soon(known, slow, known)
    way.loop.settle()
    assert answers(wire.send()) == [*alone, alone[0]]


def test_after_a_refusal_that_closes_a_known_head_is_answered_no_more(way: Way) -> None:
    known = plain(ROWS[0])
    wire = way.connect()
    way.connect()
    wire.soon(known)
    way.loop.settle()
    wire.soon(known + b"garbage\r\n\r\n")
    way.loop.settle()
    wire.soon(known)  # while the refusal lingers
    way.loop.settle()
    assert statuses(bytes(wire.pipe.out)) == [200, 200, 400]


def test_a_known_head_is_held_up_and_drained_as_any_other(way: Way) -> None:
    known = plain(ROWS[0])
    held, last = way.connect(), way.connect()
    held.send(known)
    held.connection.pause_writing()
    assert statuses(held.send(known)) == [200]
    held.connection.resume_writing()
    assert statuses(held.send()) == [200, 200]
    last.send(known)
    way.app.state.drain()
    out = last.send(known)
    assert statuses(out) == [200, 200]
    assert b"connection: close" in out
    assert last.pipe.closing


@pytest.mark.slow
def test_heads_without_end_are_not_kept(short: Way) -> None:
    heads: Heads = short.heads
    for number in range(MOST_HEADS + 100):
        body = json.dumps({"features": named(ROWS[0])}).encode()
        assert statuses(short.connect().send(post(PLAIN, body, f"x-request-id: {number}"))) == [200]
    assert len(heads) <= MOST_HEADS


@pytest.mark.parametrize(
    "data",
    [
        b"POST /predict HTTP/1.1\nhost: x\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nhost: x\n\n\r\n\r\n",
        b"\r\nPOST /predict HTTP/1.1\r\nhost: x\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nhost: x\r\n",
        b"POST /predict HTTP/1.1\r\nx: " + b"a" * 3000 + b"\r\n\r\n",
        b"",
    ],
)
def test_bytes_that_may_not_be_the_head_that_was_parsed_are_not_learned(data: bytes) -> None:
    heads = Heads()
    heads.learn(data, ("predict", None), [], 5)  # type: ignore[arg-type]
    assert len(heads) == 0


def test_a_fault_of_our_own_at_one_row_fails_no_other_request(way: Way) -> None:
    service = way.app.service
    score = service._score

    def failing(values: tuple[float, ...]) -> float:
        if values[0] == 13.0:
            raise ValueError("a fault of ours")
        return score(values)

    service._score = failing
    wires = [way.connect() for _ in range(3)]
    for wire, row in zip(wires, [ROWS[0], [13.0, *ROWS[1][1:]], ROWS[2]], strict=True):
        wire.soon(plain(row))
    way.loop.settle()
    assert [statuses(bytes(wire.pipe.out)) for wire in wires] == [[200], [500], [200]]
