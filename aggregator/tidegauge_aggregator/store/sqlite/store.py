"""The embedded store: one SQLite file, WAL mode, ``synchronous=FULL``: what is committed is on the disk.

The file is opened in exclusive locking mode: a second aggregator on the same folder refuses to start instead
of counting apart from the first.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tidegauge_aggregator.domain.accounts import Totals
from tidegauge_aggregator.domain.rows import (
    EvaluationRow,
    InboxRow,
    SeriesKey,
    SeriesRow,
    SumRow,
    TransitionRow,
)
from tidegauge_aggregator.store.base import StoreDamagedError, StoreError, StoreFullError

from .ledger import LEDGER_TABLES, LedgerTables
from .migrations import drop_old_copies, migrate

__all__ = ["FILE_NAME", "SqliteStore", "open_store"]

logger = logging.getLogger(__name__)

FILE_NAME: Final = "aggregator.sqlite"
LOCK_WAIT_SECONDS: Final = 10.0

_SERIES: Final = (
    "id, model, profile, pane_seconds, shard, shards, created, evaluated, state, baseline, report,"
    " forgotten_counted, forgotten_lost"
)


def open_store(folder: Path) -> SqliteStore:
    """Open the store in a folder; a damaged file is moved aside, an empty one begins, and an error is logged.

    Raises
    ------
    StoreError
        Another process has the file open, a later program wrote it, or the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FILE_NAME
    drop_old_copies(path)
    try:
        return SqliteStore(path)
    except StoreDamagedError as error:
        moved = _move_aside(path)
        said = "store damaged (%s): moved to %s, beginning an empty one; rows counted before are lost"
        logger.error(said, error, moved)
        return SqliteStore(path)


def _move_aside(path: Path) -> Path:
    moved = path.with_name(f"{path.name}.damaged-{time.time_ns()}")
    path.rename(moved)
    for suffix in ("-wal", "-shm"):
        companion = path.with_name(path.name + suffix)
        if companion.exists():
            companion.rename(moved.with_name(moved.name + suffix))
    return moved


@contextmanager
def _errors_of_the_store() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise StoreDamagedError(str(error)) from error
        if code == sqlite3.SQLITE_FULL:
            raise StoreFullError(str(error)) from error
        raise StoreError(str(error)) from error


class SqliteStore(LedgerTables):
    """The store in one SQLite file; `store.Store` says what each method does.

    Parameters
    ----------
    path
        The file; created when it is not there.
    """

    def __init__(self, path: Path) -> None:
        with _errors_of_the_store():
            self.path = path
            self._db = sqlite3.connect(
                path,
                timeout=LOCK_WAIT_SECONDS,
                isolation_level=None,
                check_same_thread=False,
                cached_statements=256,
            )
            try:
                self._prepare()
            except BaseException:
                self._db.close()
                raise

    def _prepare(self) -> None:
        for pragma in (
            "locking_mode=EXCLUSIVE",
            "page_size=8192",
            "journal_mode=WAL",
            "synchronous=FULL",
            "wal_autocheckpoint=2000",
            "journal_size_limit=67108864",
            "cache_size=-8192",
        ):
            self._db.execute(f"PRAGMA {pragma}").fetchall()
        if self._value("PRAGMA quick_check(1)") != "ok":
            raise StoreDamagedError("its own check failed")
        migrate(self._db, self.path)

    def _value(self, sql: str) -> Any:
        return self._db.execute(sql).fetchone()[0]

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Do all or nothing, durable at the end."""
        with _errors_of_the_store():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """Write the WAL back and close the file."""
        self._db.close()

    def size_bytes(self) -> int:
        """Return the bytes of the file's pages that hold something."""
        pages = self._value("PRAGMA page_count") - self._value("PRAGMA freelist_count")
        return int(pages * self._value("PRAGMA page_size"))

    # --- profiles --------------------------------------------------------------------------------------

    def profiles(self) -> list[tuple[str, str, bytes]]:
        """Model, hash and document of each profile."""
        return self._db.execute("SELECT model, profile, document FROM profiles").fetchall()

    def add_profile(self, model: str, profile: str, document: bytes, now_seconds: float) -> None:
        """Keep a profile document."""
        self._db.execute(
            "INSERT OR REPLACE INTO profiles VALUES (?, ?, ?, ?)", (model, profile, document, now_seconds)
        )

    # --- series ---------------------------------------------------------------------------------------

    def all_series(self) -> list[SeriesRow]:
        """Return all series."""
        return [_series_row(row) for row in self._db.execute(f"SELECT {_SERIES} FROM watches")]

    def series(self, series: int) -> SeriesRow:
        """Return one series."""
        return _series_row(
            self._db.execute(f"SELECT {_SERIES} FROM watches WHERE id = ?", (series,)).fetchone()
        )

    def add_series(self, key: SeriesKey, now_seconds: float) -> SeriesRow:
        """Return the series of this key, new if it is not there."""
        values = (key.model, key.profile, key.pane_seconds, key.shard, key.shards)
        self._db.execute(
            "INSERT OR IGNORE INTO watches (model, profile, pane_seconds, shard, shards, created)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (*values, now_seconds),
        )
        return next(row for row in self.all_series() if row.key == key)

    def drop_series(self, series: int) -> None:
        """Forget a series and all that belongs to it."""
        for table in (*LEDGER_TABLES, "inbox", "sums", "transitions"):
            self._db.execute(f"DELETE FROM {table} WHERE watch = ?", (series,))
        self._db.execute("DELETE FROM watches WHERE id = ?", (series,))

    def drop_unused_profiles(self, before_seconds: float) -> list[tuple[str, str]]:
        """Forget profiles which no series uses and which came before; returns model and hash of each."""
        return self._db.execute(
            "DELETE FROM profiles WHERE received < ? AND NOT EXISTS (SELECT 1 FROM watches"
            " WHERE watches.model = profiles.model AND watches.profile = profiles.profile)"
            " RETURNING model, profile",
            (before_seconds,),
        ).fetchall()

    # --- panes -----------------------------------------------------------------------------------------

    def add_message(self, series: int, pane: int, message: bytes) -> int:
        """Add a message to the inbox; returns its number."""
        cursor = self._db.execute(
            "INSERT INTO inbox (watch, pane, message) VALUES (?, ?, ?)", (series, pane, message)
        )
        return cursor.lastrowid or 0

    def inbox(self, series: int, after: int = -1) -> list[tuple[int, int]]:
        """Return number and pane of each message not merged yet and of a later pane, in order of pane."""
        return self._db.execute(
            "SELECT id, pane FROM inbox WHERE watch = ? AND pane > ? ORDER BY pane, id", (series, after)
        ).fetchall()

    def messages(self, ids: Sequence[int]) -> list[InboxRow]:
        """Messages by their numbers in the inbox, in the order asked for."""
        sql = "SELECT id, pane, message FROM inbox WHERE id = ?"
        return [InboxRow(*self._db.execute(sql, (row_id,)).fetchone()) for row_id in ids]

    def take_from_inbox(self, ids: Sequence[int]) -> None:
        """Drop messages that have been merged."""
        self._db.executemany("DELETE FROM inbox WHERE id = ?", ((row_id,) for row_id in ids))

    def sums(self, series: int, panes: int, start: int, stop: int, limit: int) -> list[SumRow]:
        """Return the first `limit` sums of that many panes with ``start <= pane < stop``, in order."""
        rows = self._db.execute(
            "SELECT pane, panes, row_count, lost, counts FROM sums"
            " WHERE watch = ? AND panes = ? AND pane >= ? AND pane < ? ORDER BY pane LIMIT ?",
            (series, panes, start, stop, limit),
        )
        return [SumRow(*row) for row in rows]

    def sum_panes(self, series: int, panes: int, stop: int) -> list[int]:
        """Return the first panes of the sums of that many panes with ``pane < stop``, in order."""
        rows = self._db.execute(
            "SELECT pane FROM sums WHERE watch = ? AND panes = ? AND pane < ? ORDER BY pane",
            (series, panes, stop),
        )
        return [pane for (pane,) in rows]

    def newest_rows(self, series: int) -> int:
        """Return the newest pane with rows among the sums, -1 for none; of a sum of many panes the last."""
        found = self._db.execute(
            "SELECT max(pane + panes - 1) FROM sums WHERE watch = ? AND row_count > 0", (series,)
        ).fetchone()[0]
        return -1 if found is None else int(found)

    def put_sum(self, series: int, row: SumRow) -> None:
        """Write a sum, instead of the one that stood there."""
        self._db.execute(
            "INSERT OR REPLACE INTO sums VALUES (?, ?, ?, ?, ?, ?)",
            (series, row.panes, row.pane, row.rows, row.lost, row.counts),
        )

    def drop_sums(self, series: int, panes: int, start: int, stop: int) -> None:
        """Drop sums of that many panes with ``start <= pane < stop``."""
        self._db.execute(
            "DELETE FROM sums WHERE watch = ? AND panes = ? AND pane >= ? AND pane < ?",
            (series, panes, start, stop),
        )

    # --- evaluations -----------------------------------------------------------------------------------

    def save_evaluation(self, series: int, left: EvaluationRow) -> None:
        """Keep what an evaluation left."""
        self._db.execute(
            "UPDATE watches SET evaluated = ?, state = ?, baseline = coalesce(?, baseline), report = ?"
            " WHERE id = ?",
            (left.pane, left.state, left.baseline, left.report, series),
        )
        self._db.executemany(
            "INSERT INTO transitions (watch, pane, time, body) VALUES (?, ?, ?, ?)",
            ((series, row.pane, row.time_seconds, row.body) for row in left.transitions),
        )

    def transitions(self, series: int, since_seconds: float, limit: int) -> list[TransitionRow]:
        """Return the changes of verdict, newest first."""
        rows = self._db.execute(
            "SELECT pane, time, body FROM transitions WHERE watch = ? AND time >= ? ORDER BY id DESC LIMIT ?",
            (series, since_seconds, limit),
        )
        return [TransitionRow(*row) for row in rows]

    # --- housekeeping ----------------------------------------------------------------------------------

    def drop_before(self, series: int, pane: int, block: int, seconds: float) -> None:
        """Forget sums that end before a pane, bits before a block, transitions before a time."""
        self._db.execute("DELETE FROM ledger_blocks WHERE watch = ? AND block < ?", (series, block))
        self._db.execute("DELETE FROM sums WHERE watch = ? AND pane + panes <= ?", (series, pane))
        self._db.execute("DELETE FROM transitions WHERE watch = ? AND time < ?", (series, seconds))

    def set_forgotten(self, series: int, forgotten: Totals) -> None:
        """Keep the totals of instances that are no longer kept one by one."""
        self._db.execute(
            "UPDATE watches SET forgotten_counted = ?, forgotten_lost = ? WHERE id = ?",
            (forgotten.counted, json.dumps(forgotten.lost), series),
        )


def _series_row(row: tuple[Any, ...]) -> SeriesRow:
    created, evaluated, state, baseline, report, counted, lost = row[6:]
    forgotten = Totals(counted, json.loads(lost))
    return SeriesRow(row[0], SeriesKey(*row[1:6]), created, evaluated, state, baseline, report, forgotten)
