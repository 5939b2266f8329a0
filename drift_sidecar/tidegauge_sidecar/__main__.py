"""``tidegauge-sidecar``, or ``python -m tidegauge_sidecar``."""

import json
import logging
import os
import random
import signal
import sys
import threading
import time

from prometheus_client import CollectorRegistry

from tidegauge.errors import TidegaugeError
from tidegauge.profile.profile import Profile
from tidegauge_sidecar.endpoint import serve_endpoint
from tidegauge_sidecar.folder import Folder
from tidegauge_sidecar.program import Sidecar
from tidegauge_sidecar.settings import Settings, read_settings
from tidegauge_sidecar.transport import HttpTransport


def main() -> int:
    """Run until SIGTERM or SIGINT; the exit code."""
    settings = read_settings(sys.argv[1:], os.environ)
    logging.basicConfig(
        level=settings.log_level, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        _run(settings, stop)
    except (TidegaugeError, OSError) as error:
        print(f"tidegauge-sidecar: {error}", file=sys.stderr)
        return 1
    return 0


def _run(settings: Settings, stop: threading.Event) -> None:
    registry = CollectorRegistry()
    settings.log_dir.mkdir(parents=True, exist_ok=True)
    sidecar = Sidecar(
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
    server = serve_endpoint(
        settings.host, settings.port, registry, lambda: sidecar.is_healthy, settings.stack
    )
    print(json.dumps({"event": "listening", "port": server.server_port}), flush=True)
    sidecar.run(stop)
    server.shutdown()


if __name__ == "__main__":
    sys.exit(main())
