"""The operator's health, readiness and metrics."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter as Tally
from collections.abc import Callable
from http.server import ThreadingHTTPServer
from typing import Final, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from tidegauge.kit.health_server import serve_health
from tidegauge.kit.refusal import Refusal
from tidegauge.protocol.names import Metric, Verdict

__all__ = ["Health", "Meters", "answered_in", "serve"]

T = TypeVar("T")
STUCK_SECONDS: Final = 300.0
ANSWER_SECONDS: Final = 1.5  # below the 2 s that a probe waits


class Health:
    """Tells whether the reconcile loop moves.

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
        """Record that a worker took this key."""
        self._began[key] = self._taken_at = self._clock()

    def end(self, key: object) -> None:
        """Record that a worker has finished this key."""
        self._began.pop(key, None)

    def check_health(self) -> None:
        """Raise a `Refusal` if one key takes too long, or no worker takes any though one is due.

        A long queue that moves is healthy.
        """
        now = self._clock()
        if stuck := [str(key) for key, began in self._began.items() if now - began > STUCK_SECONDS]:
            raise Refusal(503, "stuck", f"stuck for more than {STUCK_SECONDS:g} s: {', '.join(stuck)}")
        if min(self._overdue_seconds(), now - self._taken_at) > STUCK_SECONDS:
            message = f"no model was processed for more than {STUCK_SECONDS:g} s, though some are due"
            raise Refusal(503, "stuck", message)

    def check_ready(self) -> None:
        """Raise a `Refusal` until the first lists of all kinds are complete."""
        if not self.ready:
            raise Refusal(503, "starting", "the watches are not open yet, or their first lists not complete")


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
        queue = Gauge(Metric.OPERATOR_QUEUE_DEPTH, "Models in the queue.", registry=registry)
        queue.set_function(depth)
        watches = Gauge(
            Metric.OPERATOR_CLOSED_WATCHES,
            "Kinds of objects that should be watched and are not.",
            registry=registry,
        )
        watches.set_function(closed)
        self.reconcile_seconds = Histogram(
            Metric.OPERATOR_RECONCILE_SECONDS,
            "Seconds that one reconciliation of a model takes.",
            buckets=(0.001, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0),
            registry=registry,
        )
        self._errors = Counter(
            Metric.OPERATOR_ERRORS,
            "Failed reconciliations of models, by reason.",
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
        """Count a failed pass over a model."""
        self._errors.labels(reason).inc()

    def page(self) -> bytes:
        """Return the page that Prometheus reads."""
        verdicts = self._verdicts()
        for verdict in Verdict:
            self._models.labels(verdict.value).set(verdicts[verdict.value])
        return generate_latest(self.registry)


def answered_in(loop: asyncio.AbstractEventLoop, ask: Callable[[], T]) -> Callable[[], T]:
    """Return a function for any thread that has the event loop answer, because all state changes there.

    A loop that does not answer in time is a `Refusal`: the program is stuck.
    """

    async def answer() -> T:
        return ask()

    def wait() -> T:
        try:
            return asyncio.run_coroutine_threadsafe(answer(), loop).result(ANSWER_SECONDS)
        except TimeoutError:
            message = f"the event loop has not turned for {ANSWER_SECONDS:g} s"
            raise Refusal(503, "stuck", message) from None

    return wait


def serve(listening: socket.socket, health: Health, meters: Meters) -> ThreadingHTTPServer:
    """Serve ``/healthz``, ``/readyz`` and ``/metrics`` of the running event loop."""
    loop = asyncio.get_running_loop()
    checks = {"/healthz": health.check_health, "/readyz": health.check_ready}
    answered = {path: answered_in(loop, check) for path, check in checks.items()}
    return serve_health(listening, answered_in(loop, meters.page), answered)
