"""Micro-batching: rows of many requests, predicted together in one worker thread.

For models that are slow per call: while one call runs, the next requests gather; the event loop never waits.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from typing import Any, TypeAlias, TypeVar

from tidegauge_serving.models.base import Predictions
from tidegauge_serving.rows.schema import Block

__all__ = ["Batcher"]

_T = TypeVar("_T")
_Batch: TypeAlias = "Future[list[Predictions | Exception]]"


class Batcher:
    """Gathers blocks and predicts them together.

    Parameters
    ----------
    predict
        Predicts a block; runs in the worker thread, one call at a time.
    batch_rows
        Most rows of a batch, unless one request alone has more.
    wait_seconds
        How long the first request waits for others while the worker is idle; at 0 it waits for those that
        arrive in the same turn of the event loop.
    """

    def __init__(self, predict: Callable[[Block], Predictions], batch_rows: int, wait_seconds: float) -> None:
        self._predict = predict
        self._batch_rows = batch_rows
        self._wait_seconds = wait_seconds
        self._waiting: deque[tuple[Block, asyncio.Future[Predictions]]] = deque()
        self._waiting_rows = 0
        self._busy = False
        self._timer: asyncio.Handle | None = None
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="predict")

    def submit(self, block: Block) -> "asyncio.Future[Predictions]":
        """Return a future of the block's predictions; it raises what the model raised at this block."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Predictions] = loop.create_future()
        self._waiting.append((block, future))
        self._waiting_rows += len(block)
        if self._busy:
            return future
        if self._waiting_rows >= self._batch_rows:
            self._start(loop)
        elif self._timer is None:
            self._timer = loop.call_later(self._wait_seconds, self._start, loop)
        return future

    async def run(self, work: Callable[..., _T], *arguments: Any) -> _T:
        """Do other work with the model in the worker thread, between two batches."""
        return await asyncio.get_running_loop().run_in_executor(self._worker, work, *arguments)

    def close(self) -> None:
        """End the worker thread."""
        self._worker.shutdown(wait=False, cancel_futures=True)

    def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        batch = self._take()
        self._busy = True
        work = self._worker.submit(self._run, [block for block, _ in batch])
        futures = [future for _, future in batch]
        work.add_done_callback(partial(self._hand_over, loop, futures))

    def _take(self) -> list[tuple[Block, "asyncio.Future[Predictions]"]]:
        batch = [self._waiting.popleft()]
        rows = len(batch[0][0])
        while self._waiting and rows + len(self._waiting[0][0]) <= self._batch_rows:
            batch.append(self._waiting.popleft())
            rows += len(batch[-1][0])
        self._waiting_rows -= rows
        return batch

    def _hand_over(
        self, loop: asyncio.AbstractEventLoop, futures: Sequence["asyncio.Future[Predictions]"], done: _Batch
    ) -> None:
        """In the worker's thread: let the loop finish the batch."""
        loop.call_soon_threadsafe(self._finish, loop, futures, done)

    def _finish(
        self, loop: asyncio.AbstractEventLoop, futures: Sequence["asyncio.Future[Predictions]"], done: _Batch
    ) -> None:
        """In the loop: give each request its own result, and start what waits."""
        self._busy = False
        if self._waiting:
            self._start(loop)
        for future, result in zip(futures, done.result(), strict=True):
            if future.done():
                continue
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)

    def _run(self, blocks: Sequence[Block]) -> list[Predictions | Exception]:
        """In the worker thread. A batch that fails is asked block by block: none fails for another."""
        try:
            together = self._predict(Block.join(blocks))
        except Exception as error:  # whatever the model raises belongs to the request that caused it
            if len(blocks) == 1:
                return [error]
            return [result for block in blocks for result in self._run([block])]
        ends = [0]
        for block in blocks:
            ends.append(ends[-1] + len(block))
        return [together[slice(start, end)] for start, end in pairwise(ends)]
