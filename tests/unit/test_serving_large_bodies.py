"""Long bodies: read in parts and in a thread, answered as short ones are, while the event loop goes on."""

import asyncio
import json
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from support.serving_app import App, read_log
from support.serving_bundles import HOUSE_FEATURES, flight_bundle, house_bundle, house_data
from tidegauge_serving.rows.chunking import LARGE_BYTES, list_parts

from tidegauge.protocol.names import Metric

V1, V2 = "/v1/models/{}:predict", "/v2/models/{}/infer"
ROWS = 6_000


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    folder = tmp_path_factory.mktemp("large")
    app = App(house_bundle(folder / "bundle"), folder / "log")
    yield app
    app.close()


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    folder = tmp_path_factory.mktemp("texts")
    app = App(flight_bundle(folder / "bundle"), folder / "log")
    yield app
    app.close()


def rows(number: int = ROWS) -> np.ndarray:
    return house_data(number, seed=9)[0].astype(np.float32).astype(np.float64)


def ask(app: App, path: str, document: object) -> tuple[int, Any]:
    body = document if isinstance(document, bytes) else json.dumps(document, separators=(",", ":")).encode()
    assert len(body) > LARGE_BYTES
    return app.post(path.format(app.service.name), body)


def tensor(name: str, values: np.ndarray, data: object) -> dict[str, Any]:
    return {"name": name, "shape": list(values.shape), "datatype": "FP64", "data": data}


def wanted(app: App, values: np.ndarray) -> list[float]:
    """The same rows, a few per request."""
    found: list[float] = []
    for at in range(0, len(values), 500):
        path = V1.format(app.service.name)
        found += app.post(path, {"instances": values[at : at + 500].tolist()})[1]["predictions"]
    return found


# --- the same answers ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_every_way_to_send_many_rows_gives_the_answers_of_few(app: App) -> None:
    X = rows()
    expected = wanted(app, X)
    objects = [dict(zip(HOUSE_FEATURES, row, strict=True)) for row in X.tolist()]
    columns = [tensor(n, X[:, at], X[:, at].tolist()) for at, n in enumerate(HOUSE_FEATURES)]
    for instances in (X.tolist(), objects):
        assert ask(app, V1, {"instances": instances}) == (200, {"predictions": expected})
    for inputs in ([tensor("x", X, X.ravel().tolist())], [tensor("x", X, X.tolist())], columns):
        status, answer = ask(app, V2, {"inputs": inputs})
        assert (status, answer["outputs"][0]["data"]) == (200, expected)


def test_spaces_and_line_ends_between_rows_change_nothing(app: App) -> None:
    X = rows(4_000)
    body = json.dumps({"instances": X.tolist()}, indent=1).encode().replace(b"],", b"] ,")
    assert ask(app, V1, body) == (200, {"predictions": wanted(app, X)})


def test_all_rows_are_in_the_log_in_their_order_and_counted(app: App) -> None:
    X = rows(25_000)
    before, counted = app.capture.sequence, app.metric(Metric.SERVING_ROWS)
    assert ask(app, V1, {"instances": X.tolist()})[0] == 200
    assert app.capture.sequence - before == len(X)
    assert app.metric(Metric.SERVING_ROWS) - counted == len(X)
    frames = read_log(app.settings.log_dir)[1]
    parts = [np.frombuffer(f.payload).reshape(f.rows, -1) for f in frames if f.first_sequence >= before]
    assert np.array_equal(np.concatenate(parts)[:, :5], X)


@pytest.mark.slow
def test_texts_that_look_like_the_end_of_a_row_are_texts(texts: App) -> None:
    row = {"temp": 1.5, "carrier": "A},{],[,", "distance": 800.0}
    few = texts.post(V1.format(texts.service.name), {"instances": [row]})[1]["predictions"]
    for instances in ([row] * ROWS, [list(row.values())] * ROWS):
        assert ask(texts, V1, {"instances": instances}) == (200, {"predictions": few * ROWS})
    inputs = [
        {"name": name, "shape": [ROWS], "datatype": kind, "data": [row[name]] * ROWS}
        for name, kind in (("temp", "FP64"), ("carrier", "BYTES"), ("distance", "FP64"))
    ]
    assert ask(texts, V2, {"inputs": inputs})[1]["outputs"][0]["data"] == few * ROWS


def test_one_row_in_a_long_body_is_answered(app: App) -> None:
    example = json.dumps(app.loaded.manifest.example).encode()
    assert ask(app, "/predict", example + b" " * LARGE_BYTES)[0] == 200


@pytest.mark.slow
def test_parts_put_together_are_the_list() -> None:
    for values in ([1.5] * 100_000, [[1, [2]], []] * 50_000, [{"a": {"b": 1}}] * 50_000, [], [None] * 90_000):
        parts = list(list_parts(json.dumps(values, separators=(",", ":")).encode()))
        assert len(parts) > 1 or not values
        assert max(map(len, parts)) < 2 * LARGE_BYTES
        if not values or not isinstance(values[0], list):
            assert [value for part in parts for value in json.loads(part)] == values


# --- refusals --------------------------------------------------------------------------------------------

X = rows(4_000).tolist()
REFUSED: list[tuple[str, Any, str, str]] = [
    (V1, {"instances": [*X, [1, 2, 3, 4, "x"]]}, "wrong_type", "'location_score' in instances[4000]"),
    (V1, {"instances": [*X, [1, 2, 3, 4], *X]}, "wrong_shape", "instances[4000] has 4 values"),
    (V1, {"instances": [*X, [1, 2, 3, 4, None]]}, "missing_value", "instances[4000]"),
    (V1, {"instances": [*X, dict(zip(HOUSE_FEATURES, X[0], strict=True))]}, "wrong_type", "instances[4000]"),
    (V1, {"instances": json.dumps(X)}, "bad_request", "a text"),
    (V1, {"instances": {"a": X}}, "bad_request", "an object"),
    (V1, b'{"instances": [' + b" " * LARGE_BYTES + b"]}", "empty_batch", "instances"),
    (V1, json.dumps({"instances": X}).encode()[:-1], "bad_json", "not JSON"),
    (V2, {"inputs": [tensor("x", np.array(X), [*X[:-1], [1, 2, 3, 4]])]}, "wrong_shape", "in row 3999"),
    (
        V2,
        {"inputs": [tensor("x", np.array(X), [*X[:-1], [1, 2, 3, 4, "x"]])]},
        "wrong_type",
        "a text at position 19999",
    ),
    (V2, {"inputs": [tensor("x", np.array(X), [2.5] * 19_999)]}, "wrong_shape", "19999 values"),
    (V2, {"inputs": [tensor("x", np.array(X), json.dumps([2.5] * 20_000))]}, "wrong_type", "'x'"),
    (V2, json.dumps({"inputs": [tensor("x", np.array(X), X)]}).encode()[:-1], "bad_json", "not JSON"),
    ("/predict", {"features": dict.fromkeys(map(str, range(20_000)), 1)}, "unknown_feature", "'0'"),
]


@pytest.mark.parametrize(("path", "body", "reason", "words"), REFUSED)
def test_a_wrong_row_far_behind_is_named(app: App, path: str, body: Any, reason: str, words: str) -> None:
    before = app.capture.sequence
    status, answer = ask(app, path, body)
    assert (status, answer["reason"]) == (400 if reason == "bad_json" else 422, reason), answer
    assert words in answer["error"]
    assert app.capture.sequence == before, "a refused request is in the log"


# --- and the event loop ----------------------------------------------------------------------------------


def longest_silence(app: App, path: str, body: bytes) -> tuple[float, float]:
    """Seconds that a request took, and the longest time meanwhile in which ``/healthz`` was not answered."""

    async def both() -> tuple[float, float]:
        start = time.perf_counter()
        large = asyncio.create_task(app.ask_async("POST", path.format(app.service.name), body, {}))
        answered = [start]
        while not large.done():
            assert (await app.ask_async("GET", "/healthz", b"", {}))[0] == 200
            answered.append(time.perf_counter())
            await asyncio.sleep(0.001)
        assert large.result()[0] in (200, 422)
        took = time.perf_counter() - start
        return took, float(np.diff([*answered, start + took]).max())

    return app.loop.run_until_complete(both())


def near_the_limit(kind: str) -> tuple[str, bytes]:
    number = 900_000 if kind == "one tensor" else 600_000
    if kind.startswith("lists"):
        wrong = b',[1,2,3,4,"x"]' if kind == "lists, the last wrong" else b""
        return V1, b'{"instances":[' + b",".join([b"[3.5,2,2000,10,7]"] * number) + wrong + b"]}"
    inputs = {"name": "x", "shape": [number, 5], "datatype": "FP64", "data": [3.5, 2, 2000, 10, 7] * number}
    return V2, json.dumps({"inputs": [inputs]}, separators=(",", ":")).encode()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["lists", "lists, the last wrong", "one tensor"])
def test_health_is_answered_while_a_body_near_the_limit_is(app: App, kind: str) -> None:
    path, body = near_the_limit(kind)
    assert 0.6 < len(body) / app.settings.max_body_bytes < 1
    took, silence = longest_silence(app, path, body)
    assert silence < took / 4, f"silent for {silence:.3f} of {took:.3f} s"
    assert silence < 2.0
