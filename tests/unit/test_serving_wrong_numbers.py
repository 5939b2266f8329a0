"""What is no JSON, what does not fit its datatype, and whose fault a failure is."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.serving_app import App
from support.serving_bundles import FLIGHT_ROW, HOUSE_ROW, flight_bundle, house_bundle
from tidegauge_serving.predict.batching import Batcher
from tidegauge_serving.predict.engine import Engine, Speed
from tidegauge_serving.rows.schema import Block

from tidegauge.protocol.names import Metric

PLAIN, V1, V2 = "/predict", "/v1/models/house-prices:predict", "/v2/models/house-prices/infer"
LIST = [3, 2, 2000, 10, 7]
BODIES: dict[str, Any] = {
    PLAIN: {"features": HOUSE_ROW},
    V1: {"instances": [LIST]},
    V2: {"inputs": [{"name": "x", "shape": [1, 5], "datatype": "FP64", "data": LIST}]},
}
HUGE = "9" * 5_000  # Python itself refuses to read so many digits


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    folder = tmp_path_factory.mktemp("wrong")
    app = App(house_bundle(folder / "bundle"), folder / "log")
    yield app
    app.close()


def tensor(data: str, datatype: str, shape: str = "[1, 5]") -> bytes:
    rest = f'"shape": {shape}, "datatype": "{datatype}", "data": {data}'
    return f'{{"inputs": [{{"name": "x", {rest}}}]}}'.encode()


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_json_that_is_not_utf_8_is_no_json(app: App, path: str, encoding: str) -> None:
    status, answer = app.post(path, json.dumps(BODIES[path]).encode(encoding))
    assert (status, answer["reason"]) == (400, "bad_json"), answer


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (PLAIN, b'{"features": {"age": "\\ud800"}}'),
        (PLAIN, b'{"features": {"\\udc00": 1}}'),
        (PLAIN, b'{"features": {"age": "\xed\xa0\x80"}}'),
        (V1, b'{"instances": [["\\ud83d", 2, 2000, 10, 7]]}'),
        (V2, b'{"inputs": [], "id": "\\ud800"}'),
        (V2, b'{"inputs": [{"name": "\\udfff\\ud800", "shape": [1, 5], "datatype": "FP64"}]}'),
    ],
)
def test_half_a_surrogate_pair_is_no_json(app: App, path: str, body: bytes) -> None:
    status, answer = app.post(path, body)
    assert (status, answer["reason"]) == (400, "bad_json"), answer


@pytest.mark.slow
@pytest.mark.parametrize("text", ["\\ud800", "\\udfff\\ud800", "a\\udc00"])
def test_half_a_surrogate_pair_in_a_category_is_no_json(tmp_path: Path, text: str) -> None:
    app = App(flight_bundle(tmp_path / "bundle"), tmp_path / "log")
    row = json.dumps(FLIGHT_ROW).replace('"UA"', f'"{text}"')
    carrier = f'{{"name": "carrier", "shape": [1], "datatype": "BYTES", "data": ["{text}"]}}'
    others = [
        json.dumps({"name": name, "shape": [1], "datatype": "FP64", "data": [FLIGHT_ROW[name]]})
        for name in ("temp", "distance")
    ]
    for path, body in (
        ("/predict", f'{{"features": {row}}}'),
        ("/v1/models/late-flights:predict", f'{{"instances": [{row}]}}'),
        ("/v2/models/late-flights/infer", f'{{"inputs": [{", ".join([*others, carrier])}]}}'),
    ):
        status, answer = app.post(path, body.encode())
        assert (status, answer["reason"]) == (400, "bad_json"), answer
    app.close()


@pytest.mark.parametrize("length", [HUGE, "0" * 5_000, "1" * 21, "-1", "+5", "1e2", "0x10", "²"])
def test_a_wrong_header_length_is_the_request_s_fault(app: App, length: str) -> None:
    body = json.dumps(BODIES[V2]).encode()
    status, answer = app.post(V2, body, inference_header_content_length=length)
    assert (status, answer["reason"]) == (422, "bad_request")
    assert str(len(body)) in answer["error"]


@pytest.mark.parametrize(
    ("path", "body", "reason"),
    [
        (PLAIN, f'{{"features": {json.dumps(HOUSE_ROW).replace("2000", HUGE)}}}', "out_of_range"),
        (PLAIN, f'{{"features": {json.dumps(HOUSE_ROW).replace("2000", "-" + HUGE)}}}', "out_of_range"),
        (V1, f'{{"instances": [[3, 2, {HUGE}, 10, 7]]}}', "out_of_range"),
        (V2, tensor(f"[3, 2, {HUGE}, 10, 7]", "FP64").decode(), "out_of_range"),
        (V2, tensor(f"[3, 2, {HUGE}, 10, 7]", "INT64").decode(), "out_of_range"),
        (V2, tensor("[3]", "INT64", shape=f"[{HUGE}, 5]").decode(), "bad_request"),
    ],
)
def test_a_number_of_thousands_of_digits_is_refused_by_name(
    app: App, path: str, body: str, reason: str
) -> None:
    status, answer = app.post(path, body.encode())
    assert (status, answer["reason"]) == (422, reason), answer
    assert len(answer["error"]) < 300


LIMITS: list[tuple[str, str, str]] = [  # datatype, the last that fits, the first that does not
    ("INT8", "127", "128"),
    ("INT8", "-128", "-129"),
    ("UINT8", "255", "256"),
    ("UINT8", "0", "-1"),
    ("INT16", "32767", "32768"),
    ("UINT16", "65535", "65536"),
    ("INT32", "-2147483648", "-2147483649"),
    ("UINT32", "4294967295", "4294967296"),
    ("INT64", "9223372036854775807", "9223372036854775808"),
    ("UINT64", "18446744073709551615", "18446744073709551616"),
    ("UINT64", "0", "-1"),
    ("FP16", "65504", "70000"),
    ("FP16", "-65504.0", "-65521.5"),
    ("FP32", "3.4028234e38", "3.5e38"),
    ("FP32", "-1e38", "-1e39"),
]


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize(("datatype", "last", "beyond"), LIMITS)
def test_json_tensors_hold_to_their_datatype(
    app: App, datatype: str, last: str, beyond: str, nested: bool
) -> None:
    form = "[[3, 2, {}, 10, 7]]" if nested else "[3, 2, {}, 10, 7]"
    assert app.post(V2, tensor(form.format(last), datatype))[0] == 200
    status, answer = app.post(V2, tensor(form.format(beyond), datatype))
    assert (status, answer["reason"]) == (422, "out_of_range")
    assert datatype in answer["error"]


@pytest.mark.parametrize(
    ("data", "datatype", "words"),
    [
        ("[3, 2, 2000, 10, true]", "INT64", "a truth value at position 4"),
        ('[3, 2, "2000", 10, 7]', "FP32", "a text at position 2"),
        ("[3, 2.5, 2000, 10, 7]", "INT32", "2.5 at position 1: it must be a whole number"),
        ("[3, [2], 2000, 10, 7]", "FP64", "a list at position 1"),
        ('{"a": 1}', "FP64", "an object"),
        ("[[3, 2, 2000], [10, 7.5]]", "UINT8", "2000 at position 2: it must be a whole number from 0 to 255"),
    ],
)
def test_a_wrong_value_of_a_tensor_is_named_by_its_position(
    app: App, data: str, datatype: str, words: str
) -> None:
    status, answer = app.post(V2, tensor(data, datatype))
    assert status == 422
    assert words in answer["error"]


def test_a_wrong_value_far_behind_in_a_long_tensor_is_named(app: App) -> None:
    values = ["1"] * 60_000
    values[-1] = "300"
    status, answer = app.post(V2, tensor(f"[{','.join(values)}]", "UINT8", "[12000, 5]"))
    assert (status, answer["reason"]) == (422, "out_of_range")
    assert "300 at position 59999" in answer["error"]


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(
    value=st.integers(-(2**66), 2**66) | st.sampled_from([2**63, 2**64, -(2**63) - 1]),
    datatype=st.sampled_from(["INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64"]),
)
def test_whole_numbers_are_taken_exactly_where_numpy_takes_them(app: App, value: int, datatype: str) -> None:
    limits = np.iinfo(datatype.lower())
    status, _ = app.post(V2, tensor(f"[3, 2, {value}, 10, 7]", datatype))
    assert status == (200 if limits.min <= value <= limits.max else 422)


# --- whose fault it is -----------------------------------------------------------------------------------


class _Broken:
    """A model that raises, as models do."""

    one = many = None

    def __init__(self, error: Exception) -> None:
        self.error = error

    def predict(self, block: Block) -> Any:  # noqa: ARG002
        raise self.error


@pytest.mark.parametrize("inline", [False, True])
@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (RuntimeError("out of memory"), 500, "model_failed"),
        (KeyError("x"), 500, "model_failed"),
        (ValueError("no such category"), 422, "model_refused"),
    ],
)
def test_only_what_the_model_raises_is_its_failure(
    app: App, error: Exception, status: int, reason: str, inline: bool
) -> None:
    model, engine = _Broken(error), app.service._engine
    quick, app.service.is_quick = app.service.is_quick, False
    app.service._engine = Engine(model, Speed(0.0 if inline else 1.0, 0.0), Batcher(model.predict, 64, 0.001))
    try:
        for path, body in BODIES.items():
            found, answer = app.post(path, body)
            assert (found, answer["reason"]) == (status, reason)
    finally:
        app.service._engine.close()
        app.service._engine, app.service.is_quick = engine, quick


@pytest.mark.parametrize("path", BODIES)
def test_what_breaks_the_reading_of_a_request_is_no_server_error(
    app: App, path: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def unforeseen(*_: Any) -> Any:
        raise IndexError("nobody thought of this")

    for name in ("decode_row", "block", "check_values"):
        monkeypatch.setattr(app.service.schema, name, unforeseen)
    failed = app.metric(Metric.SERVING_ERRORS, reason="model_failed")
    # with parameters a request of V2 takes the way of any number of rows
    status, answer = app.post(path, {**BODIES[path], "parameters": {}})
    assert (status, answer["reason"]) == (422, "bad_request")
    assert app.metric(Metric.SERVING_ERRORS, reason="model_failed") == failed
    assert "nobody thought of this" in caplog.text, "the log has the traceback"


@pytest.mark.parametrize("path", BODIES)
def test_the_server_s_own_failure_is_not_called_the_model_s(
    app: App, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> Any:
        raise OSError("no space")

    monkeypatch.setattr(app.service, "_record", full)
    monkeypatch.setattr(app.service, "_record_row", full)
    status, answer = app.post(path, BODIES[path])
    assert (status, answer["reason"]) == (500, "internal_error")
