"""Who answered how many rows, and what became of them: the account of one instance, and their sum.

An instance says in each pane how many rows it had answered before (`rows_before`, `lost_before`). Rows
answered up to its newest pane, less the rows counted here and the rows it reported as lost, are rows that
this store does not hold: an earlier disk held them. They are lost for the reason `store`, so that always::

    rows answered = rows counted + rows lost
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from tidegauge.protocol.names import Lost
from tidegauge.protocol.pane import Pane

__all__ = ["OTHER", "Account", "Totals"]

OTHER: Final = "other"  # a reason that this version does not know: one label, however many there are
_REASONS: Final = frozenset(reason.value for reason in Lost)


@dataclass(frozen=True, slots=True)
class Account:
    """The totals that one instance has sent.

    Parameters
    ----------
    pod
        The pod's name for people.
    highest
        Its newest pane here.
    last_seen_seconds
        When a pane of it was last accepted, seconds since the epoch.
    final
        Whether its newest pane said that it ends.
    answered
        Rows it had answered by the end of its newest pane, by its own account.
    counted
        Rows counted here.
    lost
        Rows it reported as lost, by reason.
    """

    pod: str
    highest: int
    last_seen_seconds: float
    final: bool
    answered: int
    counted: int
    lost: Mapping[str, int]

    @property
    def lost_with_store(self) -> int:
        """Rows that an earlier store held and this one does not.

        Out of order it also counts panes that are still on their way, until they are here.
        """
        return max(0, self.answered - self.counted - sum(self.lost.values()))

    @staticmethod
    def after(before: Account | None, pane: Pane, now_seconds: float) -> Account:
        """Return the account once this pane has been accepted; panes may come in any order."""
        lost = dict(before.lost) if before else {}
        for named, rows in pane.lost.items():
            reason = named if named in _REASONS else OTHER
            lost[reason] = lost.get(reason, 0) + rows
        counted = pane.rows + (before.counted if before else 0)
        if before is not None and before.highest > pane.pane:
            return Account(
                before.pod, before.highest, now_seconds, before.final, before.answered, counted, lost
            )
        answered = pane.rows_before + pane.lost_before + pane.rows + sum(pane.lost.values())
        return Account(pane.pod, pane.pane, now_seconds, pane.final, answered, counted, lost)


@dataclass(slots=True)
class Totals:
    """Rows counted and lost over all instances, kept up by differences."""

    counted: int = 0
    lost: dict[str, int] = field(default_factory=dict)

    def change(self, before: Account | None, after: Account | None) -> None:
        """Replace one instance's account by its next one."""
        for account, sign in ((before, -1), (after, 1)):
            if account is not None:
                self.counted += sign * account.counted
                for reason, rows in (*account.lost.items(), (Lost.STORE.value, account.lost_with_store)):
                    self._add(reason, sign * rows)

    def add(self, other: Totals) -> None:
        """Add another total."""
        self.counted += other.counted
        for reason, rows in other.lost.items():
            self._add(reason, rows)

    def _add(self, reason: str, rows: int) -> None:
        total = self.lost.get(reason, 0) + rows
        if total:
            self.lost[reason] = total
        else:
            self.lost.pop(reason, None)
