"""A client that knows the fate of each of its requests: answered, or broken off so that it cannot know."""

import http.client
import itertools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

REQUESTS_PER_CONNECTION = 40  # a new connection now and then, so that every replica gets its share
TIMEOUT_SECONDS = 20.0


@dataclass
class Counted:
    """What became of all requests.

    `in_doubt` were sent on a connection that broke before an answer: its rows may be counted or not.
    `refused` got another status than 200. `unsent` found nobody listening.
    """

    answered: int = 0
    in_doubt: int = 0
    unsent: int = 0
    refused: list[str] = field(default_factory=list)
    answers: list[tuple[float, float]] = field(default_factory=list)  # moment of the answer, seconds it took
    breaks: list[float] = field(default_factory=list)

    def slowest_seconds(self, since: float = 0.0, until: float = float("inf")) -> float:
        return max((took for at, took in self.answers if since <= at <= until), default=0.0)

    def quantile_seconds(self, q: float, since: float = 0.0, until: float = float("inf")) -> float:
        took = sorted(took for at, took in self.answers if since <= at <= until)
        return took[int(q * (len(took) - 1))] if took else 0.0


class CountingClient:
    """Sends requests over several connections until told to stop."""

    def __init__(
        self,
        port: int,
        body: Callable[[int], bytes],
        *,
        path: str = "/predict",
        connections: int = 6,
        pause: float = 0.01,
    ) -> None:
        self._port = port
        self._path = path
        self._body = body
        self._pause = pause
        self._number = itertools.count()
        self._stop = threading.Event()
        self._counted = [Counted() for _ in range(connections)]
        self._threads = [threading.Thread(target=self._run, args=(c,), daemon=True) for c in self._counted]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.finish()

    @property
    def answered(self) -> int:
        return sum(counted.answered for counted in self._counted)

    def finish(self) -> Counted:
        """Let requests that are under way end, then tell what became of all."""
        self._stop.set()
        for thread in self._threads:
            thread.join(2 * TIMEOUT_SECONDS)
            assert not thread.is_alive(), "a request neither ended nor failed"
        total = Counted()
        for counted in self._counted:
            total.answered += counted.answered
            total.in_doubt += counted.in_doubt
            total.unsent += counted.unsent
            total.refused += counted.refused
            total.answers += counted.answers
            total.breaks += counted.breaks
        return total

    def _run(self, counted: Counted) -> None:
        while not self._stop.is_set():
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=TIMEOUT_SECONDS)
            try:
                connection.connect()
            except OSError:
                counted.unsent += 1
                self._stop.wait(self._pause)
                continue
            self._use(connection, counted)
            connection.close()

    def _use(self, connection: http.client.HTTPConnection, counted: Counted) -> None:
        for _ in range(REQUESTS_PER_CONNECTION):
            if self._stop.wait(self._pause):
                return
            started = time.monotonic()
            try:
                connection.request("POST", self._path, self._body(next(self._number)))
                response = connection.getresponse()
                answer = response.read()
            except (OSError, http.client.HTTPException):
                counted.in_doubt += 1
                counted.breaks.append(time.monotonic())
                return
            if response.status != http.HTTPStatus.OK:
                counted.refused.append(f"{response.status} {answer[:200]!r}")
                continue
            counted.answered += 1
            counted.answers.append((time.monotonic(), time.monotonic() - started))
            if response.will_close:
                return
