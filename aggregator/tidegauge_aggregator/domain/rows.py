"""The values that pass between the store and its callers: plain values, bytes unchanged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Final

from tidegauge.protocol.pane import Pane

from .accounts import Account, Totals

__all__ = [
    "Accepted",
    "EvaluationRow",
    "Fact",
    "InboxRow",
    "Outcome",
    "SeriesKey",
    "SeriesRow",
    "SumRow",
    "TransitionRow",
]

MAX_UNSAVED_TRANSITIONS: Final = 10_000


@dataclass(frozen=True, slots=True)
class SeriesKey:
    """The key over which counts are merged, never across two of these."""

    model: str
    profile: str
    pane_seconds: int
    shard: int
    shards: int


@dataclass(frozen=True, slots=True)
class SeriesRow:
    """One series as the store holds it.

    Parameters
    ----------
    id
        The store's number for it.
    key
        What it covers.
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
    key: SeriesKey
    created_seconds: float
    evaluated: int = -1
    state: bytes = b""
    baseline: bytes = b""
    report: bytes = b""
    forgotten: Totals = field(default_factory=Totals)


@dataclass(frozen=True, slots=True)
class Fact:
    """One pane to write down."""

    series: int
    pane: Pane
    digest: bytes
    message: bytes
    received_seconds: float


class Outcome(Enum):
    """The outcome of accepting a fact."""

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
    """The stored result of an evaluation; a baseline of None is left unchanged."""

    pane: int
    state: bytes
    baseline: bytes | None
    report: bytes
    transitions: Sequence[TransitionRow]

    def following(self, earlier: EvaluationRow | None) -> EvaluationRow:
        """Return this one, with what of an earlier one could not be saved."""
        if earlier is None:
            return self
        changes = [*earlier.transitions, *self.transitions][-MAX_UNSAVED_TRANSITIONS:]
        return replace(self, baseline=self.baseline or earlier.baseline, transitions=changes)
