"""The one thread that touches the store. Group commit: all facts that wait share a transaction and an fsync.

What is queued first happens first, and its outcome reaches the event loop first. Everything the program
keeps in memory beside the store changes in those deliveries, so memory is at each moment the store as it was
after some commit.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from tidegauge_aggregator.domain.rows import Accepted, Fact

from .base import Store, StoreDamagedError
from .ledger import accept

__all__ = ["Writer"]

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")
MAX_GROUP: Final = 512

Deliver = Callable[[Fact, Accepted], None]


class _Write:
    """A fact and who waits for it."""

    __slots__ = ("deliver", "fact", "future")

    def __init__(self, fact: Fact, deliver: Deliver, future: asyncio.Future[Accepted]) -> None:
        self.fact, self.deliver, self.future = fact, deliver, future


class _Job:
    """Anything else, a transaction of its own."""

    __slots__ = ("deliver", "future", "run")

    def __init__(
        self, run: Callable[[Store], Any], deliver: Callable[[Any], None], future: asyncio.Future[Any]
    ) -> None:
        self.run, self.deliver, self.future = run, deliver, future


class Writer:
    """Runs everything that needs the store, in order, in one thread.

    Parameters
    ----------
    store
        The store; nobody else may use it while the writer runs.
    observe_seconds
        Called in the writer's thread with the duration of each transaction.
    """

    def __init__(self, store: Store, observe_seconds: Callable[[float], None]) -> None:
        self._store = store
        self._observe = observe_seconds
        self._queue: queue.SimpleQueue[_Write | _Job | None] = queue.SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name="store", daemon=True)
        self.damaged = False
        self._thread.start()

    async def accept(self, fact: Fact, deliver: Deliver) -> Accepted:
        """Write a fact; once it is durable `deliver` runs in the event loop, even if the caller is gone.

        Raises
        ------
        StoreError
            It was not written.
        """
        future: asyncio.Future[Accepted] = self._loop.create_future()
        self._queue.put(_Write(fact, deliver, future))
        return await future

    def submit(
        self,
        job: Callable[Concatenate[Store, P], T],
        *arguments: P.args,
        **named: P.kwargs,
    ) -> asyncio.Future[T]:
        """Run a job of `store.jobs` in the store's thread, in a transaction of its own."""
        return self.submit_and_deliver(_nothing, job, *arguments, **named)

    def submit_and_deliver(
        self,
        deliver: Callable[[T], None],
        job: Callable[Concatenate[Store, P], T],
        *arguments: P.args,
        **named: P.kwargs,
    ) -> asyncio.Future[T]:
        """`submit`; `deliver` takes the result in the event loop, before that of anything queued later."""
        future: asyncio.Future[T] = self._loop.create_future()
        self._queue.put(_Job(partial(_with_store, job, arguments, named), deliver, future))
        return future

    async def close(self) -> None:
        """Finish what is queued, then close the store."""
        self._queue.put(None)
        await self._loop.run_in_executor(None, self._thread.join)
        self._store.close()

    # --- in the writer's thread ------------------------------------------------------------------------

    def _run(self) -> None:
        running = True
        while running:
            for kind, items in itertools.groupby(self._gather(), key=type):
                if kind is _Write:
                    self._accept([item for item in items if isinstance(item, _Write)])
                    continue
                for item in items:
                    if isinstance(item, _Job):
                        self._do(item)
                    else:
                        running = False

    def _gather(self) -> list[_Write | _Job | None]:
        items = [self._queue.get()]
        while len(items) < MAX_GROUP and not self._queue.empty():
            items.append(self._queue.get())
        return items

    def _accept(self, group: Sequence[_Write]) -> None:
        try:
            accepted = self._transaction(partial(_accept_all, group))
        except Exception as error:
            self._call(self._fail, group, error)
        else:
            self._call(self._deliver, group, accepted)

    def _do(self, job: _Job) -> None:
        try:
            result = self._transaction(job.run)
        except Exception as error:
            self._call(_resolve, job.future, None, error)
        else:
            self._call(self._deliver_job, job, result)

    def _transaction(self, run: Callable[[Store], T]) -> T:
        started = time.perf_counter()
        try:
            with self._store.transaction():
                return run(self._store)
        except StoreDamagedError:
            self.damaged = True
            logger.exception("the store is damaged; a restart moves it aside")
            raise
        finally:
            self._observe(time.perf_counter() - started)

    def _call(self, function: Callable[..., None], *arguments: Any) -> None:
        self._loop.call_soon_threadsafe(function, *arguments)

    # --- in the event loop -----------------------------------------------------------------------------

    @staticmethod
    def _deliver(group: Sequence[_Write], accepted: Sequence[Accepted]) -> None:
        for write, outcome in zip(group, accepted, strict=True):
            write.deliver(write.fact, outcome)
            _resolve(write.future, outcome, None)

    @staticmethod
    def _deliver_job(job: _Job, result: Any) -> None:
        job.deliver(result)
        _resolve(job.future, result, None)

    @staticmethod
    def _fail(group: Sequence[_Write], error: Exception) -> None:
        for write in group:
            _resolve(write.future, None, error)


def _accept_all(group: Sequence[_Write], store: Store) -> list[Accepted]:
    """Write facts down; in the store's thread."""
    return [accept(store, write.fact) for write in group]


def _with_store(job: Callable[..., T], arguments: Sequence[Any], named: Mapping[str, Any], store: Store) -> T:
    """Run a job; in the store's thread."""
    return job(store, *arguments, **named)


def _nothing(_: object) -> None:
    """Take a result that nobody keeps; in the event loop."""


def _resolve(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.done():  # the one who waited is gone
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
