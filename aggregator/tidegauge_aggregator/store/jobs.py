"""Jobs for the store: each runs in the store's thread, in one transaction, I/O alone.

None works for long: where much is to be read, it is read in parts, and panes are accepted in between.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tidegauge_aggregator.domain.accounts import Account
from tidegauge_aggregator.domain.blocks import BLOCK_PANES, block_of, fine_from
from tidegauge_aggregator.domain.rows import (
    EvaluationRow,
    InboxRow,
    SumRow,
    TransitionRow,
    WatchKey,
    WatchRow,
)

from . import ledger
from .base import Store

__all__ = [
    "PART_ROWS",
    "Asleep",
    "add_profile",
    "add_watch",
    "drop_unused_profiles",
    "drop_watch",
    "forget",
    "old_blocks",
    "read_all",
    "read_asleep",
    "read_history",
    "read_inbox",
    "read_messages",
    "read_sums",
    "read_watch",
    "replace_messages",
    "replace_panes",
    "save_evaluation",
    "size_bytes",
]

PART_ROWS: Final = 64  # sums or messages that are read at once
FOLD_ROWS: Final = 5000


@dataclass(frozen=True, slots=True)
class Asleep:
    """The data of a watch that are read at a start.

    Parameters
    ----------
    accounts
        Instances by name.
    newest_rows
        The newest pane with rows among the sums, -1 for none.
    inbox
        Number and pane of each message of a later pane, in order of pane.
    """

    accounts: Sequence[tuple[str, Account]]
    newest_rows: int
    inbox: Sequence[tuple[int, int]]


def read_all(store: Store) -> tuple[list[tuple[str, str, bytes]], list[WatchRow]]:
    """Profiles (model, hash, document) and watches."""
    return store.profiles(), store.watches()


def read_asleep(store: Store, watch: int) -> Asleep:
    """Read everything about a watch except its counts."""
    newest_rows = store.newest_rows(watch)
    return Asleep(store.accounts(watch), newest_rows, store.inbox(watch, newest_rows))


def read_watch(store: Store, watch: int) -> WatchRow:
    """One watch."""
    return store.watch(watch)


def read_inbox(store: Store, watch: int) -> list[int]:
    """Numbers of the messages that are not merged yet, in order of pane."""
    return [number for number, _ in store.inbox(watch)]


def read_messages(store: Store, numbers: Sequence[int]) -> list[InboxRow]:
    """Messages by their numbers."""
    return store.messages(numbers)


def read_sums(store: Store, watch: int, panes: int, start: int, stop: int) -> list[SumRow]:
    """The first `PART_ROWS` sums of that many panes with ``start <= pane < stop``, in order."""
    return store.sums(watch, panes, start, stop, PART_ROWS)


def add_profile(store: Store, model: str, profile: str, document: bytes, now_seconds: float) -> None:
    """Keep a profile document."""
    store.add_profile(model, profile, document, now_seconds)


def add_watch(store: Store, key: WatchKey, now_seconds: float) -> WatchRow:
    """The watch of this key, new if it is not there."""
    return store.add_watch(key, now_seconds)


def drop_watch(store: Store, watch: int) -> None:
    """Forget a watch and all that belongs to it."""
    store.drop_watch(watch)


def drop_unused_profiles(store: Store, before_seconds: float) -> list[tuple[str, str]]:
    """Forget profiles which no watch uses and which came before; returns model and hash of each."""
    return store.drop_unused_profiles(before_seconds)


def size_bytes(store: Store) -> int:
    """Bytes in use."""
    return store.size_bytes()


def save_evaluation(store: Store, watch: int, row: EvaluationRow) -> None:
    """Keep what an evaluation left."""
    store.save_evaluation(watch, row)


def read_history(
    store: Store, watches: Sequence[int], since_seconds: float, limit: int
) -> list[TransitionRow]:
    """Changes of verdict of several watches, each one's newest first."""
    return [row for watch in watches for row in store.transitions(watch, since_seconds, limit)]


def replace_messages(store: Store, watch: int, numbers: Sequence[int], row: SumRow) -> None:
    """Write the sum that a pane's messages were merged into, and drop them."""
    store.take_from_inbox(numbers)
    store.put_sum(watch, row)


def old_blocks(store: Store, watch: int, newest: int) -> list[int]:
    """First panes of the blocks whose panes are still kept one by one although they are old."""
    return sorted({block_of(pane) for pane in store.sum_panes(watch, 1, fine_from(newest))})


def replace_panes(store: Store, watch: int, row: SumRow) -> None:
    """Write a block's sum, and drop the single panes that were merged into it."""
    store.drop_sums(watch, 1, row.pane, row.pane + BLOCK_PANES)
    store.put_sum(watch, row)


def forget(store: Store, watch: int, before_pane: int, before_seconds: float, fold_seconds: float) -> None:
    """Fold a part of the ledger, and forget all that is older than the retention."""
    ledger.fold_ledger(store, watch, fold_seconds, FOLD_ROWS)
    ledger.forget(store, watch, before_pane, before_seconds)
