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
    SeriesKey,
    SeriesRow,
    SumRow,
    TransitionRow,
)

from . import ledger
from .base import Store

__all__ = [
    "PART_ROWS",
    "StoredAccounts",
    "add_profile",
    "add_series",
    "drop_series",
    "drop_unused_profiles",
    "forget",
    "old_blocks",
    "read_accounts",
    "read_all",
    "read_history",
    "read_inbox",
    "read_messages",
    "read_series",
    "read_sums",
    "replace_messages",
    "replace_panes",
    "save_evaluation",
    "size_bytes",
]

PART_ROWS: Final = 64  # sums or messages that are read at once
FOLD_ROWS: Final = 5000


@dataclass(frozen=True, slots=True)
class StoredAccounts:
    """The data of a series that are read at a start.

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


def read_all(store: Store) -> tuple[list[tuple[str, str, bytes]], list[SeriesRow]]:
    """Profiles (model, hash, document) and series."""
    return store.profiles(), store.all_series()


def read_accounts(store: Store, series: int) -> StoredAccounts:
    """Read everything about a series except its counts."""
    newest_rows = store.newest_rows(series)
    return StoredAccounts(store.accounts(series), newest_rows, store.inbox(series, newest_rows))


def read_series(store: Store, series: int) -> SeriesRow:
    """Return one series."""
    return store.series(series)


def read_inbox(store: Store, series: int) -> list[int]:
    """Numbers of the messages that are not merged yet, in order of pane."""
    return [number for number, _ in store.inbox(series)]


def read_messages(store: Store, numbers: Sequence[int]) -> list[InboxRow]:
    """Messages by their numbers."""
    return store.messages(numbers)


def read_sums(store: Store, series: int, panes: int, start: int, stop: int) -> list[SumRow]:
    """Return the first `PART_ROWS` sums of that many panes with ``start <= pane < stop``, in order."""
    return store.sums(series, panes, start, stop, PART_ROWS)


def add_profile(store: Store, model: str, profile: str, document: bytes, now_seconds: float) -> None:
    """Keep a profile document."""
    store.add_profile(model, profile, document, now_seconds)


def add_series(store: Store, key: SeriesKey, now_seconds: float) -> SeriesRow:
    """Return the series of this key, new if it is not there."""
    return store.add_series(key, now_seconds)


def drop_series(store: Store, series: int) -> None:
    """Forget a series and all that belongs to it."""
    store.drop_series(series)


def drop_unused_profiles(store: Store, before_seconds: float) -> list[tuple[str, str]]:
    """Forget profiles which no series uses and which came before; returns model and hash of each."""
    return store.drop_unused_profiles(before_seconds)


def size_bytes(store: Store) -> int:
    """Return the bytes in use."""
    return store.size_bytes()


def save_evaluation(store: Store, series: int, row: EvaluationRow) -> None:
    """Keep what an evaluation left."""
    store.save_evaluation(series, row)


def read_history(
    store: Store, all_series: Sequence[int], since_seconds: float, limit: int
) -> list[TransitionRow]:
    """Return the changes of verdict of several series, each one's newest first."""
    return [row for series in all_series for row in store.transitions(series, since_seconds, limit)]


def replace_messages(store: Store, series: int, numbers: Sequence[int], row: SumRow) -> None:
    """Write the sum that a pane's messages were merged into, and drop them."""
    store.take_from_inbox(numbers)
    store.put_sum(series, row)


def old_blocks(store: Store, series: int, newest: int) -> list[int]:
    """Return the first panes of the blocks whose panes are still kept one by one although they are old."""
    return sorted({block_of(pane) for pane in store.sum_panes(series, 1, fine_from(newest))})


def replace_panes(store: Store, series: int, row: SumRow) -> None:
    """Write a block's sum, and drop the single panes that were merged into it."""
    store.drop_sums(series, 1, row.pane, row.pane + BLOCK_PANES)
    store.put_sum(series, row)


def forget(store: Store, series: int, before_pane: int, before_seconds: float, fold_seconds: float) -> None:
    """Fold a part of the ledger, and forget all that is older than the retention."""
    ledger.fold_ledger(store, series, fold_seconds, FOLD_ROWS)
    ledger.forget(store, series, before_pane, before_seconds)
