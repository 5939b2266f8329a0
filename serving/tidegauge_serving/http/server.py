"""One process, one event loop: listen, load the model, answer, drain."""

import asyncio
import logging
import random
import secrets
import socket
import sys
import time
from contextlib import suppress
from functools import partial
from typing import Any

import uvicorn

from tidegauge.errors import TidegaugeError
from tidegauge.http import Connection, Limits
from tidegauge.http.server import Server, configuration
from tidegauge.kit.listening import BACKLOG, announce, listen
from tidegauge.kit.signals import on_end_signals
from tidegauge.profile.profile import CategoricalFeature, Profile
from tidegauge.protocol.names import Exit
from tidegauge_serving.http.cors import Cors
from tidegauge_serving.http.fast_connection import FastConnection
from tidegauge_serving.http.fast_path import App, FastPath, write_stderr
from tidegauge_serving.http.heads import Heads
from tidegauge_serving.http.health import Health, LateApp
from tidegauge_serving.http.state import ServingState
from tidegauge_serving.http.turn import Turn
from tidegauge_serving.predict.capture import Capture
from tidegauge_serving.predict.metrics import ServingMetrics
from tidegauge_serving.predict.service import Service
from tidegauge_serving.predict.startup import Loaded, load
from tidegauge_serving.settings import Settings

__all__ = ["run"]

KEEP_ALIVE_SECONDS = 75
GRACE_SECONDS = 20
LAST_CONNECTION_SECONDS = 0.2  # for requests on connections that were accepted last
logger = logging.getLogger(__name__)


class _Server(Server):
    """A server that can take connections from a second socket too."""

    async def also_listen(self, fd: int) -> None:
        """Take connections from an inherited listening socket too."""
        while not self.started:
            await asyncio.sleep(0.01)
        loop = asyncio.get_running_loop()
        config, state = self.config, self.server_state

        def protocol() -> asyncio.Protocol:
            return config.http_protocol_class(config=config, server_state=state, app_state={}, _loop=loop)  # type: ignore[call-arg]

        shared = socket.socket(fileno=fd)
        self.servers.append(await loop.create_server(protocol, sock=shared, backlog=BACKLOG))


async def run(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT, or until the bundle has shown that it cannot be; the exit code."""
    metrics = ServingMetrics(settings.model)
    state = ServingState(metrics)
    own = listen(settings.host, settings.port)
    rest = LateApp(lambda: _application(state))
    server = _Server(_uvicorn_config(settings, state, rest))
    _end_on_signals(server, state, settings.drain_seconds)
    announce(own)
    loading = asyncio.create_task(_open(settings, state, server, rest))
    await server.serve(sockets=[own])
    loading.cancel()
    with suppress(asyncio.CancelledError):
        await loading
    if state.service is not None:
        state.service.close()
    if state.failure and settings.exit_on_error:
        print(state.failure, file=sys.stderr, flush=True)  # the last line is what Kubernetes shows
        return Exit.BUNDLE
    return 0


def _application(state: ServingState) -> App:
    """The FastAPI application; its import takes as long as all others together."""
    from tidegauge_serving.http.app import make_app
    from tidegauge_serving.http.families import make_registry

    return make_app(state, make_registry(state.metrics))


def _uvicorn_config(settings: Settings, state: ServingState, rest: LateApp) -> uvicorn.Config:
    log_line = write_stderr if settings.request_log else None
    fast_path = FastPath(
        Health(rest, state, settings.stack), state, settings.max_body_bytes, log_line, rest.made
    )
    limits = Limits(body_bytes=settings.max_body_bytes, idle_seconds=KEEP_ALIVE_SECONDS)
    app: App = fast_path
    protocol: Any = partial(
        FastConnection, limits=limits, fast_path=fast_path, turn=Turn(fast_path), heads=Heads()
    )
    if settings.cors_origins:  # each answer has headers for browsers, which the short way does not know
        app = cors = Cors(fast_path, settings.cors_origins)
        protocol = partial(Connection, limits=limits, refuse=fast_path.refuse, more_headers=cors.more_headers)
    return configuration(app, protocol, GRACE_SECONDS)


async def _open(settings: Settings, state: ServingState, server: _Server, rest: LateApp) -> None:
    """Make the model ready, and only then take connections that another replica could answer as well."""
    await _make_ready(settings, state)
    if settings.fd >= 0 and state.ready:
        await _share(settings.fd, state, server)
    if state.failure and settings.exit_on_error:
        server.should_exit = True
    else:
        await rest.begin()  # nobody waited for it to be ready, and nobody who asks for it need wait for it


async def _share(fd: int, state: ServingState, server: _Server) -> None:
    """Take connections from the shared socket; never ready if it is none, as nobody would find the server."""
    try:
        await server.also_listen(fd)
    except (OSError, ValueError) as error:
        state.refuse(f"--fd {fd}: this is no listening socket that was inherited ({error})")
        logger.error("not ready: %s", state.reason)


def _end_on_signals(server: Server, state: ServingState, drain_seconds: float) -> None:
    """Tell Kubernetes first, take connections meanwhile, and then only finish what was accepted."""

    def stop_being_ready() -> None:
        state.drain()
        logger.info("stopping: not ready, stops in %s s", drain_seconds)

    def stop_accepting() -> None:
        for listener in getattr(server, "servers", ()):  # none yet if it was stopped at once
            listener.close()

    steps = ((stop_being_ready, drain_seconds), (stop_accepting, LAST_CONNECTION_SECONDS))
    on_end_signals(server.end, asyncio.get_running_loop(), steps)


async def _make_ready(settings: Settings, state: ServingState) -> None:
    """Load in a thread, so that liveness is answered meanwhile; say once why not if that fails."""
    try:
        loaded = await asyncio.to_thread(load, settings)
        if not state.draining:
            service = _service(settings, loaded, state.metrics)
            state.open(service)
            logger.info("ready: %s, %.0f us a row", service.name, loaded.speed.call_seconds * 1e6)
    except TidegaugeError as error:
        state.refuse(" ".join(str(error).split()))
        logger.error("not ready: %s", state.reason)
    except (
        Exception
    ) as error:  # a bundle can break libraries in ways of its own; the process stays up and says so
        state.refuse(
            f"the bundle cannot be served: {type(error).__name__}: {' '.join(str(error).split())[:300]}"
        )
        logger.exception("not ready: %s", state.reason)


def _service(settings: Settings, loaded: Loaded, metrics: ServingMetrics) -> Service:
    return Service(
        settings.model or loaded.manifest.name,
        loaded,
        loaded.engine(settings),
        _capture(settings, loaded.profile),
        metrics,
        threshold=settings.row_score_threshold,
        sample_rate=settings.sample_rate,
        random=random.random,
        now_ns=time.time_ns,
    )


def _capture(settings: Settings, profile: Profile) -> Capture | None:
    if settings.log_dir is None:
        return None
    capture = Capture(
        settings.log_dir,
        settings.log_bytes,
        columns=len(profile.monitored),
        value_bytes=value_bytes(profile),
        profile_hash=profile.hash,
        writer=f"{time.time_ns():x}{secrets.token_hex(4)}",
        monotonic=time.monotonic,
    )
    if not capture.is_open:
        logger.error("the log folder %s cannot be written: rows are dropped until it can", settings.log_dir)
    return capture


def value_bytes(profile: Profile) -> int:
    """Return 4 where float32 holds every column exactly as the profile compares it, else 8."""
    wide = [f for f in profile.monitored if not isinstance(f, CategoricalFeature) and f.dtype != "float32"]
    return 8 if wide else 4
