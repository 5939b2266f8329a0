"""Pages of other origins, at the real server."""

import http.client
import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from support.serving_bundles import HOUSE_ROW, house_bundle
from support.serving_process import serving

SHOP, OTHER = "https://shop.example", "https://other.example"
ROW = json.dumps({"features": HOUSE_ROW}).encode()
V2 = "/v2/models/house-prices/infer"
PATHS = {
    "/predict": ROW,
    "/v1/models/house-prices:predict": json.dumps({"instances": [HOUSE_ROW]}).encode(),
    "/nowhere": b"{}",
    "/healthz": None,
    "/v2": None,
}


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, int]]:
    scratch = tmp_path_factory.mktemp("browsers")
    bundle = house_bundle(scratch / "bundle")
    with ExitStack() as stack:
        servers = {
            origins: stack.enter_context(
                serving(bundle, *(["--cors-origins", origins] if origins else []), scratch=scratch)
            )
            for origins in ("", "*", f"{SHOP},http://localhost:3000")
        }
        yield {origins: server.wait_ready().port for origins, server in servers.items()}


def ask(port: int, method: str, path: str, body: bytes | None, **headers: str) -> tuple[int, dict[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, path, body, {name.replace("_", "-"): text for name, text in headers.items()})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("setting", "origin", "granted"),
    [
        ("", SHOP, None),
        ("*", OTHER, "*"),
        ("*", "null", "*"),
        (f"{SHOP},http://localhost:3000", SHOP, SHOP),
        (f"{SHOP},http://localhost:3000", "http://localhost:3000", "http://localhost:3000"),
        (f"{SHOP},http://localhost:3000", OTHER, None),
        (f"{SHOP},http://localhost:3000", SHOP + ".evil.example", None),
        (f"{SHOP},http://localhost:3000", None, None),
    ],
)
def test_a_page_may_read_answers_and_refusals_where_its_origin_is_set(
    ports: dict[str, int], path: str, setting: str, origin: str | None, granted: str | None
) -> None:
    body = PATHS[path]
    headers = {} if origin is None else {"origin": origin}
    status, answered = ask(ports[setting], "GET" if body is None else "POST", path, body, **headers)
    assert status == (404 if path == "/nowhere" else 200)
    assert answered.get("access-control-allow-origin") == granted
    assert "access-control-allow-credentials" not in answered
    assert (answered.get("vary") == "Origin") is (SHOP in setting)


@pytest.mark.parametrize("path", ["/predict", V2, "/v2"])
def test_a_browser_s_question_before_a_request_is_answered(ports: dict[str, int], path: str) -> None:
    asked = {
        "access_control_request_method": "POST",
        "access_control_request_headers": "content-type, inference-header-content-length",
    }
    setting = f"{SHOP},http://localhost:3000"
    status, answered = ask(ports[setting], "OPTIONS", path, None, origin=SHOP, **asked)
    assert (status, answered["access-control-allow-origin"]) == (204, SHOP)
    assert "POST" in answered["access-control-allow-methods"]
    assert answered["access-control-allow-headers"] == asked["access_control_request_headers"]
    assert "content-length" not in answered
    for other in ({"origin": OTHER, **asked}, {"origin": SHOP}, asked):
        status, answered = ask(ports[setting], "OPTIONS", path, None, **other)
        assert status == 405
        assert "access-control-allow-methods" not in answered


QUESTION = "access-control-request-method: POST"


@pytest.mark.parametrize("setting", ["", "*", f"{SHOP},http://localhost:3000"])
@pytest.mark.parametrize(
    ("request_line", "field", "status"),
    [
        ("POST /predict HTTP/1.1", "content-length: 99999999999", 413),
        (
            "OPTIONS /predict HTTP/1.1",
            f"{QUESTION}\r\ncontent-length: 99999999999",
            413,
        ),
        ("POST /predict HTTP/1.1", "x: " + "a" * 20_000, 431),
        ("POST /predict HTTP/1.1", "content-length: x", 400),
        ("POST /predict HTTP/1.1", "transfer-encoding: chunked\r\ncontent-length: 3", 400),
    ],
)
def test_a_page_may_read_what_the_connection_refuses_too(
    ports: dict[str, int], setting: str, request_line: str, field: str, status: int
) -> None:
    data = f"{request_line}\r\nHost: x\r\nOrigin: {SHOP}\r\n{field}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", ports[setting]), timeout=30) as connection:
        connection.sendall(data.encode())
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        assert answer.status == status
        assert json.loads(answer.read())["error"]
    granted = {"": None, "*": "*"}.get(setting, SHOP)
    assert answer.getheader("access-control-allow-origin") == granted
    assert (answer.getheader("vary") == "Origin") is (granted == SHOP)
    assert answer.getheader("connection") == "close"


def test_a_browser_sees_the_length_of_binary_answers(ports: dict[str, int]) -> None:
    tensor = {"name": "x", "shape": [1, 5], "datatype": "FP64", "data": [3, 2, 2000, 10, 7]}
    body = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    status, answered = ask(ports["*"], "POST", V2, body, origin=OTHER)
    assert status == 200
    assert answered["access-control-expose-headers"] in answered


def test_a_wrong_origin_is_refused_at_the_start() -> None:
    from tidegauge_serving.settings import parse_settings

    for wrong in ("shop.example", "https://shop.example/", "https://a.example,b", "https://user@host"):
        with pytest.raises(SystemExit):
            parse_settings(["--bundle", "b", "--cors-origins", wrong], {})
    found = parse_settings(["--bundle", "b"], {"TIDEGAUGE_CORS_ORIGINS": "https://a.example:8443,*"})
    assert found.cors_origins == {"https://a.example:8443", "*"}
    assert parse_settings(["--bundle", str(Path("b"))], {}).cors_origins == frozenset()
