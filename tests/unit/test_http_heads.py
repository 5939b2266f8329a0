"""Heads that RFC 9112 forbids, and bodies of doubtful length: refused, and nothing is read behind them."""

import json
from collections.abc import Iterator

import pytest
from support.http_wire import answers, statuses
from support.serving_bundles import HOUSE_ROW, house_bundle
from support.serving_ways import WAYS, Way

ROW = json.dumps({"features": HOUSE_ROW}).encode()
LENGTH = f"Content-Length: {len(ROW)}"
CHUNKED = "Transfer-Encoding: chunked"
CHUNKS = b"%x\r\n%b\r\n0\r\n\r\n" % (len(ROW), ROW)
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture(scope="module", params=WAYS)
def way(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Way]:
    folder = tmp_path_factory.mktemp("heads")
    made = Way(house_bundle(folder / "bundle"), folder / "log", request.param)
    yield made
    made.close()


def ask(
    *fields: str, body: bytes = ROW, first: str = "POST /predict HTTP/1.1", host: str = "Host: x"
) -> bytes:
    lines = [first, *([host] if host else []), *fields, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


REFUSED = {
    "no host": (ask(LENGTH, host=""), "0 fields Host"),
    "two hosts": (ask("Host: x", LENGTH), "2 fields Host"),
    "two other hosts": (ask("Host: y", LENGTH), "2 fields Host"),
    "two hosts, 1.0": (ask("Host: y", LENGTH, first="POST /predict HTTP/1.0"), "2 fields Host"),
    "white space in host": (ask(LENGTH, host="Host: a b"), "Host is 'a b'"),
    "path in host": (ask(LENGTH, host="Host: a/b"), "Host is 'a/b'"),
    "two equal lengths": (ask(LENGTH, LENGTH), "field 'content-length'"),
    "two lengths": (ask(LENGTH, "Content-Length: 3"), "field 'content-length'"),
    "list of lengths": (ask(f"{LENGTH}, {len(ROW)}"), "not HTTP/1.1"),
    "length with a sign": (ask(f"Content-Length: +{len(ROW)}"), "field 'host'"),
    "negative length": (ask("Content-Length: -1"), "field 'host'"),
    "length in hex": (ask("Content-Length: 0x10"), "field 'host'"),
    "length beyond 64 bits": (ask("Content-Length: 18446744073709551616"), "field 'host'"),
    "space before the colon": (ask(f"Content-Length : {len(ROW)}"), "field 'host'"),
    "both": (ask(LENGTH, CHUNKED, body=CHUNKS), "not HTTP/1.1"),
    "both, the other way": (ask(CHUNKED, LENGTH, body=CHUNKS), "field 'transfer-encoding'"),
    "gzip and chunks": (ask("Transfer-Encoding: gzip, chunked", body=CHUNKS), "only chunked"),
    "gzip and chunks in two fields": (ask("Transfer-Encoding: gzip", CHUNKED, body=CHUNKS), "only chunked"),
    "deflate and chunks": (ask("Transfer-Encoding: deflate,chunked", body=CHUNKS), "'deflate,chunked'"),
    "chunks and gzip": (ask("Transfer-Encoding: chunked, gzip", body=CHUNKS), "not HTTP/1.1"),
    "chunks twice": (ask(CHUNKED, CHUNKED, body=CHUNKS), "not HTTP/1.1"),
    "nearly chunks": (ask("Transfer-Encoding: xchunked", body=CHUNKS), "'xchunked'"),
    "identity": (ask("Transfer-Encoding: identity", LENGTH), "not HTTP/1.1"),
    "a size that is none": (ask(CHUNKED, body=b"0x5\r\nabcde\r\n0\r\n\r\n"), "the body's chunks"),
    "a size beyond all bounds": (ask(CHUNKED, body=b"f" * 17 + b"\r\n" + ROW), "the body's chunks"),
    "a chunk that is longer": (ask(CHUNKED, body=b"3\r\n" + ROW), "the body's chunks"),
    "a length in the trailers": (ask(CHUNKED, body=b"0\r\nContent-Length: 5\r\n\r\n"), "the body's chunks"),
    "a folded field": (ask("X: a\r\n b", LENGTH), "field"),
    "an empty name": (ask(": a", LENGTH), "the first field after it"),
    "a null byte": (ask("X: a\0b", LENGTH), "field"),
    "line feeds alone": (ask(LENGTH).replace(b"\r\n", b"\n"), "the request line"),
    "a method in small letters": (ask(LENGTH, first="post /predict HTTP/1.1"), "the request line"),
    "an unknown method": (ask(LENGTH, first="BREW /predict HTTP/1.1"), "the request line"),
    "another version": (ask(LENGTH, first="POST /predict HTTP/2.0"), "HTTP/2.0"),
    "no version": (b"GET /healthz\r\n\r\n", "HTTP/0.9"),
    "a version that is none": (ask(LENGTH, first="POST /predict HTTP/1.2"), "the request line"),
    "no path": (ask(LENGTH, first="POST predict HTTP/1.1"), "the request line"),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "the request line"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_wrong_head_is_refused_and_nothing_behind_it_is_answered(way: Way, name: str) -> None:
    data, words = REFUSED[name]
    errors = way.state()["errors"].get("bad_http", 0)
    ((status, body),) = answers(way.tell(data + HEALTH, seconds=6)[0])
    told = json.loads(body)
    assert (status, told["reason"]) == (400, "bad_http")
    assert words in told["error"]
    assert way.state()["errors"]["bad_http"] == errors + 1
    out, closed = way.tell(HEALTH + data, seconds=6)
    assert statuses(out) == [200, 400]
    assert closed


@pytest.mark.parametrize(
    "data",
    [
        ask(LENGTH, host="Host:"),
        ask(LENGTH, host="Host: [::1]:8080"),
        ask(LENGTH, host="HOST: shop.example"),
        ask(LENGTH, host="Host: x%41_-.~!"),
        ask(f"Content-Length: 000{len(ROW)}"),
        ask("transfer-encoding:ChunKed", body=CHUNKS),
        ask(CHUNKED, body=CHUNKS.replace(b"\r\n", b";a=b\r\n", 1)),
        ask(CHUNKED, "Trailer: X", body=CHUNKS[:-2] + b"X: y\r\n\r\n"),
        ask(LENGTH, "X: \xe9", "Expect: something"),
        ask(LENGTH, first="POST http://other:99/predict?a=b HTTP/1.1"),
    ],
)
def test_what_looks_odd_and_is_allowed_is_answered(way: Way, data: bytes) -> None:
    assert statuses(way.tell(data + HEALTH)[0]) == [200, 200]
    assert statuses(way.tell(HEALTH + data + data)[0]) == [200, 200, 200]


def test_the_host_may_change_on_a_connection(way: Way) -> None:
    hosts = ["Host: a", "Host: b", "Host: a", "Host: a", "Host: c d"]
    out, _ = way.tell(b"".join(ask(LENGTH, host=host) for host in hosts), seconds=6)
    assert statuses(out) == [200, 200, 200, 200, 400]


@pytest.mark.parametrize("fields", [[LENGTH], [LENGTH, "Connection: keep-alive"], [LENGTH, "Host: x"]])
def test_http_1_0_needs_no_host_and_gets_no_100(way: Way, fields: list[str]) -> None:
    data = ask(*fields, "Expect: 100-continue", host="", first="POST /predict HTTP/1.0")
    out, closed = way.tell(data)
    assert (statuses(out), closed) == ([200], True)
    assert statuses(way.tell(ask(LENGTH, "Expect: 100-continue"))[0]) == [100, 200]
