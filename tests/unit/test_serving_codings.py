"""Bodies with a content coding: taken, bounded, or refused before they are read."""

import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.serving_app import App
from support.serving_bundles import HOUSE_ROW, house_bundle, house_data
from tidegauge_serving.http.codings import MOST_MEMBERS, coding_of, inflate
from tidegauge_serving.rows.refusal import Refusal

V1 = "/v1/models/house-prices:predict"
V2 = "/v2/models/house-prices/infer"
ROW = json.dumps({"features": HOUSE_ROW}).encode()
MAX_BYTES = 200_000


def bare_deflate(data: bytes) -> bytes:
    engine = zlib.compressobj(wbits=-15)
    return engine.compress(data) + engine.flush()


CODED: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "x-gzip": ("x-gzip", gzip.compress),
    "two-members": ("GZIP", lambda data: gzip.compress(data[:9]) + gzip.compress(data[9:])),
    "deflate": ("deflate", zlib.compress),
    "bare-deflate": ("identity, deflate", bare_deflate),
}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    folder = tmp_path_factory.mktemp("codings")
    app = App(house_bundle(folder / "bundle"), folder / "log", max_body_bytes=MAX_BYTES)
    yield app
    app.close()


@pytest.mark.parametrize("kind", CODED)
@pytest.mark.parametrize("rows", [1, 700])
def test_a_compressed_body_is_answered_as_the_body_itself(app: App, kind: str, rows: int) -> None:
    name, code = CODED[kind]
    X, _ = house_data(rows, seed=2)
    body = json.dumps({"instances": X.tolist()}).encode()
    assert app.post(V1, code(body), content_encoding=name) == app.post(V1, body)
    assert app.post("/predict", code(ROW), content_encoding=name) == app.post("/predict", ROW)


@pytest.mark.parametrize("kind", ["gzip", "deflate"])
def test_the_header_length_of_binary_tensors_is_of_the_inflated_body(app: App, kind: str) -> None:
    values = np.array([list(HOUSE_ROW.values())], "<f4").tobytes()
    tensor = {"name": "x", "shape": [1, 5], "datatype": "FP32", "parameters": {"binary_data_size": 20}}
    text = json.dumps({"inputs": [tensor]}).encode()
    length = str(len(text))
    plain = app.post(V2, text + values, inference_header_content_length=length)
    coded = app.post(
        V2,
        CODED[kind][1](text + values),
        inference_header_content_length=length,
        content_encoding=kind,
    )
    assert coded == plain
    assert plain[0] == 200


@pytest.mark.parametrize("name", ["br", "zstd", "compress", "gzip, gzip", "gzip, br", "\xff"])
def test_an_unknown_coding_is_refused_before_the_body_is_read(app: App, name: str) -> None:
    status, headers, answer = app.ask("POST", V2, bytes(2 * MAX_BYTES), content_encoding=name)
    assert (status, json.loads(answer)["reason"]) == (415, "unsupported_encoding")
    assert headers["accept-encoding"] == "gzip, deflate"
    assert headers["connection"] == "close"


WRONG: dict[str, tuple[str, bytes, str]] = {
    "plain as gzip": ("gzip", ROW, "these bytes are none"),
    "empty as gzip": ("gzip", b"", "ends too early"),
    "gzip cut": ("gzip", gzip.compress(ROW)[:-5], "ends too early"),
    "gzip, wrong sum": ("gzip", gzip.compress(ROW)[:-8] + bytes(8), "or were changed on the way"),
    "gzip, then more": ("gzip", gzip.compress(ROW) + b"more", "these bytes are none"),
    "deflate, then more": ("deflate", zlib.compress(ROW) + b"more", "4 bytes follow its end"),
    "gzip as deflate": ("deflate", gzip.compress(ROW), "these bytes are none"),
    "many members": ("gzip", gzip.compress(b"") * (MOST_MEMBERS + 1), "members"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_body_that_is_not_what_its_coding_says_is_400(app: App, case: str) -> None:
    name, body, words = WRONG[case]
    status, answer = app.post("/predict", body, content_encoding=name)
    assert (status, answer["reason"]) == (400, "bad_encoding")
    assert words in answer["error"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["gzip", "deflate"])
@pytest.mark.parametrize("size", [MAX_BYTES + 1, 50_000_000])
def test_an_inflated_body_above_the_limit_is_refused(app: App, kind: str, size: int) -> None:
    status, answer = app.post("/predict", CODED[kind][1](bytes(size)), content_encoding=kind)
    assert (status, answer["reason"]) == (413, "body_too_large")
    assert str(MAX_BYTES) in answer["error"]


@pytest.mark.slow
def test_inflation_stops_at_its_limit() -> None:
    import tracemalloc

    bomb = gzip.compress(bytes(100_000_000))
    tracemalloc.start()
    with pytest.raises(Refusal, match="1000000 bytes"):
        inflate(bomb, "gzip", 1_000_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5_000_000


@settings(max_examples=60, deadline=None)
@given(data=st.binary(max_size=400), kind=st.sampled_from(sorted(CODED)), less=st.integers(0, 3))
def test_inflating_undoes_the_coding_or_refuses(data: bytes, kind: str, less: int) -> None:
    name, code = CODED[kind]
    coding = coding_of([(b"content-encoding", name.encode())])
    coded = code(data)
    assert inflate(coded, coding, len(data)) == data
    if less and data:
        with pytest.raises(Refusal) as refused:
            inflate(coded, coding, max(0, len(data) - less))
        assert refused.value.reason == "body_too_large"


@settings(max_examples=60, deadline=None)
@given(data=st.binary(max_size=60), coding=st.sampled_from(["gzip", "deflate"]))
def test_any_bytes_inflate_or_are_refused(data: bytes, coding: str) -> None:
    try:
        found: Any = inflate(data, coding, 1_000)
    except Refusal as refusal:
        found = refusal.status
    assert isinstance(found, bytes) or found in (400, 413)


@pytest.mark.parametrize(
    ("names", "coding"),
    [
        ([], ""),
        (["", "identity"], ""),
        (["gzip"], "gzip"),
        (["identity", "Deflate"], "deflate"),
    ],
)
def test_the_coding_is_read_from_all_lines_of_the_header(names: list[str], coding: str) -> None:
    assert coding_of([(b"content-encoding", name.encode()) for name in names]) == coding
