"""Sends rows to a model server over several connections and counts what became of each."""

import http.client
import socket
import threading
import time
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from tidegauge.errors import ResourceError
from tidegauge.telling import found

__all__ = ["Tally", "check_answers", "drive"]

_TIMEOUT_SECONDS: Final = 30.0
_REPORT_SECONDS: Final = 0.1


@dataclass
class Tally:
    """Counts of the requests by their outcome.

    Parameters
    ----------
    sent
        Requests sent.
    answered
        Requests answered with 200.
    failures
        All others by reason: ``"status 422"``, or the connection's error.
    seconds
        Time from sending to the answer, of every answered request.
    message
        The first refusal's body, so that its reason can be shown.
    interrupted
        Whether Ctrl-C ended it.
    """

    sent: int = 0
    answered: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    seconds: "array[float]" = field(default_factory=lambda: array("d"))
    message: str = ""
    interrupted: bool = False

    @property
    def failed(self) -> int:
        """Requests that were not answered with 200."""
        return self.sent - self.answered

    def quantile_seconds(self, q: float) -> float:
        """Return the q-quantile of the time to the answer; 0 without answers."""
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(q * len(ordered)))] if ordered else 0.0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            self.sent + other.sent,
            self.answered + other.answered,
            self.failures + other.failures,
            self.seconds + other.seconds,
            self.message or other.message,
            self.interrupted or other.interrupted,
        )


class _Paced:
    """Hands out bodies to all connections: each once, in order, and not before its time."""

    def __init__(self, bodies: Iterable[bytes], per_second: float | None, stop: threading.Event) -> None:
        self._bodies: Iterator[bytes] = iter(bodies)
        self._interval = 1 / per_second if per_second else 0.0
        self._stop = stop
        self._lock = threading.Lock()
        self._due = time.monotonic()
        self.error: Exception | None = None

    def __iter__(self) -> Iterator[bytes]:
        while not self._stop.is_set():
            with self._lock:
                body = self._next()
                due, self._due = self._due, self._due + self._interval
            if body is None or self._stop.wait(max(0.0, due - time.monotonic())):
                return
            yield body

    def _next(self) -> bytes | None:
        """The next body; where they come from may fail, and then there is none."""
        try:
            return next(self._bodies, None)
        except Exception as error:
            self.error = self.error or error
            return None


def drive(
    url: str,
    bodies: Iterable[bytes],
    *,
    connections: int = 8,
    per_second: float | None = None,
    seconds: float | None = None,
    progress: Callable[[int], None] | None = None,
) -> Tally:
    """POST each body once to ``URL/predict``, with one request at a time on each connection.

    Parameters
    ----------
    url
        Address of the server, ``http://HOST:PORT``.
    bodies
        JSON documents; endless if `seconds` is given.
    connections
        Number of connections.
    per_second
        Requests per second over all connections; None sends as fast as answers come.
    seconds
        Stop after this time.
    progress
        Called several times per second with the number of requests answered so far.

    Raises
    ------
    ResourceError
        If the URL is not one.
    Exception
        Whatever `bodies` raised, once requests that were under way have ended.
    """
    host, port = _address(url)
    stop = threading.Event()
    paced = _Paced(bodies, per_second, stop)
    tallies = [Tally() for _ in range(connections)]
    with ThreadPoolExecutor(connections) as pool:
        senders = [pool.submit(_send_all, host, port, paced, tally) for tally in tallies]
        interrupted = _wait(senders, tallies, stop, seconds, progress)
    for sender in senders:
        sender.result()
    if paced.error is not None:
        raise paced.error
    return sum(tallies, Tally(interrupted=interrupted))


def check_answers(url: str) -> None:
    """Raise `ResourceError` when nobody listens at a server's address."""
    try:
        socket.create_connection(_address(url), timeout=_TIMEOUT_SECONDS).close()
    except OSError as error:
        raise ResourceError(
            f"{url}: no server answers there; `tidegauge up BUNDLE` starts one, "
            "--model-url or --dir names another"
        ) from error


def _address(url: str) -> tuple[str, int]:
    try:
        address = urlsplit(url)
        host, port = address.hostname, address.port or http.client.HTTP_PORT
    except ValueError:
        host, port = None, 0
    if host is None or address.scheme != "http":
        raise ResourceError(
            "a server's address looks like http://127.0.0.1:8080", argument=found("url", url, url)
        )
    return host, port


def _wait(
    senders: list["Future[None]"],
    tallies: list[Tally],
    stop: threading.Event,
    seconds: float | None,
    progress: Callable[[int], None] | None,
) -> bool:
    """Wait for the end, the time, or Ctrl-C; returns whether it was that.

    Futures, because `threading.Thread.join` takes a thread for ended when Ctrl-C interrupts it.
    """
    deadline = None if seconds is None else time.monotonic() + seconds
    try:
        is_done = False
        while not is_done:
            is_done = not wait(senders, _REPORT_SECONDS).not_done
            if progress is not None:
                progress(sum(tally.answered for tally in tallies))
            if deadline is not None and time.monotonic() >= deadline:
                stop.set()
    except KeyboardInterrupt:
        return True
    finally:
        stop.set()
        wait(senders)
    return False


def _send_all(host: str, port: int, paced: _Paced, tally: Tally) -> None:
    connection = http.client.HTTPConnection(host, port, timeout=_TIMEOUT_SECONDS)
    for body in paced:
        _send(connection, body, tally)
    connection.close()


def _send(connection: http.client.HTTPConnection, body: bytes, tally: Tally) -> None:
    started = time.monotonic()
    tally.sent += 1
    try:
        connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = response.read()
    except (OSError, http.client.HTTPException) as error:
        connection.close()  # the next request opens a new one
        tally.failures[type(error).__name__] += 1
        return
    if response.status == http.HTTPStatus.OK:
        tally.answered += 1
        tally.seconds.append(time.monotonic() - started)
        return
    tally.failures[f"status {response.status}"] += 1
    tally.message = tally.message or answer.decode(errors="replace")
