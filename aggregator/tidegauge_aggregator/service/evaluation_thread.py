"""The evaluator's thread, as the event loop sees it: work in, results out, one piece at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

__all__ = ["EvaluationThread"]

P = ParamSpec("P")
T = TypeVar("T")


class EvaluationThread:
    """Runs the evaluations in the order of the requests.

    Parameters
    ----------
    executor
        Runs the work, one piece at a time; None for a thread of its own.
    """

    def __init__(self, executor: Executor | None = None) -> None:
        self._executor = executor or ThreadPoolExecutor(1, thread_name_prefix="evaluate")

    async def run(self, work: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        """Do a piece of work and return its result."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, partial(work, *arguments, **named))

    async def close(self) -> None:
        """Finish what was asked for."""
        await asyncio.to_thread(self._executor.shutdown)
