"""Merging in the store: messages of a pane into a sum, old sums into blocks. Runs in the writer's thread.

Counts add, so this loses nothing but who sent what. Each step is one transaction: messages go when their sum
is written.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tidegauge.counting.counts import Accumulator, Counts
from tidegauge.profile.profile import Profile

from .store import Store, SumRow
from .watch import PaneSum

__all__ = ["BLOCK_PANES", "FINE_PANES", "block_of", "fine_from", "merge_block", "merge_pane", "old_blocks"]

BLOCK_PANES: Final = 256
FINE_PANES: Final = 9 * BLOCK_PANES  # 6.4 h of panes of 10 s are kept one by one


def fine_from(newest: int) -> int:
    """The first pane that is kept by itself; all before it are in blocks."""
    return block_of(newest - FINE_PANES)


def block_of(pane: int) -> int:
    """First pane of the block that a pane is in."""
    return max(0, pane) // BLOCK_PANES * BLOCK_PANES


def merge_pane(store: Store, watch: int, profile: Profile, pane: int, given: PaneSum, newest: int) -> None:
    """Replace a pane's messages by their sum; a pane older than `fine_from` goes straight into its block."""
    store.take_from_inbox(given.ids)
    panes, first = (1, pane) if pane >= fine_from(newest) else (BLOCK_PANES, block_of(pane))
    total = Accumulator(profile)
    total.add_counts(given.counts())
    rows, lost = _add_stored(total, store.sums(watch, panes, first, first + 1))
    row = SumRow(first, panes, given.rows + rows, given.lost + lost, total.counts().to_bytes())
    store.put_sum(watch, row)


def old_blocks(store: Store, watch: int, newest: int) -> list[int]:
    """First panes of the blocks whose panes still stand one by one although they are old."""
    return sorted({block_of(pane) for pane in store.sum_panes(watch, 1, fine_from(newest))})


def merge_block(store: Store, watch: int, profile: Profile, first: int) -> None:
    """Replace a block's single panes by their sum."""
    total = Accumulator(profile)
    rows, lost = _add_stored(total, store.sums(watch, 1, first, first + BLOCK_PANES))
    more_rows, more_lost = _add_stored(total, store.sums(watch, BLOCK_PANES, first, first + 1))
    store.drop_sums(watch, 1, first, first + BLOCK_PANES)
    counts = total.counts().to_bytes()
    store.put_sum(watch, SumRow(first, BLOCK_PANES, rows + more_rows, lost + more_lost, counts))


def _add_stored(total: Accumulator, stored: Iterator[SumRow]) -> tuple[int, int]:
    rows = lost = 0
    for row in stored:
        total.add_counts(Counts.from_bytes(row.counts, total.profile))
        rows, lost = rows + row.rows, lost + row.lost
    return rows, lost
