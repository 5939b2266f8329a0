"""Keeping the store small: merges, folds and forgets, a little at each turn, so that no pane waits long."""

from __future__ import annotations

import logging
from functools import partial
from typing import Final

from .compaction import merge_block, merge_pane, old_blocks
from .store import Store, StoreError
from .watch import PaneSum, Watch
from .writer import Writer

__all__ = ["Housekeeper"]

logger = logging.getLogger(__name__)

MERGE_AFTER_SECONDS: Final = 60.0  # most panes of one time are there by then, so that each is merged once
CROWDED_PANES: Final = 24  # with more sums than that in memory, merging does not wait
LEDGER_SECONDS: Final = 3600.0  # so long other bytes under a pane's name are told from the same
FOLD_ROWS: Final = 5000
FORGET_EVERY_SECONDS: Final = 30.0


class Housekeeper:
    """Does what is due for one watch at a time.

    Parameters
    ----------
    writer
        Runs the work.
    retention_seconds
        How long counts and history are kept.
    """

    def __init__(self, writer: Writer, retention_seconds: float) -> None:
        self._writer = writer
        self._retention = retention_seconds
        self._next_forget_seconds: dict[int, float] = {}

    async def tidy(self, watch: Watch, now_seconds: float) -> None:
        """Merge and fold what is old enough, forget what is older than the retention."""
        try:
            if watch.gauge is not None:
                await self._merge_panes(watch, now_seconds)
            if now_seconds >= self._next_forget_seconds.get(watch.row.id, 0.0):
                self._next_forget_seconds[watch.row.id] = now_seconds + FORGET_EVERY_SECONDS
                await self._writer.submit(partial(self._forget, watch=watch, now_seconds=now_seconds))
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
        work = partial(
            merge_pane, watch=watch.row.id, profile=watch.profile, pane=pane, given=given, newest=watch.newest
        )
        try:
            await self._writer.submit(work)
        except BaseException:
            watch.attach(pane, given)
            raise

    def _forget(self, store: Store, watch: Watch, now_seconds: float) -> None:
        """One block, some of the ledger, and all that is older than the retention."""
        # A block that the stored evaluation has not seen could not be told apart from its panes after a
        # restart.
        blocks = old_blocks(store, watch.row.id, watch.newest) if watch.unsaved is None else []
        for block in blocks[:1]:
            merge_block(store, watch.row.id, watch.profile, block)
        store.fold_ledger(watch.row.id, now_seconds - LEDGER_SECONDS, FOLD_ROWS)
        before = now_seconds - self._retention
        store.forget(watch.row.id, int(before // watch.pane_seconds), before)
