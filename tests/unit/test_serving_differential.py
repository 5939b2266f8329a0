"""The same bytes by the short way and by the ordinary one: the same answers, counts, lines and rows."""

import json
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.http_wire import cut, head, post
from support.serving_bundles import HOUSE_FEATURES, HOUSE_ROW, house_bundle
from support.serving_ways import WAYS, Way

PATHS = ("/predict", "/v1/models/house-prices:predict", "/v2/models/house-prices/infer")
LENGTH = "inference-header-content-length"

numbers = st.floats(width=32) | st.integers(-1000, 1000)
odd = st.none() | st.booleans() | st.text(max_size=4) | st.integers() | st.floats() | st.lists(st.integers())
values = st.one_of(numbers, numbers, numbers, odd)
named = st.fixed_dictionaries(dict.fromkeys(HOUSE_FEATURES, values)) | st.just(HOUSE_ROW)
rows = st.lists(
    named | st.lists(values, min_size=4, max_size=6) | st.just(list(HOUSE_ROW.values())), max_size=4
)
outputs = st.sampled_from(["prediction", "drift_score", "probability", "predict", "other"])


@st.composite
def tensors(draw: st.DrawFn) -> tuple[bytes, tuple[str, ...]]:
    """A V2 request, sometimes with binary data."""
    number = draw(st.integers(0, 3))
    shape = draw(st.sampled_from([[number, 5], [number, 5], [number], [5, number]]))
    datatype = draw(st.sampled_from(["FP64", "FP64", "FP32", "INT64", "BOOL", "BYTES", "FP99"]))
    data = draw(st.lists(st.floats(-1e3, 1e3), min_size=5 * number, max_size=5 * number))
    request: dict[str, object] = {}
    if draw(st.booleans()):
        request["id"] = draw(st.text(max_size=5))
    if draw(st.integers(0, 3)) == 0:
        request["outputs"] = [{"name": name} for name in draw(st.lists(outputs, max_size=3))]
    tensor: dict[str, object] = {"name": "all", "shape": shape, "datatype": datatype}
    if draw(st.booleans()):
        return json.dumps({**request, "inputs": [{**tensor, "data": data}]}).encode(), ()
    binary = np.array(data, "<f8").tobytes()
    size = draw(st.sampled_from([len(binary), len(binary), len(binary) + 8, 0]))
    tensor["parameters"] = {"binary_data_size": size}
    text = json.dumps({**request, "inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    length = draw(st.sampled_from([len(text), len(text), len(text) + 1, 0, 10**9]))
    return text + binary, (f"{LENGTH}: {length}",)


bodies = st.one_of(
    st.builds(lambda row: (PATHS[0], json.dumps({"features": row}).encode(), ()), named),
    st.builds(lambda found: (PATHS[1], json.dumps({"instances": found}).encode(), ()), rows),
    st.builds(lambda found: (PATHS[2], *found), tensors()),
    st.builds(lambda data: ("/predict", data, ()), st.binary(max_size=40)),
)
fields = st.sampled_from(
    [
        *("Accept: */*", "Connection: keep-alive", "Connection: Keep-Alive", "Connection: close", "X: y"),
        *("Expect: 100-continue", "Content-Encoding: identity", "Content-Encoding: br", "Upgrade: h2c"),
        *("Connection: Upgrade", "Transfer-Encoding: chunked", "Content-Length: 3", "Host: y", "X:\ty\t"),
    ]
)
other_targets = st.sampled_from([*PATHS, "/predict?x=1", "/v1/models", "/healthz", "/no", "*", "/%70redict"])
methods = st.sampled_from(["POST"] * 8 + ["GET", "HEAD", "PUT", "OPTIONS"])
versions = st.sampled_from(["1.1"] * 8 + ["1.0", "2.0", "0.9"])


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """Mostly predictions that the model answers; one path in five may not fit the body."""
    target, body, more = draw(bodies)
    if draw(st.integers(0, 4)) == 0:
        target = draw(other_targets)
    chosen = draw(st.lists(fields, max_size=3)) if draw(st.integers(0, 2)) == 0 else []
    length = len(body) + draw(st.sampled_from([0] * 12 + [-1, 1]))
    declared = f"content-length: {max(0, length)}"
    start = head(draw(methods), target, declared, *chosen, *more, version=draw(versions))
    return start + body


@st.composite
def streams(draw: st.DrawFn) -> list[bytes]:
    """What one client sends, in segments; sometimes with bytes changed on their way."""
    data = bytearray(b"".join(draw(st.lists(requests(), min_size=1, max_size=4))))
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 3]))):
        at = draw(st.integers(0, len(data) - 1))
        data[at : at + draw(st.integers(0, 2))] = draw(st.binary(max_size=3))
        data += b"x"
    return cut(bytes(data), draw(st.lists(st.integers(0, 4000), max_size=6)))


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Way]]:
    folder = tmp_path_factory.mktemp("differential")
    bundle = house_bundle(folder / "bundle")
    ways = [Way(bundle, folder / name, name, log_bytes=1 << 30) for name in WAYS]
    yield ways
    for way in ways:
        way.close()


def compare(ways: list[Way], parts: list[bytes], *, ends: bool = False) -> None:
    short, ordinary = (way.tell(*parts, ends=ends) for way in ways)
    assert short == ordinary
    first, second = (way.app.metrics for way in ways)
    assert first.requests == second.requests
    assert first.errors == second.errors
    assert (first.rows, first.high_rows, first.scores.counts) == (
        second.rows,
        second.high_rows,
        second.scores.counts,
    )


def agree(ways: list[Way]) -> None:
    short, ordinary = (way.state() for way in ways)
    assert short == ordinary


@pytest.mark.slow
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(streams(), st.booleans())
def test_random_streams_are_answered_alike(both: list[Way], parts: list[bytes], ends: bool) -> None:
    compare(both, parts, ends=ends)


@pytest.mark.slow
def test_after_random_streams_log_lines_and_rows_agree(both: list[Way]) -> None:
    for target, body in zip(PATHS, (b'{"features":{}}', b'{"instances":[]}', b"{"), strict=True):
        compare(both, [post(target, body)])
    agree(both)


@pytest.mark.soak
@settings(max_examples=45_000, deadline=None, suppress_health_check=list(HealthCheck))
@given(streams(), st.booleans())
def test_a_hundred_thousand_random_requests_are_answered_alike(
    both: list[Way], parts: list[bytes], ends: bool
) -> None:
    """45,000 streams of 2.5 requests on average, each by both ways; half of the clients close their side."""
    compare(both, parts, ends=ends)
