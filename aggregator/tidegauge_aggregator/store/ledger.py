"""Accepting, folding and forgetting, on any store. Runs in the store's thread, inside a transaction."""

from __future__ import annotations

from tidegauge_aggregator.domain.accounts import Account
from tidegauge_aggregator.domain.ledger import block_of_bits, fold, judge, merge_bits
from tidegauge_aggregator.domain.rows import Accepted, Fact, Outcome

from .base import Store

__all__ = ["accept", "fold_ledger", "forget"]


def accept(store: Store, fact: Fact) -> Accepted:
    """Write a pane down unless it was accepted before."""
    watch, pane = fact.watch, fact.pane
    found = store.instance(watch, pane.instance)
    before = found[1] if found else None
    after = Account.after(before, pane, fact.received_seconds)
    if found is None:
        instance = store.add_instance(watch, pane.instance, after)
    else:
        instance = found[0]
        if (known := _known(store, fact, instance)) is not None:
            return Accepted(known)
        store.set_account(instance, after)
    store.add_digest(watch, pane.pane, instance, fact.digest, fact.received_seconds)
    inbox = store.add_message(watch, pane.pane, fact.message)
    return Accepted(Outcome.COUNTED, before, after, inbox)


def _known(store: Store, fact: Fact, instance: int) -> Outcome | None:
    pane = fact.pane.pane
    stored = store.digest(fact.watch, pane, instance)
    bits = b"" if stored is not None else store.bits(fact.watch, block_of_bits(pane), instance)
    return judge(pane, fact.digest, stored, bits)


def fold_ledger(store: Store, watch: int, before_seconds: float, limit: int) -> int:
    """Keep of panes received before that time only *that* they came; returns how many."""
    accepted = store.digests(watch, before_seconds, limit)
    for (block, instance), more in fold(accepted).items():
        bits = merge_bits(store.bits(watch, block, instance), more)
        store.set_bits(watch, block, instance, bits)
    store.drop_digests(watch, accepted)
    return len(accepted)


def forget(store: Store, watch: int, before_pane: int, before_seconds: float) -> None:
    """Forget panes, transitions and instances older than that; of instances the totals stay."""
    store.drop_before(watch, before_pane, block_of_bits(before_pane), before_seconds)
    silent = store.silent_instances(watch, before_seconds)
    forgotten = store.watch(watch).forgotten
    for _, account in silent:
        forgotten.change(None, account)
    store.drop_instances([instance for instance, _ in silent])
    store.set_forgotten(watch, forgotten)
