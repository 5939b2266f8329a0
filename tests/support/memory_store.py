"""A store in memory, as small as it can be: what the aggregator asks of any store, and nothing else."""

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from tidegauge_aggregator.domain.accounts import Account, Totals
from tidegauge_aggregator.domain.rows import (
    EvaluationRow,
    InboxRow,
    SumRow,
    TransitionRow,
    WatchKey,
    WatchRow,
)


@dataclass
class Tables:
    """All that is stored."""

    numbers: int = 0
    profiles: dict[tuple[str, str], tuple[bytes, float]] = field(default_factory=dict)
    watches: dict[int, WatchRow] = field(default_factory=dict)
    instances: dict[int, tuple[int, str, Account]] = field(default_factory=dict)
    digests: dict[tuple[int, int, int], tuple[bytes, float]] = field(default_factory=dict)
    bits: dict[tuple[int, int, int], bytes] = field(default_factory=dict)
    inbox: dict[int, tuple[int, int, bytes]] = field(default_factory=dict)
    sums: dict[tuple[int, int, int], SumRow] = field(default_factory=dict)
    transitions: list[tuple[int, TransitionRow]] = field(default_factory=list)


class MemoryStore:
    """`tidegauge_aggregator.store.base.Store` says what each method does."""

    def __init__(self) -> None:
        self._t = Tables()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        before = copy.deepcopy(self._t)
        try:
            yield
        except BaseException:
            self._t = before
            raise

    def close(self) -> None:
        pass

    def size_bytes(self) -> int:
        return sum(len(row.counts) for row in self._t.sums.values())

    def _number(self) -> int:
        self._t.numbers += 1
        return self._t.numbers

    # --- profiles and watches --------------------------------------------------------------------------

    def profiles(self) -> list[tuple[str, str, bytes]]:
        return [(*key, document) for key, (document, _) in self._t.profiles.items()]

    def add_profile(self, model: str, profile: str, document: bytes, now_seconds: float) -> None:
        self._t.profiles[model, profile] = document, now_seconds

    def watches(self) -> list[WatchRow]:
        return list(self._t.watches.values())

    def watch(self, watch: int) -> WatchRow:
        return copy.deepcopy(self._t.watches[watch])

    def add_watch(self, key: WatchKey, now_seconds: float) -> WatchRow:
        found = next((row for row in self._t.watches.values() if row.key == key), None)
        if found is None:
            found = WatchRow(self._number(), key, now_seconds)
            self._t.watches[found.id] = found
        return found

    def drop_watch(self, watch: int) -> None:
        t = self._t
        t.digests = {key: value for key, value in t.digests.items() if key[0] != watch}
        t.bits = {key: value for key, value in t.bits.items() if key[0] != watch}
        t.sums = {key: value for key, value in t.sums.items() if key[0] != watch}
        t.inbox = {key: value for key, value in t.inbox.items() if value[0] != watch}
        t.instances = {key: value for key, value in t.instances.items() if value[0] != watch}
        t.transitions = [row for row in t.transitions if row[0] != watch]
        del t.watches[watch]

    def drop_unused_profiles(self, before_seconds: float) -> list[tuple[str, str]]:
        used = {(row.key.model, row.key.profile) for row in self._t.watches.values()}
        old = [key for key, (_, at) in self._t.profiles.items() if at < before_seconds and key not in used]
        for key in old:
            del self._t.profiles[key]
        return old

    # --- instances and accepted panes ------------------------------------------------------------------

    def instance(self, watch: int, name: str) -> tuple[int, Account] | None:
        rows = self._t.instances.items()
        return next(((number, row[2]) for number, row in rows if row[:2] == (watch, name)), None)

    def add_instance(self, watch: int, name: str, account: Account) -> int:
        number = self._number()
        self._t.instances[number] = watch, name, account
        return number

    def set_account(self, instance: int, account: Account) -> None:
        self._t.instances[instance] = *self._t.instances[instance][:2], account

    def accounts(self, watch: int) -> list[tuple[str, Account]]:
        return [row[1:] for row in self._t.instances.values() if row[0] == watch]

    def silent_instances(self, watch: int, before_seconds: float) -> list[tuple[int, Account]]:
        rows = [(number, row[2]) for number, row in self._t.instances.items() if row[0] == watch]
        return [(number, account) for number, account in rows if account.heard_seconds < before_seconds]

    def drop_instances(self, instances: Sequence[int]) -> None:
        for number in instances:
            del self._t.instances[number]

    def digest(self, watch: int, pane: int, instance: int) -> bytes | None:
        found = self._t.digests.get((watch, pane, instance))
        return found[0] if found else None

    def add_digest(
        self, watch: int, pane: int, instance: int, digest: bytes, received_seconds: float
    ) -> None:
        self._t.digests[watch, pane, instance] = digest, received_seconds

    def digests(self, watch: int, before_seconds: float, limit: int) -> list[tuple[int, int]]:
        rows = sorted(self._t.digests.items())
        return [key[1:] for key, (_, at) in rows if key[0] == watch and at < before_seconds][:limit]

    def drop_digests(self, watch: int, accepted: Sequence[tuple[int, int]]) -> None:
        for pane, instance in accepted:
            del self._t.digests[watch, pane, instance]

    def bits(self, watch: int, block: int, instance: int) -> bytes:
        return self._t.bits.get((watch, block, instance), b"")

    def set_bits(self, watch: int, block: int, instance: int, bits: bytes) -> None:
        self._t.bits[watch, block, instance] = bits

    # --- panes -----------------------------------------------------------------------------------------

    def add_message(self, watch: int, pane: int, message: bytes) -> int:
        number = self._number()
        self._t.inbox[number] = watch, pane, message
        return number

    def inbox(self, watch: int, after: int = -1) -> list[tuple[int, int]]:
        rows = [(pane, number) for number, (of, pane, _) in self._t.inbox.items() if of == watch]
        return [(number, pane) for pane, number in sorted(rows) if pane > after]

    def messages(self, ids: Sequence[int]) -> list[InboxRow]:
        return [InboxRow(number, *self._t.inbox[number][1:]) for number in ids]

    def take_from_inbox(self, ids: Sequence[int]) -> None:
        for number in ids:
            self._t.inbox.pop(number, None)

    def sums(self, watch: int, panes: int, start: int, stop: int, limit: int) -> list[SumRow]:
        keys = sorted(key for key in self._t.sums if key[:2] == (watch, panes) and start <= key[2] < stop)
        return [self._t.sums[key] for key in keys][:limit]

    def sum_panes(self, watch: int, panes: int, stop: int) -> list[int]:
        return [row.pane for row in self.sums(watch, panes, -(1 << 60), stop, 1 << 60)]

    def newest_rows(self, watch: int) -> int:
        rows = [row for (of, _, _), row in self._t.sums.items() if of == watch and row.rows]
        return max((row.pane + row.panes - 1 for row in rows), default=-1)

    def put_sum(self, watch: int, row: SumRow) -> None:
        self._t.sums[watch, row.panes, row.pane] = row

    def drop_sums(self, watch: int, panes: int, start: int, stop: int) -> None:
        for row in self.sums(watch, panes, start, stop, 1 << 60):
            del self._t.sums[watch, panes, row.pane]

    # --- evaluations and housekeeping ------------------------------------------------------------------

    def save_evaluation(self, watch: int, left: EvaluationRow) -> None:
        row = self._t.watches[watch]
        baseline = row.baseline if left.baseline is None else left.baseline
        self._t.watches[watch] = replace(
            row, evaluated=left.pane, state=left.state, baseline=baseline, report=left.report
        )
        self._t.transitions += [(watch, change) for change in left.transitions]

    def transitions(self, watch: int, since_seconds: float, limit: int) -> list[TransitionRow]:
        rows = [row for of, row in reversed(self._t.transitions) if of == watch]
        return [row for row in rows if row.time_seconds >= since_seconds][:limit]

    def drop_before(self, watch: int, pane: int, block: int, seconds: float) -> None:
        t = self._t
        t.bits = {key: bits for key, bits in t.bits.items() if key[0] != watch or key[1] >= block}
        t.sums = {key: row for key, row in t.sums.items() if key[0] != watch or row.pane + row.panes > pane}
        t.transitions = [row for row in t.transitions if row[0] != watch or row[1].time_seconds >= seconds]

    def set_forgotten(self, watch: int, forgotten: Totals) -> None:
        self._t.watches[watch] = replace(self._t.watches[watch], forgotten=forgotten)
