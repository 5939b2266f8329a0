"""Wakes a watch: its stored counts become a gauge again, while panes are taken as always.

The store's thread reads bytes, a part at a time; the evaluator's thread builds with them; both are free for
others between two parts. What arrives meanwhile is held apart, and added in the end. Nobody else merges or
forgets what is stored of the watch until then: that is work of the same task (`cycle`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

from tidegauge.monitor.policy import Policy
from tidegauge.profile.profile import Profile
from tidegauge.protocol.pane import Pane
from tidegauge_aggregator.domain.accounts import Totals
from tidegauge_aggregator.domain.blocks import BLOCK_PANES
from tidegauge_aggregator.domain.rows import SumRow, WatchRow
from tidegauge_aggregator.domain.schedule import MAX_CATCH_UP_PANES, last_pane_over
from tidegauge_aggregator.evaluation.building import Building
from tidegauge_aggregator.evaluation.gauge import read_report
from tidegauge_aggregator.store import jobs
from tidegauge_aggregator.store.writer import Writer

from .evaluation_thread import EvaluationThread
from .watch import Watch

__all__ = ["Waker", "read_sums"]


class Waker:
    """Reads watches from the store: without their counts at a start, with them when they wake.

    Parameters
    ----------
    writer
        The store's thread.
    evaluator
        The evaluator's thread.
    """

    def __init__(self, writer: Writer, evaluator: EvaluationThread) -> None:
        self._writer, self._evaluator = writer, evaluator

    # --- asleep ----------------------------------------------------------------------------------------

    async def load_asleep(self, row: WatchRow, profile: Profile) -> Watch:
        """Load accounts and totals only, which need no counts."""
        stored = await self._writer.submit(jobs.read_asleep, row.id)
        report = await self._evaluator.run(read_report, row.report)
        watch = Watch(row, profile, evaluated=row.evaluated, report=report)
        watch.totals.add(Totals(row.forgotten.counted, dict(row.forgotten.lost)))
        for name, account in stored.accounts:
            watch.totals.change(None, account)
            watch.hear(name, account)
            watch.newest = max(watch.newest, account.highest)
        watch.newest_rows = max(stored.newest_rows, await self._newest_with_rows(stored))
        return watch

    async def _newest_with_rows(self, stored: jobs.Asleep) -> int:
        """The newest pane with rows among the messages, -1 for none."""
        newest_first = [number for number, _ in reversed(stored.inbox)]
        for start in range(0, len(newest_first), jobs.PART_ROWS):
            numbers = newest_first[start : start + jobs.PART_ROWS]
            for message in await self._writer.submit(jobs.read_messages, numbers):
                if (await self._evaluator.run(Pane.from_bytes, message.message)).rows:
                    return message.pane
        return -1

    # --- awake -----------------------------------------------------------------------------------------

    async def wake(self, watch: Watch, whole: Profile, policy: Policy, now_seconds: float) -> None:
        """Build the watch's gauge.

        Parameters
        ----------
        watch
            A watch without a gauge.
        whole
            The whole profile.
        policy
            The alarm policy.
        now_seconds
            The time: looks that are too long ago are left out.

        Raises
        ------
        StoreError
            The store cannot be read; the watch is as it was.
        """
        row = await self._writer.submit(jobs.read_watch, watch.row.id)
        if row.evaluated >= 0:
            over = last_pane_over(now_seconds, row.key.pane_seconds)
            row = replace(row, evaluated=max(row.evaluated, over - MAX_CATCH_UP_PANES))
        building = await self._evaluator.run(Building, row, whole, watch.profile, policy)

        def begin(_: list[int]) -> None:
            """Hold apart what comes after these messages; in the event loop."""
            watch.begin_wake(building.new_pods())

        numbers = await self._writer.submit_and_deliver(begin, jobs.read_inbox, row.id)
        try:
            await self._read(building, watch.newest + 1, numbers)
            await self._evaluator.run(building.finish)
        except BaseException:
            watch.give_up_wake()
            raise
        watch.end_wake(building)

    async def _read(self, building: Building, stop: int, numbers: list[int]) -> None:
        for panes in (BLOCK_PANES, 1):
            start = building.oldest_pane // panes * panes
            async for rows in read_sums(self._writer, building.row.id, panes, start, stop):
                await self._evaluator.run(building.add_sums, rows)
        for first in range(0, len(numbers), jobs.PART_ROWS):
            part = numbers[first : first + jobs.PART_ROWS]
            messages = await self._writer.submit(jobs.read_messages, part)
            await self._evaluator.run(building.add_messages, messages)


async def read_sums(
    writer: Writer, watch: int, panes: int, start: int, stop: int
) -> AsyncIterator[list[SumRow]]:
    """Sums of that many panes with ``start <= pane < stop``, in order, a part at a time."""
    is_more = True
    while is_more:
        rows = await writer.submit(jobs.read_sums, watch, panes, start, stop)
        if rows:
            start = rows[-1].pane + 1
            yield rows
        is_more = len(rows) == jobs.PART_ROWS
