"""``python -m tidegauge_sidecar``: the drift sidecar."""

import random
import sys
import threading
import time
from collections.abc import Sequence
from functools import partial

from prometheus_client import CollectorRegistry, generate_latest

from tidegauge.kit.health_server import serve_health
from tidegauge.kit.listening import announce, listen
from tidegauge.kit.signals import on_end_signals
from tidegauge.kit.start import start
from tidegauge.profile.profile import Profile
from tidegauge_sidecar.app import Sidecar
from tidegauge_sidecar.folder import Folder
from tidegauge_sidecar.settings import PROGRAM, Settings, parse_settings
from tidegauge_sidecar.transport import HttpTransport

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT; return the exit code."""
    return start(PROGRAM, parse_settings, _work, arguments, quiet={})


def _work(settings: Settings) -> None:
    stop = threading.Event()
    on_end_signals(stop.set)
    registry = CollectorRegistry()
    sidecar = _sidecar(settings, registry)
    listening = listen(settings.host, settings.port)
    checks = {"/healthz": sidecar.check_health}
    server = serve_health(listening, partial(generate_latest, registry), checks, settings.stack)
    announce(listening)
    sidecar.run(stop)
    server.shutdown()


def _sidecar(settings: Settings, registry: CollectorRegistry) -> Sidecar:
    settings.log_dir.mkdir(parents=True, exist_ok=True)
    return Sidecar(
        Folder(settings.log_dir),
        Profile.load(settings.profile),
        model=settings.model,
        pod=settings.pod,
        pane_seconds=settings.pane_seconds,
        transports=[HttpTransport(url, settings.token_file) for url in settings.aggregator_urls],
        registry=registry,
        wall_clock_ns=time.time_ns,
        monotonic=time.monotonic,
        rng=random.Random(),
    )


if __name__ == "__main__":
    sys.exit(main())
