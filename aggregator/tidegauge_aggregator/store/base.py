"""The protocol of a durable store. `sqlite.store.SqliteStore` is the embedded one.

Synchronous, used by one thread at a time (`writer.Writer`). It knows no rules: `ledger` has them, for every
store. Every change happens inside `Store.transaction`, which is durable when it is left without an error and
undone when it is left with one. Bytes are kept as they came: what they mean is the business of the callers.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from tidegauge_aggregator.domain.accounts import Account, Totals
from tidegauge_aggregator.domain.rows import (
    EvaluationRow,
    InboxRow,
    SeriesKey,
    SeriesRow,
    SumRow,
    TransitionRow,
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
        """Do all or nothing, durably; raises `StoreError`, `StoreFullError` or `StoreDamagedError`."""

    def close(self) -> None:
        """Leave the store in order."""

    def size_bytes(self) -> int:
        """Return the bytes in use."""

    # profiles
    def profiles(self) -> list[tuple[str, str, bytes]]:
        """Model, hash and document of each profile."""

    def add_profile(self, model: str, profile: str, document: bytes, now_seconds: float) -> None:
        """Keep a profile document."""

    # series
    def all_series(self) -> list[SeriesRow]:
        """Return all series."""

    def series(self, series: int) -> SeriesRow:
        """Return one series."""

    def add_series(self, key: SeriesKey, now_seconds: float) -> SeriesRow:
        """Return the series of this key, new if it is not there."""

    def drop_series(self, series: int) -> None:
        """Forget a series and all that belongs to it."""

    def drop_unused_profiles(self, before_seconds: float) -> list[tuple[str, str]]:
        """Forget profiles which no series uses and which came before; returns model and hash of each."""

    # instances, by name and by number
    def instance(self, series: int, name: str) -> tuple[int, Account] | None:
        """Return an instance's number and account, None where it is not known."""

    def add_instance(self, series: int, name: str, account: Account) -> int:
        """Add an instance; returns its number."""

    def set_account(self, instance: int, account: Account) -> None:
        """Replace an instance's account."""

    def accounts(self, series: int) -> list[tuple[str, Account]]:
        """Instances of a series by name."""

    def silent_instances(self, series: int, before_seconds: float) -> list[tuple[int, Account]]:
        """Instances that were last seen before that time."""

    def drop_instances(self, instances: Sequence[int]) -> None:
        """Forget instances."""

    # accepted panes; `domain.ledger` has the rules
    def digest(self, series: int, pane: int, instance: int) -> bytes | None:
        """Return the digest kept of a pane's message, None for none."""

    def add_digest(
        self, series: int, pane: int, instance: int, digest: bytes, received_seconds: float
    ) -> None:
        """Keep the digest of a pane's message."""

    def digests(self, series: int, before_seconds: float, limit: int) -> list[tuple[int, int]]:
        """Pane and instance of up to `limit` digests received before that time, in this order."""

    def drop_digests(self, series: int, accepted: Sequence[tuple[int, int]]) -> None:
        """Forget digests by pane and instance."""

    def bits(self, series: int, block: int, instance: int) -> bytes:
        """Return the bits of a block of panes, empty for none."""

    def set_bits(self, series: int, block: int, instance: int, bits: bytes) -> None:
        """Keep the bits of a block of panes."""

    # panes
    def add_message(self, series: int, pane: int, message: bytes) -> int:
        """Add a message to the inbox; returns its number, higher than any before."""

    def inbox(self, series: int, after: int = -1) -> list[tuple[int, int]]:
        """Return number and pane of each message not merged yet and of a later pane, in order of pane."""

    def messages(self, ids: Sequence[int]) -> list[InboxRow]:
        """Messages by their numbers in the inbox, in the order asked for."""

    def take_from_inbox(self, ids: Sequence[int]) -> None:
        """Drop messages that have been merged, in the transaction that writes the sum."""

    def sums(self, series: int, panes: int, start: int, stop: int, limit: int) -> list[SumRow]:
        """Return the first `limit` sums of that many panes with ``start <= pane < stop``, in order."""

    def sum_panes(self, series: int, panes: int, stop: int) -> list[int]:
        """Return the first panes of the sums of that many panes with ``pane < stop``, in order."""

    def newest_rows(self, series: int) -> int:
        """Return the newest pane with rows among the sums, -1 for none; of a sum of many panes the last."""

    def put_sum(self, series: int, row: SumRow) -> None:
        """Write a sum, instead of the one that stood there."""

    def drop_sums(self, series: int, panes: int, start: int, stop: int) -> None:
        """Drop sums of that many panes with ``start <= pane < stop``."""

    # evaluations
    def save_evaluation(self, series: int, left: EvaluationRow) -> None:
        """Keep what an evaluation left."""

    def transitions(self, series: int, since_seconds: float, limit: int) -> list[TransitionRow]:
        """Return the changes of verdict, newest first."""

    # housekeeping
    def drop_before(self, series: int, pane: int, block: int, seconds: float) -> None:
        """Forget sums that end before a pane, bits before a block, transitions before a time."""

    def set_forgotten(self, series: int, forgotten: Totals) -> None:
        """Keep the totals of instances that are no longer kept one by one."""
