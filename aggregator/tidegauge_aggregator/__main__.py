"""The program: ``python -m tidegauge_aggregator`` or ``tidegauge-aggregator``."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import uvloop
from prometheus_client import GC_COLLECTOR, PLATFORM_COLLECTOR, PROCESS_COLLECTOR, CollectorRegistry

from tidegauge.http import Connection, Limits
from tidegauge.http.server import Server, configuration
from tidegauge.kit.listening import announce, listen
from tidegauge.kit.signals import on_end_signals
from tidegauge.kit.start import start
from tidegauge.kit.watched_file import WatchedFile
from tidegauge_aggregator.http.access import TokenGate
from tidegauge_aggregator.http.app import make_app, refuse_connection
from tidegauge_aggregator.http.metrics import ReportCollector
from tidegauge_aggregator.http.panes_route import App
from tidegauge_aggregator.service.aggregator import MAX_PROFILE_BYTES, Aggregator
from tidegauge_aggregator.service.config import parse_config
from tidegauge_aggregator.service.metrics import AggregatorMetrics
from tidegauge_aggregator.service.scheduler import Scheduler
from tidegauge_aggregator.service.validation import Shard
from tidegauge_aggregator.store.base import StoreError
from tidegauge_aggregator.store.sqlite.store import open_store

from .settings import PROGRAM, Settings, parse_settings

__all__ = ["main", "serve"]

logger = logging.getLogger(__name__)

GRACE_SECONDS: Final = 10


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT; return the exit code."""
    quiet = {"uvicorn.error": "warning"}
    return start(PROGRAM, parse_settings, _run, arguments, quiet, expected=(StoreError,))


def _run(settings: Settings) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(settings))


async def serve(settings: Settings, clock: Callable[[], float] = time.time) -> None:
    """Open the store, listen, and work until a signal stops the server.

    Parameters
    ----------
    settings
        What to serve where.
    clock
        Seconds since the epoch.
    """
    config = WatchedFile(settings.config, parse_config) if settings.config else None
    gate = TokenGate(settings.token_file)
    registry = _registry()
    listening = listen(settings.host, settings.port)
    aggregator = Aggregator(
        open_store(settings.data_dir),
        clock=clock,
        metrics=AggregatorMetrics(registry),
        shard=Shard(*settings.shard),
        retention_seconds=settings.retention_seconds,
    )
    scheduler = Scheduler(aggregator, config)
    registry.register(ReportCollector(aggregator))
    server = _server(make_app(aggregator, gate, registry, settings.stack), aggregator)
    working = asyncio.create_task(_work(aggregator, scheduler, gate, server))
    on_end_signals(server.end, asyncio.get_running_loop())
    announce(listening)
    try:
        await server.serve([listening])
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        await aggregator.close()
    if error := working.done() and not working.cancelled() and working.exception():
        raise error


async def _work(aggregator: Aggregator, scheduler: Scheduler, gate: TokenGate, server: Server) -> None:
    """Load the store, then evaluate what becomes due, for ever; the server stops when this cannot go on."""
    try:
        await aggregator.start()
        while True:
            gate.refresh()
            await scheduler.step()
            await asyncio.sleep(scheduler.pause_seconds)
    except Exception:
        logger.exception("the aggregator cannot go on")
        server.should_exit = True
        raise


def _server(app: App, aggregator: Aggregator) -> Server:
    limits = Limits(body_bytes=MAX_PROFILE_BYTES)
    protocol = partial(Connection, limits=limits, refuse=partial(refuse_connection, aggregator))
    return Server(configuration(app, protocol, GRACE_SECONDS))


def _registry() -> CollectorRegistry:
    registry = CollectorRegistry()
    for collector in (PROCESS_COLLECTOR, PLATFORM_COLLECTOR, GC_COLLECTOR):
        registry.register(collector)
    return registry


if __name__ == "__main__":
    sys.exit(main())
