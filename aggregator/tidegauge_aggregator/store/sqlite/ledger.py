"""Which panes were accepted, kept in two stages.

For an hour the `ledger` holds a digest, so that other bytes under the same name are found out. Then `fold`
turns it into one bit per instance and pane (`ledger_blocks`, 256 panes a row), kept as long as a pane of
that age would be taken: once counted, a pane is never counted again.
"""

from __future__ import annotations

import sqlite3
from typing import Final

from tidegauge_aggregator.domain.rows import Fact, Outcome

__all__ = ["LEDGER_SCHEMA", "LEDGER_TABLES", "Ledger"]

PANES_PER_BLOCK: Final = 256

LEDGER_TABLES: Final = ("ledger", "ledger_blocks")
LEDGER_SCHEMA: Final = """
CREATE TABLE ledger (
    watch INTEGER, pane INTEGER, instance INTEGER, digest BLOB, received REAL,
    PRIMARY KEY (watch, pane, instance)) WITHOUT ROWID;
CREATE TABLE ledger_blocks (
    watch INTEGER, block INTEGER, instance INTEGER, bits BLOB, PRIMARY KEY (watch, block, instance)) WITHOUT
    ROWID;
"""


class Ledger:
    """The store's tables of accepted panes; its transactions are the store's.

    Parameters
    ----------
    db
        The store's connection.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def find(self, fact: Fact, instance: int) -> Outcome | None:
        """What a pane is that was accepted before, known or in conflict; None for a new one."""
        key = (fact.watch, fact.pane.pane, instance)
        row = self._db.execute(
            "SELECT digest FROM ledger WHERE watch = ? AND pane = ? AND instance = ?", key
        ).fetchone()
        if row:
            return Outcome.KNOWN if row[0] == fact.digest else Outcome.CONFLICT
        block, bit = divmod(fact.pane.pane, PANES_PER_BLOCK)
        bits = self._bits(fact.watch, block, instance)
        return Outcome.KNOWN if bits >> bit & 1 else None

    def add(self, fact: Fact, instance: int) -> None:
        """Write down that a pane was accepted."""
        self._db.execute(
            "INSERT INTO ledger VALUES (?, ?, ?, ?, ?)",
            (fact.watch, fact.pane.pane, instance, fact.digest, fact.received_seconds),
        )

    def fold(self, watch: int, before_seconds: float, limit: int) -> int:
        """Keep of panes received before that time only *that* they came; returns how many."""
        rows = self._db.execute(
            "SELECT pane, instance FROM ledger WHERE watch = ? AND received < ? LIMIT ?",
            (watch, before_seconds, limit),
        ).fetchall()
        bits: dict[tuple[int, int], int] = {}
        for pane, instance in rows:
            block, bit = divmod(pane, PANES_PER_BLOCK)
            bits[block, instance] = bits.get((block, instance), 0) | 1 << bit
        for (block, instance), mask in bits.items():
            both = mask | self._bits(watch, block, instance)
            self._db.execute(
                "INSERT OR REPLACE INTO ledger_blocks VALUES (?, ?, ?, ?)",
                (watch, block, instance, both.to_bytes(PANES_PER_BLOCK // 8, "little")),
            )
        self._db.executemany(
            "DELETE FROM ledger WHERE watch = ? AND pane = ? AND instance = ?",
            ((watch, *row) for row in rows),
        )
        return len(rows)

    def forget(self, watch: int, before_pane: int) -> None:
        """Forget whole blocks of panes older than that."""
        block = before_pane // PANES_PER_BLOCK
        self._db.execute("DELETE FROM ledger_blocks WHERE watch = ? AND block < ?", (watch, block))

    def _bits(self, watch: int, block: int, instance: int) -> int:
        row = self._db.execute(
            "SELECT bits FROM ledger_blocks WHERE watch = ? AND block = ? AND instance = ?",
            (watch, block, instance),
        ).fetchone()
        return int.from_bytes(row[0], "little") if row else 0
