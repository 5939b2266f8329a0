"""The tables of instances and of accepted panes."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Any, Final

from tidegauge_aggregator.domain.accounts import Account

__all__ = ["LEDGER_TABLES", "LedgerTables"]

LEDGER_TABLES: Final = ("instances", "ledger", "ledger_blocks")
_ACCOUNT: Final = "pod, highest, heard, final, answered, counted, lost"


class LedgerTables:
    """The part of the SQLite store that knows instances; `store.base.Store` says what each method does."""

    _db: sqlite3.Connection

    # --- instances -------------------------------------------------------------------------------------

    def instance(self, series: int, name: str) -> tuple[int, Account] | None:
        """Return an instance's number and account."""
        row = self._db.execute(
            f"SELECT id, {_ACCOUNT} FROM instances WHERE watch = ? AND name = ?", (series, name)
        ).fetchone()
        return (row[0], _account(row[1:])) if row else None

    def add_instance(self, series: int, name: str, account: Account) -> int:
        """Add an instance; returns its number."""
        cursor = self._db.execute(
            f"INSERT INTO instances (watch, name, {_ACCOUNT}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (series, name, *_account_values(account)),
        )
        return cursor.lastrowid or 0

    def set_account(self, instance: int, account: Account) -> None:
        """Replace an instance's account."""
        self._db.execute(
            "UPDATE instances SET pod = ?, highest = ?, heard = ?, final = ?, answered = ?, counted = ?,"
            " lost = ? WHERE id = ?",
            (*_account_values(account), instance),
        )

    def accounts(self, series: int) -> list[tuple[str, Account]]:
        """Instances of a series by name."""
        rows = self._db.execute(f"SELECT name, {_ACCOUNT} FROM instances WHERE watch = ?", (series,))
        return [(name, _account(row)) for name, *row in rows]

    def silent_instances(self, series: int, before_seconds: float) -> list[tuple[int, Account]]:
        """Instances that were last seen before that time."""
        rows = self._db.execute(
            f"SELECT id, {_ACCOUNT} FROM instances WHERE watch = ? AND heard < ?", (series, before_seconds)
        )
        return [(number, _account(row)) for number, *row in rows]

    def drop_instances(self, instances: Sequence[int]) -> None:
        """Forget instances."""
        self._db.executemany("DELETE FROM instances WHERE id = ?", ((number,) for number in instances))

    # --- accepted panes --------------------------------------------------------------------------------

    def digest(self, series: int, pane: int, instance: int) -> bytes | None:
        """Return the digest kept of a pane's message."""
        row = self._db.execute(
            "SELECT digest FROM ledger WHERE watch = ? AND pane = ? AND instance = ?",
            (series, pane, instance),
        ).fetchone()
        return row[0] if row else None

    def add_digest(
        self, series: int, pane: int, instance: int, digest: bytes, received_seconds: float
    ) -> None:
        """Keep the digest of a pane's message."""
        self._db.execute(
            "INSERT INTO ledger VALUES (?, ?, ?, ?, ?)", (series, pane, instance, digest, received_seconds)
        )

    def digests(self, series: int, before_seconds: float, limit: int) -> list[tuple[int, int]]:
        """Pane and instance of up to `limit` digests received before that time, in this order."""
        return self._db.execute(
            "SELECT pane, instance FROM ledger WHERE watch = ? AND received < ?"
            " ORDER BY pane, instance LIMIT ?",  # that of the table's key: nothing is sorted
            (series, before_seconds, limit),
        ).fetchall()

    def drop_digests(self, series: int, accepted: Sequence[tuple[int, int]]) -> None:
        """Forget digests by pane and instance."""
        self._db.executemany(
            "DELETE FROM ledger WHERE watch = ? AND pane = ? AND instance = ?",
            ((series, *one) for one in accepted),
        )

    def bits(self, series: int, block: int, instance: int) -> bytes:
        """Return the bits of a block of panes, empty for none."""
        row = self._db.execute(
            "SELECT bits FROM ledger_blocks WHERE watch = ? AND block = ? AND instance = ?",
            (series, block, instance),
        ).fetchone()
        return row[0] if row else b""

    def set_bits(self, series: int, block: int, instance: int, bits: bytes) -> None:
        """Keep the bits of a block of panes."""
        self._db.execute(
            "INSERT OR REPLACE INTO ledger_blocks VALUES (?, ?, ?, ?)", (series, block, instance, bits)
        )


def _account(row: Sequence[Any]) -> Account:
    pod, highest, last_seen, final, answered, counted, lost = row
    return Account(pod, highest, last_seen, bool(final), answered, counted, json.loads(lost))


def _account_values(account: Account) -> tuple[Any, ...]:
    lost = json.dumps(account.lost) if account.lost else "{}"
    return (
        account.pod,
        account.highest,
        account.last_seen_seconds,
        int(account.final),
        account.answered,
        account.counted,
        lost,
    )
