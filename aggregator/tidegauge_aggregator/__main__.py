"""The program: ``python -m tidegauge_aggregator`` or ``tidegauge-aggregator``."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import uvicorn
import uvloop
from prometheus_client import GC_COLLECTOR, PLATFORM_COLLECTOR, PROCESS_COLLECTOR, CollectorRegistry

from tidegauge.errors import TidegaugeError
from tidegauge.http import Connection, Limits
from tidegauge_aggregator.http.access import TokenGate
from tidegauge_aggregator.http.app import make_app, refuse_connection
from tidegauge_aggregator.http.metrics import ReportCollector
from tidegauge_aggregator.http.panes_route import App
from tidegauge_aggregator.service.aggregator import MAX_PROFILE_BYTES, Aggregator
from tidegauge_aggregator.service.config import parse_config
from tidegauge_aggregator.service.cycle import Cycle
from tidegauge_aggregator.service.intake import Shard
from tidegauge_aggregator.service.meters import Meters
from tidegauge_aggregator.service.watched_file import WatchedFile
from tidegauge_aggregator.store.base import StoreError
from tidegauge_aggregator.store.sqlite.store import open_store

from .settings import Settings, parse_settings

__all__ = ["main", "serve"]

logger = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run until SIGTERM or SIGINT; exits with status 1 and one line of reason when it cannot start."""
    settings = parse_settings(arguments)
    logging.basicConfig(
        level=settings.log_level.upper(),
        stream=sys.stderr,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(settings))
    except (TidegaugeError, StoreError, OSError) as error:
        sys.exit(f"tidegauge-aggregator: {error}")


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
    listening = _listen(settings.host, settings.port)
    aggregator = Aggregator(
        open_store(settings.data_dir),
        clock=clock,
        meters=Meters(registry),
        shard=Shard(settings.shard, settings.shards),
        retention_seconds=settings.retention_seconds,
    )
    cycle = Cycle(aggregator, config)
    registry.register(ReportCollector(aggregator))
    server = _server(make_app(aggregator, gate, registry, settings.stack), aggregator)
    working = asyncio.create_task(_work(aggregator, cycle, gate, server))
    _announce(listening)
    try:
        await server.serve([listening])
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        await aggregator.close()
    if error := working.done() and not working.cancelled() and working.exception():
        raise error


async def _work(aggregator: Aggregator, cycle: Cycle, gate: TokenGate, server: uvicorn.Server) -> None:
    """Load the store, then evaluate what becomes due, for ever; the server stops when this cannot go on."""
    try:
        await aggregator.start()
        while True:
            gate.refresh()
            await cycle.step()
            await asyncio.sleep(cycle.pause_seconds)
    except Exception:
        logger.exception("the aggregator cannot go on")
        server.should_exit = True
        raise


class _Server(uvicorn.Server):
    """Ends on SIGTERM and SIGINT, and lets the program end in order afterwards instead of by the signal."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take the signals while the server runs."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield


def _server(app: App, aggregator: Aggregator) -> _Server:
    limits = Limits(body_bytes=MAX_PROFILE_BYTES)
    return _Server(
        uvicorn.Config(
            app,
            lifespan="off",
            http=partial(Connection, limits=limits, refuse=partial(refuse_connection, aggregator)),  # type: ignore[arg-type]
            loop="none",
            access_log=False,
            log_config=None,
            server_header=False,
            date_header=False,
            timeout_graceful_shutdown=10,
        )
    )


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind((host, port))
    listening.listen(2048)
    return listening


def _announce(listening: socket.socket) -> None:
    host, port = listening.getsockname()[:2]
    print(json.dumps({"event": "listening", "host": host, "port": port}), flush=True)


def _registry() -> CollectorRegistry:
    registry = CollectorRegistry()
    for collector in (PROCESS_COLLECTOR, PLATFORM_COLLECTOR, GC_COLLECTOR):
        registry.register(collector)
    return registry


if __name__ == "__main__":
    main()
