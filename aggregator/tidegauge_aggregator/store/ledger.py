"""Accepting, folding and forgetting, on any store. Runs in the store's thread, inside a transaction."""

from __future__ import annotations

from tidegauge_aggregator.domain.accounts import Account
from tidegauge_aggregator.domain.ledger import block_of_bits, fold, judge, merge_bits
from tidegauge_aggregator.domain.rows import Accepted, Fact, Outcome

from .base import Store

__all__ = ["accept", "fold_ledger", "forget"]


def accept(store: Store, fact: Fact) -> Accepted:
    """Write a pane down unless it was accepted before."""
    series, pane = fact.series, fact.pane
    found = store.instance(series, pane.instance)
    before = found[1] if found else None
    after = Account.after(before, pane, fact.received_seconds)
    if found is None:
        instance = store.add_instance(series, pane.instance, after)
    else:
        instance = found[0]
        if (known := _known(store, fact, instance)) is not None:
            return Accepted(known)
        store.set_account(instance, after)
    store.add_digest(series, pane.pane, instance, fact.digest, fact.received_seconds)
    inbox = store.add_message(series, pane.pane, fact.message)
    return Accepted(Outcome.COUNTED, before, after, inbox)


def _known(store: Store, fact: Fact, instance: int) -> Outcome | None:
    pane = fact.pane.pane
    stored = store.digest(fact.series, pane, instance)
    bits = b"" if stored is not None else store.bits(fact.series, block_of_bits(pane), instance)
    return judge(pane, fact.digest, stored, bits)


def fold_ledger(store: Store, series: int, before_seconds: float, limit: int) -> int:
    """Keep of panes received before that time only *that* they came; returns how many."""
    accepted = store.digests(series, before_seconds, limit)
    for (block, instance), more in fold(accepted).items():
        bits = merge_bits(store.bits(series, block, instance), more)
        store.set_bits(series, block, instance, bits)
    store.drop_digests(series, accepted)
    return len(accepted)


def forget(store: Store, series: int, before_pane: int, before_seconds: float) -> None:
    """Forget panes, transitions and instances older than that; of instances the totals stay."""
    store.drop_before(series, before_pane, block_of_bits(before_pane), before_seconds)
    silent = store.silent_instances(series, before_seconds)
    forgotten = store.series(series).forgotten
    for _, account in silent:
        forgotten.change(None, account)
    store.drop_instances([instance for instance, _ in silent])
    store.set_forgotten(series, forgotten)
