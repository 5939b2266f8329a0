"""Liveness and readiness are answered by themselves: at a start, the rest of the application comes later."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from tidegauge_serving.http.app import make_app
from tidegauge_serving.http.health import Health, LateApp
from tidegauge_serving.http.state import ServingState
from tidegauge_serving.predict.metrics import ServingMetrics

BOUND_SECONDS = 30


@pytest.fixture
def state() -> ServingState:
    return ServingState(ServingMetrics())


async def get(app: Any, path: str) -> tuple[int, bytes, dict[bytes, bytes]]:
    scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": []}
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent[0]["status"], sent[1]["body"], dict(sent[0]["headers"])


def ready(state: ServingState) -> None:
    state.service = object()  # type: ignore[assignment]


def draining(state: ServingState) -> None:
    ready(state)
    state.drain()


@pytest.mark.parametrize(
    "become", [lambda _: None, ready, draining, lambda state: state.refuse("no such bundle")]
)
def test_a_probe_hears_what_the_application_would_say(
    state: ServingState, become: Callable[[ServingState], None]
) -> None:
    application = make_app(state, CollectorRegistry())
    become(state)
    for path in ("/healthz", "/readyz", "/v2/health/live", "/v2/health/ready"):
        said = asyncio.run(get(Health(application, state), path))
        assert said == asyncio.run(get(application, path))
    assert state.metrics.errors["not_ready"] == (0 if state.ready else 4)


class Slow:
    """Makes an application, but not before it may."""

    def __init__(self) -> None:
        self.may = threading.Event()
        self.times = 0

    def __call__(self) -> Any:
        self.times += 1
        assert self.may.wait(BOUND_SECONDS)

        async def answer(_scope: Any, _receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"made"})

        return answer


def test_probes_are_answered_while_the_application_is_made_and_others_wait(state: ServingState) -> None:
    make = Slow()

    async def story() -> None:
        app = Health(LateApp(make), state)
        waiting = [asyncio.create_task(get(app, "/v2")) for _ in range(2)]
        await asyncio.sleep(0)
        assert (await get(app, "/healthz"))[0] == 200
        assert (await get(app, "/readyz"))[0] == 503
        assert not any(task.done() for task in waiting)
        make.may.set()
        assert [body for _, body, _ in await asyncio.gather(*waiting)] == [b"made"] * 2

    asyncio.run(asyncio.wait_for(story(), BOUND_SECONDS))
    assert make.times == 1


def test_a_client_that_goes_away_does_not_end_what_others_wait_for(state: ServingState) -> None:
    make = Slow()

    async def story() -> None:
        app = Health(LateApp(make), state)
        gone, stays = (asyncio.create_task(get(app, "/v2")) for _ in range(2))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.wait([gone])
        make.may.set()
        assert (await stays)[1] == b"made"

    asyncio.run(asyncio.wait_for(story(), BOUND_SECONDS))
