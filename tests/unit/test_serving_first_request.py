"""A prediction that waits while the model becomes ready is answered by the model."""

import asyncio
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from support.serving_app import App
from support.serving_bundles import HOUSE_ROW, house_bundle
from tidegauge_serving.http.app import make_app
from tidegauge_serving.http.fast_path import FastPath
from tidegauge_serving.http.health import Health, LateApp
from tidegauge_serving.http.state import ServingState
from tidegauge_serving.predict.metrics import ServingMetrics

BOUND_SECONDS = 30
REQUESTS = {
    "/predict": {"features": HOUSE_ROW},
    "/v1/models/house-prices:predict": {"instances": [HOUSE_ROW]},
    "/v2/models/house-prices/infer": {
        "inputs": [{"name": "all", "shape": [1, 5], "datatype": "FP64", "data": list(HOUSE_ROW.values())}]
    },
}


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    folder = tmp_path_factory.mktemp("first")
    app = App(house_bundle(folder / "bundle"), folder / "log")
    yield app
    app.close()


class Start:
    """A server that starts: its FastAPI application is being made, its model being loaded."""

    def __init__(self) -> None:
        self.state = ServingState(ServingMetrics())
        self.may = threading.Event()
        late = LateApp(self._make)
        self.asgi = FastPath(Health(late, self.state), self.state, 1 << 20, None, late.made)

    def _make(self) -> Any:
        assert self.may.wait(BOUND_SECONDS)
        return make_app(self.state, CollectorRegistry())

    async def post(self, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
        scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": []}
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await self.asgi(scope, receive, send)
        return sent[0]["status"], json.loads(sent[1]["body"])


@pytest.mark.slow
@pytest.mark.parametrize("path", REQUESTS)
def test_a_request_that_waits_while_the_model_becomes_ready_is_answered(loaded: App, path: str) -> None:
    start = Start()

    async def story() -> tuple[int, dict[str, Any]]:
        waiting = asyncio.create_task(start.post(path, json.dumps(REQUESTS[path]).encode()))
        await asyncio.sleep(0)
        start.state.open(loaded.service)
        start.may.set()
        return await waiting

    status, answer = asyncio.run(asyncio.wait_for(story(), BOUND_SECONDS))
    assert status == 200, answer


def test_a_first_request_that_waits_in_vain_gets_503_and_for_another_model_404(loaded: App) -> None:
    start = Start()

    async def story() -> list[tuple[int, dict[str, Any]]]:
        start.may.set()
        body = json.dumps(REQUESTS["/predict"]).encode()
        early = await start.post("/predict", body)
        start.state.open(loaded.service)
        return [early, await start.post("/v1/models/other:predict", body), await start.post("/predict", body)]

    early, other, late = asyncio.run(asyncio.wait_for(story(), BOUND_SECONDS))
    assert (early[0], early[1]["reason"]) == (503, "not_ready")
    assert (other[0], other[1]["reason"]) == (404, "unknown_model")
    assert late[0] == 200
