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
from .waking import read_sums
from .watch import Watch

__all__ = ["Housekeeper"]

logger = logging.getLogger(__name__)

MERGE_AFTER_SECONDS: Final = 60.0  # most panes of one time are there by then, so that each is merged once
CROWDED_PANES: Final = 24  # with more sums than that in memory, merging does not wait
LEDGER_SECONDS: Final = 3600.0  # for so long other bytes under a pane's name are recognised
FORGET_EVERY_SECONDS: Final = 30.0


class Housekeeper:
    """Does what is due for one watch at a time.

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

    async def tidy(self, watch: Watch, now_seconds: float) -> None:
        """Merge and fold what is old enough, forget what is older than the retention."""
        try:
            if watch.gauge is not None:
                await self._merge_panes(watch, now_seconds)
            if now_seconds >= self._next_forget_seconds.get(watch.row.id, 0.0):
                self._next_forget_seconds[watch.row.id] = now_seconds + FORGET_EVERY_SECONDS
                await self._forget(watch, now_seconds)
        except StoreError as error:
            logger.warning("the store of %s cannot be tidied now: %s", watch.row.key.model, error)

    def drop(self, watch: Watch) -> None:
        """Stop keeping track of a watch that was dropped."""
        self._next_forget_seconds.pop(watch.row.id, None)

    async def _merge_panes(self, watch: Watch, now_seconds: float) -> None:
        old = int((now_seconds - MERGE_AFTER_SECONDS) // watch.pane_seconds)
        is_crowded = len(watch.sums) > CROWDED_PANES
        for pane in sorted(watch.sums):
            if pane <= watch.evaluated and (pane < old or is_crowded):
                given = watch.detach(pane)
                if given is not None:
                    await self._merge_pane(watch, pane, given)

    async def _merge_pane(self, watch: Watch, pane: int, given: PaneSum) -> None:
        """Replace a pane's messages by their sum; one older than `fine_from` goes straight into its block."""
        is_fine = pane >= fine_from(watch.newest)
        first, panes = (pane, 1) if is_fine else (block_of(pane), BLOCK_PANES)
        try:
            merging = Merging(watch.profile, first, panes)
            await self._add_stored(merging, watch, panes, first, first + 1)
            row = await self._evaluator.run(merging.total, given)
            await self._writer.submit(jobs.replace_messages, watch.row.id, given.ids, row)
        except BaseException:
            watch.attach(pane, given)
            raise

    async def _merge_block(self, watch: Watch) -> None:
        """Replace the single panes of the oldest block by their sum."""
        blocks = await self._writer.submit(jobs.old_blocks, watch.row.id, watch.newest)
        if not blocks:
            return
        first = blocks[0]
        merging = Merging(watch.profile, first, BLOCK_PANES)
        await self._add_stored(merging, watch, 1, first, first + BLOCK_PANES)
        await self._add_stored(merging, watch, BLOCK_PANES, first, first + 1)
        row = await self._evaluator.run(merging.total)
        await self._writer.submit(jobs.replace_panes, watch.row.id, row)

    async def _add_stored(self, merging: Merging, watch: Watch, panes: int, start: int, stop: int) -> None:
        async for rows in read_sums(self._writer, watch.row.id, panes, start, stop):
            await self._evaluator.run(merging.add, rows)

    async def _forget(self, watch: Watch, now_seconds: float) -> None:
        """One block, some of the ledger, and all that is older than the retention."""
        # A block that the stored evaluation has not seen could not be separated from its panes after a
        # restart.
        if watch.unsaved is None:
            await self._merge_block(watch)
        before = now_seconds - self._retention
        pane = int(before // watch.pane_seconds)
        await self._writer.submit(jobs.forget, watch.row.id, pane, before, now_seconds - LEDGER_SECONDS)
