"""The operator's own pages: health, readiness and metrics."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Callable
from typing import Any, Final

from aiohttp import web
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)

from tidegauge.protocol.names import Metric, Verdict

__all__ = ["Health", "Meters", "application"]

STUCK_SECONDS: Final = 300.0


class Health:
    """Whether the reconcile loop moves.

    Parameters
    ----------
    clock
        Seconds of a monotonic clock.
    overdue_seconds
        How long the key that has been due for longest has waited for a worker.
    """

    def __init__(self, clock: Callable[[], float], overdue_seconds: Callable[[], float]) -> None:
        self._clock, self._overdue_seconds = clock, overdue_seconds
        self._began: dict[object, float] = {}
        self._taken_at = clock()
        self.ready = False

    def begin(self, key: object) -> None:
        """A worker took this key."""
        self._began[key] = self._taken_at = self._clock()

    def end(self, key: object) -> None:
        """A worker has finished this key."""
        self._began.pop(key, None)

    def stuck(self) -> list[str]:
        """Keys that have been worked on for too long."""
        now = self._clock()
        return [str(key) for key, began in self._began.items() if now - began > STUCK_SECONDS]

    def is_idle_though_due(self) -> bool:
        """Whether no worker took a key for too long while one was due; a long queue that moves is fine."""
        waited = min(self._overdue_seconds(), self._clock() - self._taken_at)
        return waited > STUCK_SECONDS


class Meters:
    """The operator's metrics."""

    def __init__(
        self,
        registry: CollectorRegistry,
        depth: Callable[[], int],
        closed: Callable[[], int],
        verdicts: Callable[[], Tally[str]],
    ) -> None:
        self.registry = registry
        self._verdicts = verdicts
        queue = Gauge(Metric.OPERATOR_QUEUE_DEPTH, "Models that wait for a pass.", registry=registry)
        queue.set_function(depth)
        watches = Gauge(
            Metric.OPERATOR_CLOSED_WATCHES,
            "Watches that should be open and are not: changes of such objects are not seen.",
            registry=registry,
        )
        watches.set_function(closed)
        self.reconcile_seconds = Histogram(
            Metric.OPERATOR_RECONCILE_SECONDS,
            "Time of one pass over a model.",
            buckets=(0.001, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0),
            registry=registry,
        )
        self._errors = Counter(
            Metric.OPERATOR_ERRORS,
            "Failed passes over a model, by reason.",
            ["reason"],
            registry=registry,
        )
        self._models = Gauge(
            Metric.OPERATOR_MODELS,
            "Models, by the verdict in their status.",
            ["verdict"],
            registry=registry,
        )

    def count_error(self, reason: str) -> None:
        """A pass over a model failed."""
        self._errors.labels(reason).inc()

    def page(self) -> bytes:
        """Return the page that Prometheus reads."""
        verdicts = self._verdicts()
        for verdict in Verdict:
            self._models.labels(verdict.value).set(verdicts[verdict.value])
        return generate_latest(self.registry)


def application(health: Health, meters: Meters) -> web.Application:
    """``/healthz``, ``/readyz`` and ``/metrics``."""

    async def healthz(_: web.Request) -> web.Response:
        if stuck := health.stuck():
            return web.Response(
                status=503, text=f"stuck for more than {STUCK_SECONDS:g} s: {', '.join(stuck)}\n"
            )
        if health.is_idle_though_due():
            text = f"no model was processed for more than {STUCK_SECONDS:g} s, though some are due\n"
            return web.Response(status=503, text=text)
        return web.Response(text="ok\n")

    async def readyz(_: web.Request) -> web.Response:
        return web.Response(text="ok\n") if health.ready else web.Response(status=503, text="starting\n")

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=meters.page(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app: Any = web.Application()
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", metrics)
    result: web.Application = app
    return result
