"""What the aggregator asks of a store: the same tests on the embedded one and on one in memory."""

import copy
import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.aggregator_rig import START, Clock, Pod, in_loop, running, small_profile
from tidegauge_aggregator.domain.accounts import Account, Totals
from tidegauge_aggregator.domain.ledger import PANES_PER_BLOCK
from tidegauge_aggregator.domain.rows import (
    EvaluationRow,
    Fact,
    InboxRow,
    Outcome,
    SeriesKey,
    SeriesRow,
    SumRow,
    TransitionRow,
)
from tidegauge_aggregator.store import jobs
from tidegauge_aggregator.store.base import Store
from tidegauge_aggregator.store.ledger import accept, fold_ledger, forget
from tidegauge_aggregator.store.sqlite.store import open_store

from tidegauge.protocol.pane import Pane


@dataclass
class Tables:
    """All that is stored."""

    numbers: int = 0
    profiles: dict[tuple[str, str], tuple[bytes, float]] = field(default_factory=dict)
    all_series: dict[int, SeriesRow] = field(default_factory=dict)
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

    # --- profiles and series ---------------------------------------------------------------------------

    def profiles(self) -> list[tuple[str, str, bytes]]:
        return [(*key, document) for key, (document, _) in self._t.profiles.items()]

    def add_profile(self, model: str, profile: str, document: bytes, now_seconds: float) -> None:
        self._t.profiles[model, profile] = document, now_seconds

    def all_series(self) -> list[SeriesRow]:
        return list(self._t.all_series.values())

    def series(self, series: int) -> SeriesRow:
        return copy.deepcopy(self._t.all_series[series])

    def add_series(self, key: SeriesKey, now_seconds: float) -> SeriesRow:
        found = next((row for row in self._t.all_series.values() if row.key == key), None)
        if found is None:
            found = SeriesRow(self._number(), key, now_seconds)
            self._t.all_series[found.id] = found
        return found

    def drop_series(self, series: int) -> None:
        t = self._t
        t.digests = {key: value for key, value in t.digests.items() if key[0] != series}
        t.bits = {key: value for key, value in t.bits.items() if key[0] != series}
        t.sums = {key: value for key, value in t.sums.items() if key[0] != series}
        t.inbox = {key: value for key, value in t.inbox.items() if value[0] != series}
        t.instances = {key: value for key, value in t.instances.items() if value[0] != series}
        t.transitions = [row for row in t.transitions if row[0] != series]
        del t.all_series[series]

    def drop_unused_profiles(self, before_seconds: float) -> list[tuple[str, str]]:
        used = {(row.key.model, row.key.profile) for row in self._t.all_series.values()}
        old = [key for key, (_, at) in self._t.profiles.items() if at < before_seconds and key not in used]
        for key in old:
            del self._t.profiles[key]
        return old

    # --- instances and accepted panes ------------------------------------------------------------------

    def instance(self, series: int, name: str) -> tuple[int, Account] | None:
        rows = self._t.instances.items()
        return next(((number, row[2]) for number, row in rows if row[:2] == (series, name)), None)

    def add_instance(self, series: int, name: str, account: Account) -> int:
        number = self._number()
        self._t.instances[number] = series, name, account
        return number

    def set_account(self, instance: int, account: Account) -> None:
        self._t.instances[instance] = *self._t.instances[instance][:2], account

    def accounts(self, series: int) -> list[tuple[str, Account]]:
        return [row[1:] for row in self._t.instances.values() if row[0] == series]

    def silent_instances(self, series: int, before_seconds: float) -> list[tuple[int, Account]]:
        rows = [(number, row[2]) for number, row in self._t.instances.items() if row[0] == series]
        return [(number, account) for number, account in rows if account.last_seen_seconds < before_seconds]

    def drop_instances(self, instances: Sequence[int]) -> None:
        for number in instances:
            del self._t.instances[number]

    def digest(self, series: int, pane: int, instance: int) -> bytes | None:
        found = self._t.digests.get((series, pane, instance))
        return found[0] if found else None

    def add_digest(
        self, series: int, pane: int, instance: int, digest: bytes, received_seconds: float
    ) -> None:
        self._t.digests[series, pane, instance] = digest, received_seconds

    def digests(self, series: int, before_seconds: float, limit: int) -> list[tuple[int, int]]:
        rows = sorted(self._t.digests.items())
        return [key[1:] for key, (_, at) in rows if key[0] == series and at < before_seconds][:limit]

    def drop_digests(self, series: int, accepted: Sequence[tuple[int, int]]) -> None:
        for pane, instance in accepted:
            del self._t.digests[series, pane, instance]

    def bits(self, series: int, block: int, instance: int) -> bytes:
        return self._t.bits.get((series, block, instance), b"")

    def set_bits(self, series: int, block: int, instance: int, bits: bytes) -> None:
        self._t.bits[series, block, instance] = bits

    # --- panes -----------------------------------------------------------------------------------------

    def add_message(self, series: int, pane: int, message: bytes) -> int:
        number = self._number()
        self._t.inbox[number] = series, pane, message
        return number

    def inbox(self, series: int, after: int = -1) -> list[tuple[int, int]]:
        rows = [(pane, number) for number, (of, pane, _) in self._t.inbox.items() if of == series]
        return [(number, pane) for pane, number in sorted(rows) if pane > after]

    def messages(self, ids: Sequence[int]) -> list[InboxRow]:
        return [InboxRow(number, *self._t.inbox[number][1:]) for number in ids]

    def take_from_inbox(self, ids: Sequence[int]) -> None:
        for number in ids:
            self._t.inbox.pop(number, None)

    def sums(self, series: int, panes: int, start: int, stop: int, limit: int) -> list[SumRow]:
        keys = sorted(key for key in self._t.sums if key[:2] == (series, panes) and start <= key[2] < stop)
        return [self._t.sums[key] for key in keys][:limit]

    def sum_panes(self, series: int, panes: int, stop: int) -> list[int]:
        return [row.pane for row in self.sums(series, panes, -(1 << 60), stop, 1 << 60)]

    def newest_rows(self, series: int) -> int:
        rows = [row for (of, _, _), row in self._t.sums.items() if of == series and row.rows]
        return max((row.pane + row.panes - 1 for row in rows), default=-1)

    def put_sum(self, series: int, row: SumRow) -> None:
        self._t.sums[series, row.panes, row.pane] = row

    def drop_sums(self, series: int, panes: int, start: int, stop: int) -> None:
        for row in self.sums(series, panes, start, stop, 1 << 60):
            del self._t.sums[series, panes, row.pane]

    # --- evaluations and housekeeping ------------------------------------------------------------------

    def save_evaluation(self, series: int, left: EvaluationRow) -> None:
        row = self._t.all_series[series]
        baseline = row.baseline if left.baseline is None else left.baseline
        self._t.all_series[series] = replace(
            row, evaluated=left.pane, state=left.state, baseline=baseline, report=left.report
        )
        self._t.transitions += [(series, change) for change in left.transitions]

    def transitions(self, series: int, since_seconds: float, limit: int) -> list[TransitionRow]:
        rows = [row for of, row in reversed(self._t.transitions) if of == series]
        return [row for row in rows if row.time_seconds >= since_seconds][:limit]

    def drop_before(self, series: int, pane: int, block: int, seconds: float) -> None:
        t = self._t
        t.bits = {key: bits for key, bits in t.bits.items() if key[0] != series or key[1] >= block}
        t.sums = {key: row for key, row in t.sums.items() if key[0] != series or row.pane + row.panes > pane}
        t.transitions = [row for row in t.transitions if row[0] != series or row[1].time_seconds >= seconds]

    def set_forgotten(self, series: int, forgotten: Totals) -> None:
        self._t.all_series[series] = replace(self._t.all_series[series], forgotten=forgotten)


KEY = SeriesKey("m", "f" * 64, 10, 0, 1)
KINDS = ("sqlite", "memory")


def make(kind: str, folder: Path) -> Store:
    return open_store(folder) if kind == "sqlite" else MemoryStore()


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    made = make(request.param, tmp_path)
    yield made
    made.close()


def series_of(store: Store, key: SeriesKey = KEY) -> int:
    with store.transaction():
        return store.add_series(key, 5.0).id


def fact(series: int, pane: int, name: str = "a", body: str = "body", at: float = 0.0, **other: Any) -> Fact:
    given = {"rows": 7, "rows_before": 0, "lost": {}, "lost_before": 0} | other
    sent = Pane(
        model="m",
        profile=KEY.profile,
        pane=pane,
        pane_seconds=10,
        instance=name,
        pod=name,
        counts=b"",
        **given,
    )
    return Fact(series, sent, body.encode(), f"{name} {pane} {body}".encode(), at)


def do(store: Store, job: Callable[..., Any], *arguments: Any) -> Any:
    with store.transaction():
        return job(store, *arguments)


def test_a_pane_is_counted_once_and_other_bytes_are_found_out(store: Store) -> None:
    series = series_of(store)
    first = do(store, accept, fact(series, 4))
    assert (first.outcome, first.before, first.after.counted) == (Outcome.COUNTED, None, 7)
    assert do(store, accept, fact(series, 4)).outcome is Outcome.KNOWN
    assert do(store, accept, fact(series, 4, body="other")).outcome is Outcome.CONFLICT
    assert do(store, accept, fact(series, 4, name="b")).outcome is Outcome.COUNTED
    assert [number for number, _ in store.inbox(series)] == jobs.read_inbox(store, series)
    assert [row.message for row in store.messages(jobs.read_inbox(store, series))] == [
        b"a 4 body",
        b"b 4 body",
    ]


def test_a_folded_pane_stays_known_whatever_its_bytes(store: Store) -> None:
    series = series_of(store)
    panes = [0, 1, PANES_PER_BLOCK - 1, PANES_PER_BLOCK, 9 * PANES_PER_BLOCK + 3]
    for pane in panes:
        do(store, accept, fact(series, pane, at=float(pane)))
    assert do(store, fold_ledger, series, PANES_PER_BLOCK + 0.5, 3) == 3
    assert do(store, fold_ledger, series, PANES_PER_BLOCK + 0.5, 100) == 1
    assert do(store, fold_ledger, series, PANES_PER_BLOCK + 0.5, 100) == 0
    again = [do(store, accept, fact(series, pane, body="other")).outcome for pane in panes]
    assert again == [Outcome.KNOWN] * 4 + [Outcome.CONFLICT]
    assert do(store, accept, fact(series, 2)).outcome is Outcome.COUNTED
    assert do(store, accept, fact(series, 1, name="b")).outcome is Outcome.COUNTED


def test_the_oldest_panes_are_folded_first_whatever_order_they_came_in(store: Store) -> None:
    series = series_of(store)
    for at, pane in enumerate((550, 35, 246)):
        do(store, accept, fact(series, pane, at=float(at)))
    assert do(store, fold_ledger, series, 3.0, 2) == 2
    again = [do(store, accept, fact(series, pane, body="other")).outcome for pane in (550, 35, 246)]
    assert again == [Outcome.CONFLICT, Outcome.KNOWN, Outcome.KNOWN]


def test_what_fails_leaves_nothing(store: Store) -> None:
    series = series_of(store)

    def fail(store: Store) -> None:
        accept(store, fact(series, 1))
        store.put_sum(series, SumRow(0, 1, 1, 0, b"x"))
        raise RuntimeError

    with pytest.raises(RuntimeError):
        do(store, fail)
    assert (store.accounts(series), store.inbox(series), store.sum_panes(series, 1, 99)) == ([], [], [])


def test_forgetting_keeps_the_totals(store: Store) -> None:
    series = series_of(store)
    for pane, name in ((0, "old"), (300, "old"), (700, "new")):
        do(store, accept, fact(series, pane, name=name, at=float(pane), lost={"full": 2}))
    do(store, fold_ledger, series, 1000.0, 100)
    for row in (SumRow(0, 256, 7, 0, b"a"), SumRow(300, 1, 7, 0, b"b"), SumRow(700, 1, 7, 0, b"c")):
        do(store, jobs.replace_messages, series, [], row)
    do(store, forget, series, 600, 600.0)
    assert [name for name, _ in store.accounts(series)] == ["new"]
    # Of the older instance's rows before pane 300 nobody has told: its account says what was counted.
    assert store.series(series).forgotten == Totals(14, {"full": 4})
    assert (store.sum_panes(series, 256, 9999), store.sum_panes(series, 1, 9999)) == ([], [700])
    assert store.newest_rows(series) == 700
    do(store, forget, series, 600, 600.0)
    assert store.series(series).forgotten == Totals(14, {"full": 4}), "forgotten twice"


def test_sums_come_in_order_and_in_parts(store: Store) -> None:
    series, other = series_of(store), series_of(store, SeriesKey("n", "e" * 64, 10, 0, 1))
    for pane in (5, 3, 9, 700):
        do(store, jobs.replace_messages, series, [], SumRow(pane, 1, pane, 0, bytes([pane % 256])))
    do(store, jobs.replace_messages, other, [], SumRow(4, 1, 1, 0, b"!"))
    assert [row.pane for row in store.sums(series, 1, 0, 100, 2)] == [3, 5]
    assert [row.pane for row in store.sums(series, 1, 4, 9, 100)] == [5]
    do(store, jobs.replace_messages, series, [], SumRow(5, 1, 50, 1, b"new"))
    assert store.sums(series, 1, 5, 6, 9) == [SumRow(5, 1, 50, 1, b"new")]
    do(store, jobs.replace_panes, series, SumRow(0, 256, 99, 0, b"block"))
    assert (store.sum_panes(series, 1, 9999), store.sum_panes(series, 256, 9999)) == ([700], [0])
    assert store.sum_panes(other, 1, 9999) == [4]


def test_messages_are_listed_by_pane_and_go_with_their_sum(store: Store) -> None:
    series = series_of(store)
    for pane, name in ((8, "a"), (2, "a"), (8, "b"), (5, "b")):
        do(store, accept, fact(series, pane, name=name))
    assert [pane for _, pane in store.inbox(series)] == [2, 5, 8, 8]
    assert [pane for _, pane in store.inbox(series, 5)] == [8, 8]
    numbers = [number for number, pane in store.inbox(series) if pane == 8]
    do(store, jobs.replace_messages, series, numbers, SumRow(8, 1, 14, 0, b"sum"))
    assert [pane for _, pane in store.inbox(series)] == [2, 5]
    later = do(store, accept, fact(series, 9)).inbox
    assert later > max(numbers), "a number is never given twice"


def test_an_evaluation_keeps_its_baseline_until_a_new_one_comes(store: Store) -> None:
    series = series_of(store)
    rows = [TransitionRow(pane, float(pane), str(pane).encode()) for pane in (1, 2, 3)]
    do(store, jobs.save_evaluation, series, EvaluationRow(2, b"s", b"b", b"r", rows[:2]))
    do(store, jobs.save_evaluation, series, EvaluationRow(3, b"S", None, b"R", rows[2:]))
    found = store.series(series)
    assert (found.evaluated, found.state, found.baseline, found.report) == (3, b"S", b"b", b"R")
    assert [row.pane for row in store.transitions(series, 0.0, 2)] == [3, 2]
    assert [row.pane for row in do(store, jobs.read_history, [series, series], 2.0, 9)] == [3, 2, 3, 2]


def test_a_series_that_is_dropped_leaves_nothing_and_its_profile_goes(store: Store) -> None:
    series = series_of(store)
    assert series_of(store) == series, "a key has one series"
    do(store, jobs.add_profile, "m", KEY.profile, b"document", 1.0)
    do(store, jobs.add_profile, "n", "e" * 64, b"young", 9.0)
    do(store, accept, fact(series, 1))
    assert do(store, jobs.drop_unused_profiles, 5.0) == []
    do(store, jobs.drop_series, series)
    assert do(store, jobs.drop_unused_profiles, 5.0) == [("m", KEY.profile)]
    assert (store.all_series(), store.profiles()) == ([], [("n", "e" * 64, b"young")])
    again = series_of(store)
    assert do(store, accept, fact(again, 1)).outcome is Outcome.COUNTED


Act = tuple[str, int, str, str]
ACTS = st.lists(
    st.tuples(
        st.sampled_from(["accept", "accept", "accept", "fold", "forget"]),
        st.integers(0, 600),
        st.sampled_from(["a", "b"]),
        st.sampled_from(["one", "two"]),
    ),
    max_size=40,
)


@pytest.mark.slow
@settings(deadline=None, max_examples=40)
@given(acts=ACTS)
def test_two_stores_that_are_told_the_same_say_the_same(tmp_path_factory: Any, acts: list[Act]) -> None:
    stores = [make(kind, tmp_path_factory.mktemp("store")) for kind in KINDS]
    said = [
        [act(store, number, one) for number, one in enumerate(acts)]
        for store in stores
        for _ in [series_of(store)]
    ]
    ends = [
        (store.series(1), sorted(store.accounts(1)), [pane for _, pane in store.inbox(1)]) for store in stores
    ]
    for store in stores:
        store.close()
    for mine, yours in itertools.pairwise(said):
        assert mine == yours
    assert ends[0] == ends[1]


def act(store: Store, number: int, one: Act) -> Any:
    what, pane, name, body = one
    if what == "accept":
        found = do(store, accept, fact(1, pane, name=name, body=body, at=float(number)))
        return found.outcome, found.before, found.after
    if what == "fold":
        return do(store, fold_ledger, 1, float(number), 1 + pane % 7)
    return do(store, forget, 1, pane, float(number - pane % 20))


@pytest.mark.slow
@in_loop
async def test_the_aggregator_needs_no_other_store(tmp_path: Path) -> None:
    """Panes, a conflict, merging and a verdict on the store in memory; no file is made."""
    profile, pod = small_profile(cut_points=8), Pod("a", small_profile(cut_points=8))
    rng = np.random.default_rng(1)
    async with running(tmp_path, Clock(), store=MemoryStore()) as rig:
        await rig.put_profile(profile)
        for pane in range(START, START + 20):
            rig.clock.after(pane)
            shift = 0.0 if pane < START + 10 else 3.0
            assert (await rig.send(pod, pane, rng.normal(shift, size=(500, 2)))).status_code == 201
            await rig.evaluate(pane)
        assert (await rig.send(Pod("a", profile), START, rng.normal(size=(5, 2)))).status_code == 409
        report = await rig.report()
        rig.clock.now += 120
        await rig.scheduler.step()
        series = next(iter(rig.aggregator.all_series.values())).row.id
        merged = await rig.aggregator.read(jobs.read_sums, series, 1, 0, 1 << 60)
    assert report["coverage"]["rows_counted"] == 20 * 500
    assert sum(row.rows for row in merged) == 20 * 500
    assert {feature["verdict"] for feature in report["features"]} == {"Drifting"}
    assert not list(tmp_path.iterdir())
