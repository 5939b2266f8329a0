"""What the aggregator needs of a durable store. `sqlite.SqliteStore` is the embedded one.

Synchronous, used by one thread at a time (`writer.Writer`). Every change happens inside `Store.transaction`,
which is durable when it is left without an error and undone when it is left with one. Bytes are kept as they
came: what they mean is the business of the callers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Final, Protocol

from tidegauge.protocol.pane import Pane

from .accounts import Account, Totals

__all__ = [
    "Accepted",
    "EvaluationRow",
    "Fact",
    "InboxRow",
    "Outcome",
    "Store",
    "StoreDamagedError",
    "StoreError",
    "StoreFullError",
    "SumRow",
    "TransitionRow",
    "WatchKey",
    "WatchRow",
]


MAX_UNSAVED_TRANSITIONS: Final = 10_000


class StoreError(Exception):
    """The store could not do it now; nothing of the transaction happened."""


class StoreFullError(StoreError):
    """There is no room on the disk."""


class StoreDamagedError(StoreError):
    """The store's file is damaged; only a new start, which moves it aside, helps."""


@dataclass(frozen=True, slots=True)
class WatchKey:
    """What counts are merged over: never across two of these."""

    model: str
    profile: str
    pane_seconds: int
    shard: int
    shards: int


@dataclass(frozen=True, slots=True)
class WatchRow:
    """One watch as it stands in the store.

    Parameters
    ----------
    id
        The store's number for it.
    key
        What it watches.
    created_seconds
        When its first pane came.
    evaluated
        The last pane that was evaluated, -1 for none.
    state, baseline, report
        What the evaluation of that pane left; empty for none.
    forgotten
        Totals of instances that are no longer kept one by one.
    """

    id: int
    key: WatchKey
    created_seconds: float
    evaluated: int = -1
    state: bytes = b""
    baseline: bytes = b""
    report: bytes = b""
    forgotten: Totals = field(default_factory=Totals)


@dataclass(frozen=True, slots=True)
class Fact:
    """One pane as it is to be written down."""

    watch: int
    pane: Pane
    digest: bytes
    message: bytes
    received_seconds: float


class Outcome(Enum):
    """What accepting a fact came to."""

    COUNTED = "counted"
    KNOWN = "known"
    CONFLICT = "conflict"


@dataclass(frozen=True, slots=True)
class Accepted:
    """Outcome of one fact, and the account it changed; `inbox` is its row's number there."""

    outcome: Outcome
    before: Account | None = None
    after: Account | None = None
    inbox: int = 0


@dataclass(frozen=True, slots=True)
class InboxRow:
    """A pane message that is not merged yet."""

    id: int
    pane: int
    message: bytes


@dataclass(frozen=True, slots=True)
class SumRow:
    """Merged counts of `panes` panes from `pane` on."""

    pane: int
    panes: int
    rows: int
    lost: int
    counts: bytes


@dataclass(frozen=True, slots=True)
class TransitionRow:
    """One change of a verdict."""

    pane: int
    time_seconds: float
    body: bytes


@dataclass(frozen=True, slots=True)
class EvaluationRow:
    """What an evaluation leaves; a baseline of None stays as it is."""

    pane: int
    state: bytes
    baseline: bytes | None
    report: bytes
    transitions: Sequence[TransitionRow]

    def following(self, earlier: EvaluationRow | None) -> EvaluationRow:
        """This one, with what of an earlier one could not be saved."""
        if earlier is None:
            return self
        changes = [*earlier.transitions, *self.transitions][-MAX_UNSAVED_TRANSITIONS:]
        return replace(self, baseline=self.baseline or earlier.baseline, transitions=changes)


class Store(Protocol):
    """A durable store."""

    def transaction(self) -> AbstractContextManager[None]:
        """All or nothing; durable at the end. Raises `StoreError`, `StoreFullError`, `StoreDamagedError`."""

    def close(self) -> None:
        """Leave the store in order."""

    def size_bytes(self) -> int:
        """Bytes in use."""

    # profiles
    def profiles(self) -> Iterator[tuple[str, str, bytes]]:
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

    def accounts(self, watch: int) -> Iterator[tuple[str, Account]]:
        """Instances of a watch by name."""

    def inbox(self, watch: int) -> Iterator[InboxRow]:
        """Messages that are not merged yet, in order of pane."""

    def take_from_inbox(self, ids: Sequence[int]) -> None:
        """Drop messages that have been merged, in the transaction that writes the sum."""

    def sums(self, watch: int, panes: int, start: int, stop: int) -> Iterator[SumRow]:
        """Sums of that many panes with ``start <= pane < stop``, in order."""

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
