"""Clients that offer HTTP/2 and clients that send too much or too slowly, at the real programs."""

import json
import re
import shutil
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.http_wire import head, next_answer, post, statuses
from support.serving_bundles import HOUSE_ROW, house_bundle
from support.serving_process import ServingProcess, serving

BODY = json.dumps({"instances": [HOUSE_ROW]}).encode()
TARGET = "/v1/models/house-prices:predict"
H2C = (
    "Connection: Upgrade, HTTP2-Settings",
    "Upgrade: h2c",
    "HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAA",
)
JAVA = """
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;

public class Ask {
  public static void main(String[] given) throws Exception {
    var client = HttpClient.newHttpClient();
    for (int time = 0; time < 3; time++) {
      var body = BodyPublishers.ofString(given[1]);
      var request = HttpRequest.newBuilder(URI.create(given[0])).POST(body).build();
      var answer = client.send(request, BodyHandlers.ofString());
      System.out.println(answer.statusCode() + " " + answer.body());
    }
  }
}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServingProcess]:
    scratch = tmp_path_factory.mktemp("foreign")
    bundle = house_bundle(scratch / "bundle")
    with serving(bundle, "--log-dir", str(scratch / "log"), "--request-log", scratch=scratch) as running:
        yield running.wait_ready()


def expected(server: ServingProcess) -> object:
    status, answer = server.post(TARGET, BODY)
    assert status == 200
    return answer


@pytest.mark.skipif(shutil.which("java") is None, reason="needs Java")
def test_java_s_own_client_is_answered(server: ServingProcess, tmp_path: Path) -> None:
    source = tmp_path / "Ask.java"
    source.write_text(JAVA)
    command = ["java", "-Xshare:auto", str(source), f"http://127.0.0.1:{server.port}{TARGET}", BODY.decode()]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stderr
    lines = run.stdout.splitlines()
    assert [line.split(" ", 1)[0] for line in lines] == ["200"] * 3
    assert json.loads(lines[0].split(" ", 1)[1]) == expected(server)


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_curl_that_offers_http_2_is_answered(server: ServingProcess) -> None:
    url = f"http://127.0.0.1:{server.port}{TARGET}"
    command = ["curl", "--silent", "--http2", "--max-time", "30", "--data-binary", BODY.decode(), url]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(run.stdout) == expected(server)


def answers_to(port: int, *parts: bytes, answers: int = 1) -> list[tuple[int, bytes]]:
    """Status and body of the first answers to parts that are sent one after another."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        for part in parts:
            connection.sendall(part)
        with connection.makefile("rb") as stream:
            return [next_answer(stream) for _ in range(answers)]


def said_to_one_that_ends(port: int, data: bytes) -> bytes:
    """All that is answered to a client that closes its side after its requests, as `nc -N` does."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65_536), b""))


def test_a_client_that_closes_its_side_after_its_requests_is_answered(server: ServingProcess) -> None:
    asked = post(TARGET, BODY)
    long = post(TARGET, json.dumps({"instances": [HOUSE_ROW] * 20_000}).encode())  # answered by a thread
    for data, wanted in (
        (asked, [200]),
        (asked * 3 + head("GET", "/docs") + asked, [200] * 5),
        (long, [200]),
        (long + asked, [200, 200]),
        (asked + asked[:-1], [200, 400]),
        (asked[:20], [400]),
    ):
        assert statuses(said_to_one_that_ends(server.port, data)) == wanted


def test_a_request_inside_a_body_is_no_request(server: ServingProcess) -> None:
    inner = post(TARGET, BODY)
    outer = post(TARGET, inner, *H2C)
    at = len(outer) - len(inner)
    for parts in ([outer], [outer[:at], outer[at:]]):
        found = answers_to(server.port, *parts, answers=1)
        found += answers_to(server.port, *parts, post("/nowhere", b"{}"), answers=2)
        assert [status for status, _ in found] == [400, 400, 404]  # a request is no JSON


def refusals(server: ServingProcess) -> Counter[str]:
    """How often the server has refused so far, by reason."""
    found = re.findall(rb'errors_total\{.*reason="(\w+)"\} ([\d.]+)', server.get("/metrics")[1])
    return Counter({reason.decode(): int(float(count)) for reason, count in found})


def test_refusals_of_the_connection_are_answered_counted_and_logged(server: ServingProcess) -> None:
    too_long = head("POST", TARGET, f"content-length: {1 << 40}", "expect: 100-continue")
    reasons = {"body_too_large": too_long, "head_too_large": head("GET", "/", "x: " + "a" * 20_000)}
    reasons["bad_http"] = b"no http\r\n\r\n"
    before = refusals(server)
    for reason, request in reasons.items():
        ((_, body),) = answers_to(server.port, request)
        assert json.loads(body)["reason"] == reason
    assert refusals(server) - before == Counter(dict.fromkeys(reasons, 1))
    logged = [json.loads(line) for line in server.log.read_text().splitlines() if line.startswith("{")]
    assert [line["code"] for line in logged if line["protocol"] == "v1"][-1] == 413


def test_the_aggregator_s_connections_are_the_same(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tidegauge_aggregator", "--host", "127.0.0.1", "--port", "0"]
    process = subprocess.Popen(
        [*command, "--data-dir", str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stdout is not None
        port = json.loads(process.stdout.readline())["port"]
        inner = head("GET", "/healthz")
        profile = "/v1/models/m/profiles/" + "0" * 64
        for method, target in (("PUT", f"{profile}/panes/1/i"), ("PUT", profile)):
            request = head(method, target, f"content-length: {len(inner)}", *H2C)
            last = head("GET", "/v1/nothing")
            found = answers_to(port, request, inner, last, answers=2)
            assert found[0][0] != 200
            assert found[1][0] == 404
        assert answers_to(port, head("GET", "/healthz", *H2C))[0][0] == 200
        assert answers_to(port, head("PUT", profile, f"content-length: {1 << 40}"))[0][0] == 413
        ((status, body),) = answers_to(port, head("GET", "/", "x: " + "a" * 20_000))
        assert (status, json.loads(body)["reason"]) == (431, "head_too_large")
        assert statuses(said_to_one_that_ends(port, head("GET", "/docs") * 2 + inner)) == [200] * 3
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()  # type: ignore[union-attr]
