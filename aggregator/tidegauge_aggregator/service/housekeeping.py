"""Keeping the store small: merges, folds and forgets, a little at each turn, so that no pane waits long."""

from __future__ import annotations

import logging
from typing import Final

from tidegauge_aggregator.domain.blocks import BLOCK_PANES, block_of, fine_from
from tidegauge_aggregator.domain.pane_sum import PaneSum
from tidegauge_aggregator.evaluation.merging import Merging
from tidegauge_aggregator.store import jobs
from tidegauge_aggregator.store.base import StoreError
from tidegauge_aggregator.store.writer import Writer

from .evaluation_thread import EvaluationThread
from .loading import read_sums
from .series import Series

__all__ = ["Housekeeper"]

logger = logging.getLogger(__name__)

MERGE_AFTER_SECONDS: Final = 60.0  # most panes of one time are there by then, so that each is merged once
CROWDED_PANES: Final = 24  # with more sums than that in memory, merging does not wait
LEDGER_SECONDS: Final = 3600.0  # for so long other bytes under a pane's name are recognised
FORGET_EVERY_SECONDS: Final = 30.0


class Housekeeper:
    """Does what is due for one series at a time.

    Parameters
    ----------
    writer
        The store's thread: reads and writes.
    evaluator
        The evaluator's thread: adds counts up.
    retention_seconds
        How long counts and history are kept.
    """

    def __init__(self, writer: Writer, evaluator: EvaluationThread, retention_seconds: float) -> None:
        self._writer, self._evaluator = writer, evaluator
        self._retention = retention_seconds
        self._next_forget_seconds: dict[int, float] = {}

    async def tidy(self, series: Series, now_seconds: float) -> None:
        """Merge and fold what is old enough, forget what is older than the retention."""
        try:
            if series.monitor is not None:
                await self._merge_panes(series, now_seconds)
            if now_seconds >= self._next_forget_seconds.get(series.row.id, 0.0):
                self._next_forget_seconds[series.row.id] = now_seconds + FORGET_EVERY_SECONDS
                await self._forget(series, now_seconds)
        except StoreError as error:
            logger.warning("the store of %s cannot be tidied now: %s", series.row.key.model, error)

    def drop(self, series: Series) -> None:
        """Stop keeping track of a series that was dropped."""
        self._next_forget_seconds.pop(series.row.id, None)

    async def _merge_panes(self, series: Series, now_seconds: float) -> None:
        old = int((now_seconds - MERGE_AFTER_SECONDS) // series.pane_seconds)
        is_crowded = len(series.sums) > CROWDED_PANES
        for pane in sorted(series.sums):
            if pane <= series.evaluated and (pane < old or is_crowded):
                given = series.detach(pane)
                if given is not None:
                    await self._merge_pane(series, pane, given)

    async def _merge_pane(self, series: Series, pane: int, given: PaneSum) -> None:
        """Replace a pane's messages by their sum; one older than `fine_from` goes straight into its block."""
        is_fine = pane >= fine_from(series.newest)
        first, panes = (pane, 1) if is_fine else (block_of(pane), BLOCK_PANES)
        try:
            merging = Merging(series.profile, first, panes)
            await self._add_stored(merging, series, panes, first, first + 1)
            row = await self._evaluator.run(merging.total, given)
            await self._writer.submit(jobs.replace_messages, series.row.id, given.ids, row)
        except BaseException:
            series.attach(pane, given)
            raise

    async def _merge_block(self, series: Series) -> None:
        """Replace the single panes of the oldest block by their sum."""
        blocks = await self._writer.submit(jobs.old_blocks, series.row.id, series.newest)
        if not blocks:
            return
        first = blocks[0]
        merging = Merging(series.profile, first, BLOCK_PANES)
        await self._add_stored(merging, series, 1, first, first + BLOCK_PANES)
        await self._add_stored(merging, series, BLOCK_PANES, first, first + 1)
        row = await self._evaluator.run(merging.total)
        await self._writer.submit(jobs.replace_panes, series.row.id, row)

    async def _add_stored(self, merging: Merging, series: Series, panes: int, start: int, stop: int) -> None:
        async for rows in read_sums(self._writer, series.row.id, panes, start, stop):
            await self._evaluator.run(merging.add, rows)

    async def _forget(self, series: Series, now_seconds: float) -> None:
        """One block, some of the ledger, and all that is older than the retention."""
        # A block that the stored evaluation has not seen could not be separated from its panes after a
        # restart.
        if series.unsaved is None:
            await self._merge_block(series)
        before = now_seconds - self._retention
        pane = int(before // series.pane_seconds)
        await self._writer.submit(jobs.forget, series.row.id, pane, before, now_seconds - LEDGER_SECONDS)
