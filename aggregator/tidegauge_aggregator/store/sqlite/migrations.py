"""The schema's versions: numbered steps, forward alone, all in one transaction.

A new file goes through the same steps as an old one. Before an old file is changed, a copy of it is kept
beside it for two weeks: the way back to the program that wrote it.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from tidegauge_aggregator.store.base import StoreError

__all__ = ["SCHEMA_VERSION", "STEPS", "copy_of", "drop_old_copies", "migrate"]

logger = logging.getLogger(__name__)

KEEP_COPY_SECONDS: Final = 14 * 86_400.0

_VERSION_1: Final = (
    "CREATE TABLE profiles ("
    " model TEXT, profile TEXT, document BLOB, received REAL, PRIMARY KEY (model, profile)) WITHOUT ROWID",
    "CREATE TABLE watches ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT, model TEXT, profile TEXT, pane_seconds INTEGER, shard INTEGER,"
    " shards INTEGER, created REAL, evaluated INTEGER DEFAULT -1, state BLOB DEFAULT x'',"
    " baseline BLOB DEFAULT x'', report BLOB DEFAULT x'', forgotten_counted INTEGER DEFAULT 0,"
    " forgotten_lost TEXT DEFAULT '{}', UNIQUE (model, profile, pane_seconds, shard, shards))",
    "CREATE TABLE inbox (id INTEGER PRIMARY KEY AUTOINCREMENT, watch INTEGER, pane INTEGER, message BLOB)",
    "CREATE TABLE sums ("
    " watch INTEGER, panes INTEGER, pane INTEGER, row_count INTEGER, lost INTEGER, counts BLOB,"
    " PRIMARY KEY (watch, panes, pane))",
    "CREATE TABLE transitions ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT, watch INTEGER, pane INTEGER, time REAL, body BLOB)",
    "CREATE INDEX transitions_by_watch ON transitions (watch, id)",
    "CREATE TABLE instances ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT, watch INTEGER, name TEXT, pod TEXT, highest INTEGER, heard REAL,"
    " final INTEGER, answered INTEGER, counted INTEGER, lost TEXT, UNIQUE (watch, name))",
    "CREATE TABLE ledger ("
    " watch INTEGER, pane INTEGER, instance INTEGER, digest BLOB, received REAL,"
    " PRIMARY KEY (watch, pane, instance)) WITHOUT ROWID",
    "CREATE TABLE ledger_blocks ("
    " watch INTEGER, block INTEGER, instance INTEGER, bits BLOB, PRIMARY KEY (watch, block, instance))"
    " WITHOUT ROWID",
)
_VERSION_2: Final = (  # a model's messages are found without reading those of all others
    "CREATE INDEX inbox_by_watch ON inbox (watch, pane, id)",
)

STEPS: Final = (_VERSION_1, _VERSION_2)  # statements that lead to versions 1, 2, ...
SCHEMA_VERSION: Final = len(STEPS)


def migrate(db: sqlite3.Connection, path: Path) -> None:
    """Bring a store to this program's version, or leave it as it is.

    Raises
    ------
    StoreError
        A later program wrote it.
    sqlite3.Error
        It cannot be changed now; nothing was.
    """
    version = int(db.execute("PRAGMA user_version").fetchone()[0])
    if version > SCHEMA_VERSION:
        raise StoreError(_way_back(path, version))
    if version == SCHEMA_VERSION:
        return
    if version > 0:
        _keep_copy(db, path, version)
    db.execute("BEGIN IMMEDIATE")
    for statements in STEPS[version:]:
        for statement in statements:
            db.execute(statement)
    db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
    db.execute("COMMIT")
    if version > 0:
        logger.info("the store was brought from version %d to version %d", version, SCHEMA_VERSION)


def copy_of(path: Path, version: int) -> Path:
    """Return where the copy of a store of an earlier version is."""
    return path.with_name(f"{path.name}.version-{version}")


def drop_old_copies(path: Path) -> None:
    """Remove copies that are older than `KEEP_COPY_SECONDS`."""
    for version in range(1, SCHEMA_VERSION):
        copy = copy_of(path, version)
        if copy.exists() and time.time() - copy.stat().st_mtime > KEEP_COPY_SECONDS:
            copy.unlink()


def _keep_copy(db: sqlite3.Connection, path: Path, version: int) -> None:
    """Copy the store beside itself. Where that fails there is no way back: counting goes on all the same."""
    copy = copy_of(path, version)
    unfinished = path.with_name(f"{copy.name}.unfinished")
    try:
        unfinished.unlink(missing_ok=True)
        db.execute("VACUUM INTO ?", (str(unfinished),))
        _make_durable(unfinished)
        unfinished.replace(copy)
        _make_durable(copy.parent)
    except (sqlite3.Error, OSError) as error:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
        logger.warning("no copy of the store of version %d is kept: %s", version, error)
        return
    logger.info("the store of version %d is kept as %s", version, copy)


def _make_durable(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _way_back(path: Path, version: int) -> str:
    copy = copy_of(path, SCHEMA_VERSION)
    said = (
        f"{path} is a store of version {version}, and this program knows versions up to {SCHEMA_VERSION}:"
        " start the newer program again"
    )
    if not copy.exists():
        return said
    return (
        f"{said}, or go back: move {path.name} and {path.name}-wal away and rename {copy.name} to"
        f" {path.name}; what was counted since that copy is lost"
    )
