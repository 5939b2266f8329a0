"""A watch as the store has it. Runs in the writer's thread: it is exactly what was committed by then."""

from __future__ import annotations

import json

from tidegauge.counting.counts import Counts
from tidegauge.profile.profile import Profile
from tidegauge.protocol.pane import Pane
from tidegauge.report.model import Report

from .accounts import Totals
from .compaction import BLOCK_PANES
from .evaluation import Gauge
from .recent_pods import RecentPods
from .store import Store, WatchRow
from .watch import RECENT_PANES, Watch

__all__ = ["load_asleep", "load_awake"]


def load_asleep(store: Store, row: WatchRow, profile: Profile) -> Watch:
    """Accounts and totals only: what can be said of a watch without its counts."""
    watch = _with_accounts(store, row, profile)
    for message in store.inbox(row.id):
        if message.pane > watch.newest_rows and Pane.from_bytes(message.message).rows:
            watch.newest_rows = message.pane
    return watch


def _with_accounts(store: Store, row: WatchRow, profile: Profile) -> Watch:
    report = Report.from_dict(json.loads(row.report)) if row.report else None
    watch = Watch(row, profile, evaluated=row.evaluated, report=report)
    watch.totals.add(Totals(row.forgotten.counted, dict(row.forgotten.lost)))
    for name, account in store.accounts(row.id):
        watch.totals.change(None, account)
        watch.hear(name, account)
        watch.newest = max(watch.newest, account.highest)
    watch.newest_rows = store.newest_rows(row.id)
    return watch


def load_awake(store: Store, row: WatchRow, profile: Profile, gauge: Gauge) -> Watch:
    """All of it: sums into the gauge's windows, messages that are not merged yet into memory."""
    watch = _with_accounts(store, row, profile)
    watch.gauge, watch.pods = gauge, RecentPods(gauge.monitor.reference)
    evaluated = row.evaluated
    oldest = max(0, evaluated - gauge.reach_panes)
    for panes in (BLOCK_PANES, 1):
        for stored in store.sums(row.id, panes, oldest // panes * panes, watch.newest + 1):
            gauge.restore(stored.pane, Counts.from_bytes(stored.counts, profile), panes)
            if panes == 1 and stored.pane > watch.newest - RECENT_PANES:
                watch.remember(stored.pane, stored.rows, stored.lost)
    for message in store.inbox(row.id):
        pane = Pane.from_bytes(message.message)
        counts = Counts.from_bytes(pane.counts, profile)
        watch.add(message.id, pane, counts)
    for index, fresh in watch.take_unseen(evaluated):
        gauge.restore(index, fresh)
    return watch
