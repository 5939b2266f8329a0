"""The operator's own pages, and the lines of its log."""

import asyncio
import io
import json
import logging
from collections import Counter

from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import CollectorRegistry
from tidegauge_operator.__main__ import _JsonLines
from tidegauge_operator.backoff import Backoff
from tidegauge_operator.controller.health import STUCK_SECONDS, Health, Meters, application
from tidegauge_operator.controller.queue import Queue, Schedule
from tidegauge_operator.kube.cache import Key

KEY = Key("ml", "house-prices")


class Clock:
    """A clock that stands until it is moved."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


async def pages_of(health: Health, *paths: str) -> list[tuple[int, str]]:
    """Status and text of each page."""
    meters = Meters(CollectorRegistry(), lambda: 0, lambda: 0, Counter)
    async with TestClient(TestServer(application(health, meters))) as client:
        answers = [await client.get(path) for path in paths]
        return [(answer.status, await answer.text()) for answer in answers]


def test_one_look_that_takes_too_long_is_no_longer_healthy() -> None:
    clock = Clock()
    health = Health(clock, lambda: 0.0)
    health.begin(KEY)
    clock.seconds = STUCK_SECONDS
    assert asyncio.run(pages_of(health, "/healthz")) == [(200, "ok\n")]
    clock.seconds += 1
    health.begin(Key("ml", "fraud"))
    assert asyncio.run(pages_of(health, "/healthz")) == [
        (503, "stuck for more than 300 s: ml/house-prices\n")
    ]
    health.end(KEY)
    assert asyncio.run(pages_of(health, "/healthz")) == [(200, "ok\n")]


def test_a_queue_that_no_worker_takes_from_is_not_healthy_and_a_long_one_that_moves_is() -> None:
    clock = Clock()
    schedule: Schedule[Key] = Schedule(Backoff(), lambda: 0.0)
    queue = Queue(schedule, clock)
    health = Health(clock, lambda: queue.overdue_seconds)
    clock.seconds = 10 * STUCK_SECONDS  # nothing was due: silence is well
    schedule.add(KEY, clock.seconds)
    schedule.add(Key("ml", "fraud"), clock.seconds)
    assert asyncio.run(pages_of(health, "/healthz")) == [(200, "ok\n")]
    clock.seconds += STUCK_SECONDS + 1
    text = "no model was processed for more than 300 s, though some are due\n"
    assert asyncio.run(pages_of(health, "/healthz")) == [(503, text)]
    taken = schedule.take(clock.seconds)
    health.begin(taken)
    health.end(taken)
    assert queue.overdue_seconds > STUCK_SECONDS
    assert asyncio.run(pages_of(health, "/healthz")) == [(200, "ok\n")]


def test_the_ready_page_follows_the_operators_readiness() -> None:
    health = Health(Clock(), lambda: 0.0)
    assert asyncio.run(pages_of(health, "/readyz")) == [(503, "starting\n")]
    health.ready = True
    assert asyncio.run(pages_of(health, "/readyz")) == [(200, "ok\n")]


def test_a_line_of_the_log_names_the_model_it_is_about() -> None:
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(_JsonLines())
    logger = logging.Logger("tidegauge_operator.controller.reconciler")
    logger.addHandler(handler)
    logger.warning("%s: %s", "NameTaken", 'a Service of "that" name\nis there', extra={"key": str(KEY)})
    try:
        raise ValueError("not understood")
    except ValueError:
        logger.exception("reconcile failed")
    about_one, about_none = [json.loads(line) for line in written.getvalue().splitlines()]
    about_one.pop("time")
    assert about_one == {
        "level": "warning",
        "logger": "tidegauge_operator.controller.reconciler",
        "message": 'NameTaken: a Service of "that" name\nis there',
        "key": "ml/house-prices",
    }
    assert "key" not in about_none
    assert about_none["exception"].endswith("ValueError: not understood")
