"""Events from Kopf, which runs in a thread of its own and is started again whenever it ends.

Kopf ends every task of its event loop when it ends, so it has a thread and a loop of its own, as its
documentation advises. It ends when one watch gets an unexpected answer. For example, an API server that has
restarted answers 404 for a custom resource until it has read its definition again. Then Kopf is started
again; the queue and the known state of the cluster stay.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Final

import kopf

from tidegauge.kit.backoff import Backoff
from tidegauge_operator.kube.client import Credentials
from tidegauge_operator.kube.kopf_setup import IDENTITY, operator_registry, operator_settings, traced_session
from tidegauge_operator.kube.watches import OpenWatches

__all__ = ["Informer"]

Document = dict[str, Any]
Handler = Callable[[str | None, Document], Awaitable[None]]

logger = logging.getLogger(__name__)

OPENING_SECONDS: Final = 15.0
CANCEL_SECONDS: Final = 1.0
LOOK_SECONDS: Final = 1.0
BURST_SECONDS: Final = 0.02
_BACKOFF: Final = Backoff(first_seconds=1.0, most_seconds=30.0, jitter=0.0)


class Informer:
    """Watches all kinds, and passes each event to a handler.

    The methods below the line "in Kopf's thread" run there, all others in the event loop that made this.

    Parameters
    ----------
    namespaces
        Namespaces it serves; empty for all.
    credentials
        Returns how the API server is reached.
    handle
        Called with each event: its type (None for a listed object), its object.
    watches
        Learns which watches are open.
    count_error
        Called with the reason when Kopf ended or an event could not be handled.
    """

    def __init__(
        self,
        namespaces: Sequence[str],
        credentials: Callable[[], Coroutine[Any, Any, Credentials]],
        handle: Handler,
        watches: OpenWatches,
        count_error: Callable[[str], None],
    ) -> None:
        self._namespaces, self._credentials = namespaces, credentials
        self._handle, self._watches, self._count_error = handle, watches, count_error
        self._home = asyncio.get_running_loop()
        self._stopped = asyncio.Event()
        self._end = threading.Event()
        self._failures = 0
        self._events: deque[tuple[str | None, Document]] = deque()
        self._arrived = asyncio.Event()

    async def run(self) -> None:
        """Watch until `stop`."""
        handling = asyncio.create_task(self._handle_events())
        try:
            while not self._stopped.is_set():
                await self._watch_once()
        finally:
            handling.cancel()

    def stop(self) -> None:
        """End the watches for good."""
        self._stopped.set()
        self._end.set()

    def renew(self) -> None:
        """Open the watches again, because new kinds are known."""
        self._end.set()

    async def _handle_events(self) -> None:
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._events:
                event, document = self._events.popleft()
                try:
                    await self._handle(event, document)
                except Exception:  # one object that is not understood must not hide all others
                    self._count_error("EventNotUnderstood")
                    logger.exception("an event could not be handled")

    async def _watch_once(self) -> None:
        """Run Kopf until it ends; after a failure, wait."""
        self._end = threading.Event()
        try:
            await self._run_kopf(self._end)
        except Exception as error:
            self._failures += 1
            self._count_error("WatchesEnded")
            wait_seconds = _BACKOFF.wait_seconds(self._failures, 0.0)
            logger.warning("the watches ended, and are opened again in %g s: %r", wait_seconds, error)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopped.wait(), wait_seconds)

    async def _run_kopf(self, end: threading.Event) -> None:
        """Run Kopf in its thread until the flag `end` is set, and set it when Kopf leaves out a kind.

        Kopf asks once which kinds there are; an API server just come back may not name all of them.
        """
        ended = asyncio.create_task(asyncio.to_thread(lambda: asyncio.run(self._kopf(end))))
        missing, missing_seconds = set[str](), 0.0
        while not (await asyncio.wait({ended}, timeout=LOOK_SECONDS))[0]:
            missing = self._watches.unrequested()
            missing_seconds = missing_seconds + LOOK_SECONDS if missing else 0.0
            if missing_seconds >= OPENING_SECONDS:
                end.set()
            if not self._watches.closed():  # else a kind that stays closed has all others reopened often
                self._failures = 0
        self._watches.close_all()
        ended.result()
        if missing_seconds >= OPENING_SECONDS:
            raise RuntimeError(
                f"not asked for within {OPENING_SECONDS:g} s: the watches of {', '.join(sorted(missing))}"
            )

    # --- in Kopf's thread -------------------------------------------------------------------------------

    async def _kopf(self, end: threading.Event) -> None:
        """Run Kopf until one of its tasks ends, which the flag has it do too."""
        asyncio.get_running_loop().set_exception_handler(_log_left_over)
        try:
            tasks = await kopf.spawn_tasks(
                registry=operator_registry(self._login, self._take),
                settings=operator_settings(bool(self._namespaces)),
                standalone=True,
                identity=IDENTITY,
                clusterwide=not self._namespaces,
                namespaces=self._namespaces,
                stop_flag=end,
            )
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            asked = end.is_set()
        finally:
            end.set()  # Kopf waits for it in one more thread, which would keep this one
            await _end_tasks()
            self._wake()
        for task in done:
            task.result()
        if not asked:
            raise RuntimeError("Kopf ended though nobody asked it to")

    async def _login(self, **_: Any) -> kopf.AiohttpSession:
        given = asyncio.run_coroutine_threadsafe(self._credentials(), self._home)
        return traced_session(await asyncio.wrap_future(given), self._see_answer)

    def _see_answer(self, path: str, is_watch: bool, status: int) -> None:
        self._home.call_soon_threadsafe(self._watches.see_answer, path, is_watch, status)

    async def _take(self, event: Any, **_: Any) -> None:
        self._events.append((event["type"], event["object"]))
        if len(self._events) == 1:  # waking the other loop costs more than an event: once for a burst
            asyncio.get_running_loop().call_later(BURST_SECONDS, self._wake)

    def _wake(self) -> None:
        self._home.call_soon_threadsafe(self._arrived.set)


async def _end_tasks() -> None:
    """End all other tasks of this loop; a watch of Kopf takes its first cancellation for a pause."""
    while others := asyncio.all_tasks() - {asyncio.current_task()}:
        for task in others:
            task.cancel()
        await asyncio.wait(others, timeout=CANCEL_SECONDS)


def _log_left_over(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log the tasks that Kopf leaves when it ends; their failure is the one that it ended with."""
    logger.debug("%s: %r", context["message"], context.get("exception"))
