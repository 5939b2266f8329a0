"""A body that is no request is refused in this project's words: the field, its value, the rule."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.serving_app import App
from support.serving_bundles import HOUSE_ROW, house_bundle

PLAIN = "/predict"
V1 = "/v1/models/house-prices:predict"
V2 = "/v2/models/house-prices/infer"
TENSOR = {"name": "x", "shape": [1, 5], "datatype": "FP64", "data": list(HOUSE_ROW.values())}
BODIES: dict[str, Any] = {
    PLAIN: {"features": HOUSE_ROW},
    V1: {"instances": [HOUSE_ROW]},
    V2: {"id": "a", "inputs": [TENSOR], "outputs": [{"name": "prediction"}], "parameters": {}},
}
FOREIGN = re.compile(
    r"Expect|Object |Array |\bstr\b|\bint\b|\bdict\b|`|\$|malformed|Decode|Traceback|truncated"
)
LONG = b" " * (1 << 20)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    folder = tmp_path_factory.mktemp("words")
    app = App(house_bundle(folder / "bundle"), folder / "log")
    yield app
    app.close()


def v2(tensor: object = None, **changes: object) -> bytes:
    """A V2 request with fields changed; `...` leaves one out."""
    found = {**BODIES[V2], **({} if tensor is None else {"inputs": [tensor]}), **changes}
    return json.dumps({name: value for name, value in found.items() if value is not ...}).encode()


def tensor(**changes: object) -> dict[str, object]:
    return {name: value for name, value in {**TENSOR, **changes}.items() if value is not ...}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"5", "the body is 5: it must be an object"),
        (v2(inputs=...), "the body has no 'inputs'"),
        (v2(inputs="x"), 'inputs is "x": it must be a list of tensors'),
        (v2(inputs=["y"]), 'inputs[0] is "y": it must be an object'),
        (v2(inputs=[TENSOR, [1]]), "inputs[1] is [1]: it must be an object"),
        (v2(tensor(name=...)), "inputs[0] has no 'name': it must have name, shape, datatype"),
        (v2(tensor(name=7)), "inputs[0].name is 7: it must be a text"),
        (v2(tensor(shape="1,5")), 'inputs[0].shape is "1,5": it must be a list of whole numbers'),
        (v2(tensor(shape=[1.5, 5])), "inputs[0].shape is [1.5, 5]: it must be a list of whole numbers"),
        (v2(tensor(datatype=None)), "inputs[0].datatype is null: it must be a text"),
        (v2(tensor(parameters=[1])), "inputs[0].parameters is [1]: it must be an object"),
        (v2(tensor(data=...)), "tensor 'x' has no data: it must be a list"),
        (v2(id=42), "id is 42: it must be a text"),
        (v2(outputs={"name": "prediction"}), 'outputs is {"name": "prediction"}: it must be a list'),
        (v2(outputs=[{}]), "outputs[0] has no 'name'"),
        (v2(outputs=[{"name": "p" * 99, "parameters": 1}]), "outputs[0].parameters is 1"),
        (v2(id={"a": "b" * 99}), "id is an object: it must be a text"),
        (v2(parameters="no"), 'parameters is "no": it must be an object'),
        (b'{"inputs":1,' + v2()[1:], "inputs is not what it must be, or is there twice"),
    ],
)
@pytest.mark.parametrize("padding", [b"", LONG], ids=["short", "long"])
def test_a_v2_request_that_is_wrong_names_field_value_and_rule(
    app: App, body: bytes, words: str, padding: bytes
) -> None:
    status, answer = app.post(V2, padding + body)
    assert (status, answer["reason"]) == (422, "bad_request")
    assert words in answer["error"]


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda _: b"", "the body is empty"),
        (lambda body: body[:-1], "before it is complete"),
        (lambda body: body + b"}", "'}', which cannot be there"),
        (lambda body: body.replace(b": ", b" ", 1), "which cannot be there"),
        (lambda body: body.replace(b'"', b"'"), "line 1, column 2"),
        (lambda body: body[:-1] + b', "x": "y', "has no end"),
        (lambda body: body[:-1] + b', "x": NaN}', "it holds NaN"),
        (lambda body: body[:-1] + b', "x": -Infinity}', "it holds -Infinity"),
        (lambda body: body[:-1] + b', "x": "\\udc00"}', "half of a surrogate pair"),
        (lambda body: b"\xef\xbb\xbf" + body, "byte order mark"),
        (lambda body: body.decode().encode("utf-16"), "byte 0 is not UTF-8"),
        (lambda body: body.decode().encode("utf-16-le"), "line 1, column 2"),
        (
            lambda body: body.replace(b'"name": "', b'"name": "\xff').replace(b'"sqft', b'"\xff'),
            "is not UTF-8",
        ),
        (lambda body: body[:-1] + b', "x": ' + b"[" * 99_999, "nested too deeply"),
        (lambda body: LONG + body + b"x", "byte 1048"),
        (lambda body: LONG + body[:-1], "before it is complete"),
    ],
)
def test_what_is_no_json_is_told_where(app: App, path: str, change: Any, words: str) -> None:
    status, answer = app.post(path, change(json.dumps(BODIES[path]).encode()))
    assert (status, answer["reason"]) == (400, "bad_json"), answer
    assert words in answer["error"]
    assert not FOREIGN.search(answer["error"]), answer


def test_a_number_beyond_all_bounds_is_named_as_such(app: App) -> None:
    body = json.dumps(BODIES[PLAIN]).encode()
    for number, words in (
        (b"1E400", "Infinity, or beyond 1.8e308"),
        (b"-1e999", "-Infinity"),
        (b"NaN", "NaN"),
    ):
        status, answer = app.post(PLAIN, body.replace(b"2000", number))
        assert (status, answer["reason"]) == (422, "not_finite")
        assert words in answer["error"]
    assert app.post(PLAIN, body.replace(b"2000", b"-0"))[0] == 200


def test_a_row_without_its_object_is_told_what_the_body_must_be(app: App) -> None:
    assert 'it must be {"features": {name: value, ...}}' in app.post(PLAIN, HOUSE_ROW)[1]["error"]
    assert 'it must be {"instances": [row, ...]}' in app.post(V1, HOUSE_ROW)[1]["error"]


def test_texts_in_bytes_that_are_cut_or_no_utf_8_are_told_by_position(app: App) -> None:
    def ask(binary: bytes) -> str:
        text = v2(
            tensor(data=..., datatype="BYTES", shape=[5, 1], parameters={"binary_data_size": len(binary)})
        )
        status, answer = app.post(V2, text + binary, inference_header_content_length=str(len(text)))
        assert 400 <= status < 500
        return str(answer["error"])

    assert not FOREIGN.search(ask(b"\x01"))
    assert not FOREIGN.search(ask(b"\x01\x00\x00\x00\xff"))


odd = st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.just([]) | st.just({})


@st.composite
def changed(draw: st.DrawFn) -> tuple[str, bytes]:
    """A request in which some member, at any depth, is another thing or is gone, or bytes are cut out."""
    path = draw(st.sampled_from(list(BODIES)))
    document = json.loads(json.dumps(BODIES[path]))
    at: Any = document
    while True:
        key = draw(st.sampled_from(list(at if isinstance(at, dict) else range(len(at)))))
        if not isinstance(at[key], dict | list) or not at[key] or draw(st.integers(0, 2)) == 0:
            break
        at = at[key]
    if draw(st.booleans()):
        del at[key]
    else:
        at[key] = draw(odd)
    data = json.dumps(document).encode()
    start = draw(st.integers(0, 4 * len(data)))
    return path, data[:start] + data[start + draw(st.integers(1, 5)) :]


@pytest.mark.slow
@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(changed())
def test_no_refusal_has_another_library_s_words(app: App, request_: tuple[str, bytes]) -> None:
    status, answer = app.post(*request_)
    assert status in (200, 400, 422)
    assert status == 200 or not FOREIGN.search(answer["error"]), answer
