"""What the aggregator needs of a durable store. `sqlite.store.SqliteStore` is the embedded one.

Synchronous, used by one thread at a time (`writer.Writer`). Every change happens inside `Store.transaction`,
which is durable when it is left without an error and undone when it is left with one. Bytes are kept as they
came: what they mean is the business of the callers.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from tidegauge_aggregator.domain.accounts import Account
from tidegauge_aggregator.domain.rows import (
    Accepted,
    EvaluationRow,
    Fact,
    InboxRow,
    SumRow,
    TransitionRow,
    WatchKey,
    WatchRow,
)

__all__ = ["Store", "StoreDamagedError", "StoreError", "StoreFullError"]


class StoreError(Exception):
    """The store could not do it now; nothing of the transaction happened."""


class StoreFullError(StoreError):
    """There is no room on the disk."""


class StoreDamagedError(StoreError):
    """The store's file is damaged; only a new start, which moves it aside, helps."""


class Store(Protocol):
    """A durable store."""

    def transaction(self) -> AbstractContextManager[None]:
        """All or nothing; durable at the end. Raises `StoreError`, `StoreFullError`, `StoreDamagedError`."""

    def close(self) -> None:
        """Leave the store in order."""

    def size_bytes(self) -> int:
        """Bytes in use."""

    # profiles
    def profiles(self) -> list[tuple[str, str, bytes]]:
        """Model, hash and document of each profile."""

    def add_profile(self, model: str, profile: str, document: bytes, now_seconds: float) -> None:
        """Keep a profile document."""

    # watches
    def watches(self) -> list[WatchRow]:
        """All watches."""

    def watch(self, watch: int) -> WatchRow:
        """One watch."""

    def add_watch(self, key: WatchKey, now_seconds: float) -> WatchRow:
        """The watch of this key, new if it is not there."""

    def drop_watch(self, watch: int) -> None:
        """Forget a watch and all that belongs to it."""

    def drop_unused_profiles(self, before_seconds: float) -> list[tuple[str, str]]:
        """Forget profiles which no watch uses and which came before; returns model and hash of each."""

    # panes
    def accept(self, fact: Fact) -> Accepted:
        """Write a pane down unless it is there already."""

    def accounts(self, watch: int) -> list[tuple[str, Account]]:
        """Instances of a watch by name."""

    def inbox(self, watch: int, after: int = -1) -> list[tuple[int, int]]:
        """Number and pane of each message that is not merged yet and of a later pane, in order of pane."""

    def messages(self, ids: Sequence[int]) -> list[InboxRow]:
        """Messages by their numbers in the inbox, in the order asked for."""

    def take_from_inbox(self, ids: Sequence[int]) -> None:
        """Drop messages that have been merged, in the transaction that writes the sum."""

    def sums(self, watch: int, panes: int, start: int, stop: int, limit: int) -> list[SumRow]:
        """The first `limit` sums of that many panes with ``start <= pane < stop``, in order."""

    def sum_panes(self, watch: int, panes: int, stop: int) -> list[int]:
        """First panes of the sums of that many panes with ``pane < stop``, in order."""

    def newest_rows(self, watch: int) -> int:
        """The newest pane with rows among the sums, -1 for none; of a sum of several panes the last."""

    def put_sum(self, watch: int, row: SumRow) -> None:
        """Write a sum, instead of the one that stood there."""

    def drop_sums(self, watch: int, panes: int, start: int, stop: int) -> None:
        """Drop sums of that many panes with ``start <= pane < stop``."""

    # evaluations
    def save_evaluation(self, watch: int, left: EvaluationRow) -> None:
        """Keep what an evaluation left."""

    def transitions(self, watch: int, since_seconds: float, limit: int) -> list[TransitionRow]:
        """Changes of verdict, newest first."""

    # housekeeping
    def fold_ledger(self, watch: int, before_seconds: float, limit: int) -> int:
        """Keep of panes received before that time only *that* they came; returns how many."""

    def forget(self, watch: int, before_pane: int, before_seconds: float) -> None:
        """Forget panes, transitions and instances older than that."""
