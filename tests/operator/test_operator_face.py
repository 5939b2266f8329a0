"""The operator's own pages."""

import asyncio
import json
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable
from functools import partial

from prometheus_client import CollectorRegistry
from tidegauge_operator.controller.health import ANSWER_SECONDS, STUCK_SECONDS, Health, Meters, serve
from tidegauge_operator.controller.queue import Queue, Schedule
from tidegauge_operator.kube.cache import Key

from tidegauge.kit.backoff import Backoff
from tidegauge.kit.listening import listen
from tidegauge.kit.refusal import Refusal

KEY = Key("ml", "house-prices")


class Clock:
    """A clock that stands until it is moved."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def trouble(check: Callable[[], None]) -> str:
    """What a check refuses with; empty where it passes."""
    try:
        check()
    except Refusal as refusal:
        return f"{refusal.status}: {refusal}"
    return ""


def test_a_reconciliation_that_takes_too_long_is_not_healthy() -> None:
    clock = Clock()
    health = Health(clock, lambda: 0.0)
    health.begin(KEY)
    clock.seconds = STUCK_SECONDS
    assert trouble(health.check_health) == ""
    clock.seconds += 1
    health.begin(Key("ml", "fraud"))
    assert trouble(health.check_health) == "503: stuck for more than 300 s: ml/house-prices"
    health.end(KEY)
    assert trouble(health.check_health) == ""


def test_a_queue_that_no_worker_takes_from_is_not_healthy_and_a_long_one_that_moves_is() -> None:
    clock = Clock()
    schedule: Schedule[Key] = Schedule(Backoff(0.5, 300.0), lambda: 0.0)
    queue = Queue(schedule, clock)
    health = Health(clock, lambda: queue.overdue_seconds)
    clock.seconds = 10 * STUCK_SECONDS  # nothing was due: silence is well
    schedule.add(KEY, clock.seconds)
    schedule.add(Key("ml", "fraud"), clock.seconds)
    assert trouble(health.check_health) == ""
    clock.seconds += STUCK_SECONDS + 1
    said = "503: no model was processed for more than 300 s, though some are due"
    assert trouble(health.check_health) == said
    taken = schedule.take(clock.seconds)
    health.begin(taken)
    health.end(taken)
    assert queue.overdue_seconds > STUCK_SECONDS
    assert trouble(health.check_health) == ""


def test_the_ready_page_follows_the_operators_readiness() -> None:
    health = Health(Clock(), lambda: 0.0)
    assert trouble(health.check_ready)
    health.ready = True
    assert trouble(health.check_ready) == ""


def get(port: int, path: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


async def pages_while(work: Callable[[], object], *paths: str) -> list[tuple[int, bytes]]:
    """Ask for pages from another thread, while the event loop is busy with some work."""
    health = Health(Clock(), lambda: 0.0)
    meters = Meters(CollectorRegistry(), lambda: 3, lambda: 0, Counter)
    listening = listen("127.0.0.1", 0)
    server = serve(listening, health, meters)
    try:
        asked = asyncio.gather(*(asyncio.to_thread(get, listening.getsockname()[1], path) for path in paths))
        await asyncio.sleep(0)  # the threads have begun
        work()
        return await asked
    finally:
        await asyncio.to_thread(server.shutdown)
        server.server_close()


def test_the_operators_pages_are_answered_by_its_event_loop() -> None:
    paths = "/healthz", "/readyz", "/metrics"
    healthy, ready, metrics = asyncio.run(pages_while(lambda: None, *paths))
    assert healthy == (200, b'{"status": "ok"}')
    assert (ready[0], json.loads(ready[1])["reason"]) == (503, "starting")
    assert b"tidegauge_operator_queue_depth 3.0" in metrics[1]


def test_an_event_loop_that_is_stuck_is_not_healthy() -> None:
    busy = partial(time.sleep, ANSWER_SECONDS + 1)
    ((status, body),) = asyncio.run(pages_while(busy, "/healthz"))
    assert (status, json.loads(body)["reason"]) == (503, "stuck")
