"""A store as an aggregator left it that had watched one model for more than eleven hours."""

import json
import time
from pathlib import Path

from tidegauge_aggregator.domain.blocks import BLOCK_PANES, FINE_PANES, block_of
from tidegauge_aggregator.domain.rows import EvaluationRow, Fact, SumRow, WatchKey
from tidegauge_aggregator.store.ledger import accept
from tidegauge_aggregator.store.sqlite.store import open_store

from tidegauge.counting.counts import Counts
from tidegauge.monitor.monitor import Monitor
from tidegauge.monitor.policy import Policy
from tidegauge.profile.profile import Profile
from tidegauge.protocol.pane import Pane

PANE_SECONDS = 10


def fill_store(folder: Path, model: str, profile: Profile, counts: Counts, newest: int) -> None:
    """Store the same counts in every pane up to `newest`: blocks, then 6.4 hours of single panes."""
    store, data = open_store(folder), counts.to_bytes()
    with store.transaction():
        store.add_profile(model, profile.hash, profile.to_bytes(), time.time())
        watch = store.add_watch(WatchKey(model, profile.hash, PANE_SECONDS, 0, 1), time.time()).id
        accept(store, _fact(watch, model, profile, counts, newest))
        first = block_of(newest - FINE_PANES)
        for pane in range(first - 23 * BLOCK_PANES, first, BLOCK_PANES):
            store.put_sum(watch, SumRow(pane, BLOCK_PANES, counts.rows, 0, data))
        for pane in range(first, newest):
            store.put_sum(watch, SumRow(pane, 1, counts.rows, 0, data))
        store.save_evaluation(watch, _evaluation(profile, counts, newest))
    store.close()


def _fact(watch: int, model: str, profile: Profile, counts: Counts, newest: int) -> Fact:
    pane = Pane(
        model=model,
        profile=profile.hash,
        pane=newest,
        pane_seconds=PANE_SECONDS,
        instance="stored",
        pod="pod-stored",
        rows=counts.rows,
        rows_before=0,
        counts=counts.to_bytes(),
    )
    return Fact(watch, pane, b"", pane.to_bytes(), time.time())


def _evaluation(profile: Profile, counts: Counts, newest: int) -> EvaluationRow:
    monitor = Monitor(profile, Policy(), pane_seconds=PANE_SECONDS)
    monitor.add(newest, counts)
    report = json.dumps(monitor.report(newest).to_dict()).encode()
    return EvaluationRow(newest, monitor.state(), monitor.baseline(), report, ())
