"""Every answer and refusal of V2 against the protocol's own OpenAPI file and KServe's types."""

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.foreign_clients import foreign_clients, run_client
from support.http_wire import answers, head, post
from support.serving_bundles import FLIGHT_ROW, HOUSE_ROW, flight_bundle, house_bundle
from support.serving_ways import Way

JUDGE = Path(__file__).parents[1] / "clients" / "protocol.py"
MADE = {"house-prices": (house_bundle, HOUSE_ROW), "late-flights": (flight_bundle, FLIGHT_ROW)}


@pytest.fixture(params=MADE)
def way(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Way]:
    make, _ = MADE[request.param]
    made = Way(make(tmp_path / "bundle"), tmp_path / "log", "short")
    yield made
    made.close()


def exchange(way: Way, method: str, path: str, data: bytes, **more: Any) -> dict[str, Any]:
    out, _ = way.tell(data, seconds=more.pop("seconds", 0))
    ((status, body),) = answers(out)
    return {"method": method, "path": path, "status": status, "body": json.loads(body), **more}


def tensors(way: Way, rows: int) -> list[dict[str, Any]]:
    """Inputs as the metadata describes them."""
    _, row = MADE[way.app.service.name]
    kinds = {each["name"]: each["datatype"] for each in metadata(way)["inputs"]}
    return [
        {"name": name, "shape": [rows], "datatype": kinds[name], "data": [value] * rows}
        for name, value in row.items()
    ]


def metadata(way: Way) -> dict[str, Any]:
    found: dict[str, Any] = way.app.get(f"/v2/models/{way.app.service.name}")[1]
    return found


def model_paths(way: Way) -> list[str]:
    name = way.app.service.name
    return [f"/v2/models/{name}", f"/v2/models/{name}/versions/3"]


def answered(way: Way) -> Iterator[dict[str, Any]]:
    models = model_paths(way)
    for path in (
        "/v2",
        "/v2/",
        "/v2/health/live",
        "/v2/health/ready",
        *models,
        *(f"{m}/ready" for m in models),
    ):
        yield exchange(way, "GET", path, head("GET", path))
    outputs = [{"name": each["name"]} for each in metadata(way)["outputs"]]
    for model in models:
        for more in (
            {},
            {"id": "42", "parameters": {"a": 1}},
            {"outputs": [*outputs, {"name": "drift_score"}]},
            {"outputs": [{"name": "predict", "parameters": {"binary_data": False}}]},
        ):
            for rows in (1, 3):
                request = {"inputs": tensors(way, rows), **more}
                path = f"{model}/infer"
                yield exchange(way, "POST", path, post(path, json.dumps(request).encode()), request=request)


def refused(way: Way) -> Iterator[dict[str, Any]]:
    known = model_paths(way)
    others = [path.replace(way.app.service.name, "other") for path in known]
    for path in (*others, *(f"{path}/ready" for path in others), "/v2/nothing"):
        yield exchange(way, "GET", path, head("GET", path))
    for path in ("/v2", "/v2/health/ready", *known, *(f"{path}/infer" for path in known)):
        yield exchange(way, "PUT", path, post(path, b"{}").replace(b"POST", b"PUT", 1))
    row = tensors(way, 1)
    bodies = [b"", b"{", b"[]", b"{}", b'{"inputs":[]}', b'{"inputs":[{"name":1}]}', b"\xff"]
    changes = ({"shape": [2]}, {"datatype": "FP99"}, {"data": [{}]}, {"data": None}, {"name": "other"})
    bodies += [json.dumps({"inputs": [{**row[0], **change}, *row[1:]]}).encode() for change in changes]
    bodies.append(json.dumps({"inputs": row, "outputs": [{"name": "other"}]}).encode())
    for path in (f"{path}/infer" for path in (*known, *others)):
        for body in bodies:
            yield exchange(way, "POST", path, post(path, body))
        yield exchange(way, "POST", path, post(path, b"{}", "content-encoding: br"), seconds=6)
        yield exchange(way, "POST", path, post(path, b"{}", "content-encoding: gzip"))
        yield exchange(way, "POST", path, head("POST", path, f"content-length: {1 << 40}"), seconds=6)
        yield exchange(way, "POST", path, head("POST", path, "x: " + "y" * 20_000), seconds=6)
        yield exchange(way, "POST", path, head("POST", path, "content-length: 1"), seconds=20)
        yield exchange(way, "POST", path, head("POST", path, "content-length: x"), seconds=6)


def failed(way: Way) -> Iterator[dict[str, Any]]:
    """A model that breaks, and a server that has none."""

    def fail(*_: Any) -> Any:
        raise RuntimeError("the model's own trouble")

    engine: Any = way.app.service._engine
    engine.one = engine.one and fail
    engine._model = SimpleNamespace(predict=fail)
    engine._batcher._predict = fail
    paths = [f"{path}/infer" for path in model_paths(way)]
    for path in paths:
        yield exchange(way, "POST", path, post(path, json.dumps({"inputs": tensors(way, 1)}).encode()))
    way.app.state.refuse("the bundle cannot be served")
    for path in paths:
        yield exchange(way, "POST", path, post(path, b"{}"))
    yield exchange(way, "GET", "/v2/health/ready", head("GET", "/v2/health/ready"))


def test_every_answer_and_refusal_is_the_protocol_s(way: Way, tmp_path: Path) -> None:
    foreign_clients(print)
    found = [*answered(way), *refused(way), *failed(way)]
    statuses = {each["status"] for each in found}
    assert statuses >= {200, 400, 404, 405, 408, 413, 415, 422, 431, 500, 503}
    told = judged(found, tmp_path)
    assert told["checked"] == len(found) > 80
    assert not told["faults"]


def test_the_judge_knows_a_wrong_answer(tmp_path: Path) -> None:
    wrong = [
        {"method": "POST", "path": "/v2/models/m/infer", "status": 200, "body": {"outputs": []}},
        {"method": "GET", "path": "/v2/models/m", "status": 200, "body": {"name": "m", "platform": 1}},
        {"method": "GET", "path": "/v2", "status": 200, "body": {"name": "m", "version": "1"}},
        {"method": "GET", "path": "/v2/models/m", "status": 404, "body": {"error": {"message": "nested"}}},
        {"method": "POST", "path": "/v2/models/m/infer", "status": 422, "body": {"detail": "no error"}},
    ]
    tensor = {"name": "x", "shape": [1], "datatype": "FP65", "data": [1]}
    answer = {"model_name": "m", "outputs": [tensor]}
    wrong.append({"method": "POST", "path": "/v2/models/m/infer", "status": 200, "body": answer})
    faults = judged(wrong, tmp_path)["faults"]
    assert all(any(f"{each['path']} {each['status']}: " in fault for fault in faults) for each in wrong)
    assert any("FP65" in fault for fault in faults)


def judged(exchanges: list[dict[str, Any]], folder: Path) -> dict[str, Any]:
    file = folder / "exchanges.jsonl"
    file.write_text("".join(json.dumps(each) + "\n" for each in exchanges))
    run = run_client(str(JUDGE), str(file))
    assert run.returncode == 0, run.stderr
    found: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return found
