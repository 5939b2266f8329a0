"""Loads a series: its stored counts become a monitor again, while panes are taken as always.

The store's thread reads bytes, a part at a time; the evaluator's thread builds with them; both are free for
others between two parts. What arrives meanwhile is held apart, and added in the end. Nobody else merges or
forgets what is stored of the series until then: that is work of the same task (`scheduler`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

from tidegauge.monitor.policy import Policy
from tidegauge.profile.profile import Profile
from tidegauge.protocol.pane import Pane
from tidegauge_aggregator.domain.accounts import Totals
from tidegauge_aggregator.domain.blocks import BLOCK_PANES
from tidegauge_aggregator.domain.rows import SeriesRow, SumRow
from tidegauge_aggregator.domain.schedule import MAX_CATCH_UP_PANES, last_pane_over
from tidegauge_aggregator.evaluation.building import Building
from tidegauge_aggregator.evaluation.series_monitor import read_report
from tidegauge_aggregator.store import jobs
from tidegauge_aggregator.store.writer import Writer

from .evaluation_thread import EvaluationThread
from .series import Series

__all__ = ["Loader", "read_sums"]


class Loader:
    """Reads series from the store: without their counts at a start, with them when they are evaluated.

    Parameters
    ----------
    writer
        The store's thread.
    evaluator
        The evaluator's thread.
    """

    def __init__(self, writer: Writer, evaluator: EvaluationThread) -> None:
        self._writer, self._evaluator = writer, evaluator

    # --- unloaded ----------------------------------------------------------------------------------------

    async def load_accounts(self, row: SeriesRow, profile: Profile) -> Series:
        """Load accounts and totals only, which need no counts."""
        stored = await self._writer.submit(jobs.read_accounts, row.id)
        report = await self._evaluator.run(read_report, row.report)
        series = Series(row, profile, evaluated=row.evaluated, report=report)
        series.totals.add(Totals(row.forgotten.counted, dict(row.forgotten.lost)))
        for name, account in stored.accounts:
            series.totals.change(None, account)
            series.see(name, account)
            series.newest = max(series.newest, account.highest)
        series.newest_rows = max(stored.newest_rows, await self._newest_with_rows(stored))
        return series

    async def _newest_with_rows(self, stored: jobs.StoredAccounts) -> int:
        """The newest pane with rows among the messages, -1 for none."""
        newest_first = [number for number, _ in reversed(stored.inbox)]
        for start in range(0, len(newest_first), jobs.PART_ROWS):
            numbers = newest_first[start : start + jobs.PART_ROWS]
            for message in await self._writer.submit(jobs.read_messages, numbers):
                if (await self._evaluator.run(Pane.from_bytes, message.message)).rows:
                    return message.pane
        return -1

    # --- loaded -----------------------------------------------------------------------------------------

    async def load(self, series: Series, whole: Profile, policy: Policy, now_seconds: float) -> None:
        """Build the series' monitor.

        Parameters
        ----------
        series
            A series without a monitor.
        whole
            The whole profile.
        policy
            The alarm policy.
        now_seconds
            The time: looks that are too long ago are left out.

        Raises
        ------
        StoreError
            The store cannot be read; the series is as it was.
        """
        row = await self._writer.submit(jobs.read_series, series.row.id)
        if row.evaluated >= 0:
            over = last_pane_over(now_seconds, row.key.pane_seconds)
            row = replace(row, evaluated=max(row.evaluated, over - MAX_CATCH_UP_PANES))
        building = await self._evaluator.run(Building, row, whole, series.profile, policy)

        def begin(_: list[int]) -> None:
            """Hold apart what comes after these messages; in the event loop."""
            series.begin_load(building.new_pods())

        numbers = await self._writer.submit_and_deliver(begin, jobs.read_inbox, row.id)
        try:
            await self._read(building, series.newest + 1, numbers)
            await self._evaluator.run(building.finish)
        except BaseException:
            series.give_up_load()
            raise
        series.end_load(building)

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
    writer: Writer, series: int, panes: int, start: int, stop: int
) -> AsyncIterator[list[SumRow]]:
    """Sums of that many panes with ``start <= pane < stop``, in order, a part at a time."""
    is_more = True
    while is_more:
        rows = await writer.submit(jobs.read_sums, series, panes, start, stop)
        if rows:
            start = rows[-1].pane + 1
            yield rows
        is_more = len(rows) == jobs.PART_ROWS
