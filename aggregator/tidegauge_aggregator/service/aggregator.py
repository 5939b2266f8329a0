"""The aggregator without HTTP: takes profiles and panes. `scheduler` makes verdicts of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from functools import partial
from typing import Concatenate, Final, ParamSpec, TypeVar

from tidegauge.counting.counts import Counts
from tidegauge.errors import ProfileError
from tidegauge.kit.refusal import Refusal
from tidegauge.profile.profile import Profile
from tidegauge.protocol.pane import MAX_PANE_BYTES, Pane
from tidegauge_aggregator.domain.rows import Accepted, Fact, Outcome, SeriesKey, SeriesRow
from tidegauge_aggregator.store import jobs
from tidegauge_aggregator.store.base import Store, StoreError, StoreFullError
from tidegauge_aggregator.store.writer import Writer

from .config import Config
from .evaluation_thread import EvaluationThread
from .loading import Loader
from .metrics import AggregatorMetrics
from .series import Series
from .validation import PaneName, Shard, check_model, check_time, decode_counts, digest_of, known, parse_pane

__all__ = ["MAX_PROFILE_BYTES", "Aggregator"]

P = ParamSpec("P")
T = TypeVar("T")

MAX_PROFILE_BYTES: Final = 128 << 20
MAX_WAITING_BYTES: Final = 4 * MAX_PANE_BYTES  # of messages between their arrival and their commit
DECODE_INLINE_BYTES: Final = 1 << 18  # a longer message is decoded in a thread, so that no other waits for it
MAX_OPEN_PANES: Final = 64  # sums in memory per series; beyond that, panes wait until older ones are merged


class Aggregator:
    """Takes panes and profiles; each is durable when the call returns.

    Parameters
    ----------
    store
        Where everything durable is; used by the aggregator's own writer thread only.
    clock
        Seconds since the epoch.
    meters
        Counters of the program's own work.
    shard
        Which share of the features is held here.
    retention_seconds
        How long counts are kept and how late a pane may come.
    executor
        Runs the evaluator's work, one piece at a time; None for a thread of its own.

    Attributes
    ----------
    profiles
        Whole profiles by model and hash.
    series
        All series, changed by the writer's deliveries only.
    config
        Policies and expected pods as configured; `cycle.Cycle` keeps it fresh.
    evaluator
        The one thread that uses the series' monitors.
    writer
        The one thread that uses the store.
    waker
        Reads series from the store.
    """

    def __init__(
        self,
        store: Store,
        *,
        clock: Callable[[], float],
        metrics: AggregatorMetrics,
        shard: Shard,
        retention_seconds: float,
        executor: Executor | None = None,
    ) -> None:
        self.clock, self.metrics, self.shard, self.retention_seconds = (
            clock,
            metrics,
            shard,
            retention_seconds,
        )
        self.profiles: dict[tuple[str, str], Profile] = {}
        self.all_series: dict[SeriesKey, Series] = {}
        self.config = Config()
        self.evaluator = EvaluationThread(executor)
        self.started_seconds = clock()
        self.is_ready = False
        self.store_bytes = 0
        self.writer = Writer(store, metrics.store_seconds.observe)
        self.loader = Loader(self.writer, self.evaluator)
        self._waiting_bytes = 0

    async def start(self) -> None:
        """Load the store; raises `StoreError`."""
        documents, rows = await self.writer.submit(jobs.read_all)
        for model, name, document in documents:
            self.profiles[model, name] = await asyncio.to_thread(Profile.from_bytes, document)
        for row in rows:
            whole = self.profiles.get((row.key.model, row.key.profile))
            if whole is not None and (row.key.shard, row.key.shards) == (self.shard.index, self.shard.of):
                self.all_series[row.key] = await self.loader.load_accounts(row, self._shard_of(whole))
        self.started_seconds = self.clock()
        self.is_ready = True

    async def close(self) -> None:
        """Write down what was taken, then leave the store in order."""
        await self.evaluator.close()
        await self.writer.close()

    def check_ready(self) -> None:
        """Raise a `Refusal` (503) while the store is being loaded."""
        if not self.is_ready:
            raise Refusal(503, "loading", "the store is being loaded: send it again in some seconds")

    async def read(self, job: Callable[Concatenate[Store, P], T], *arguments: P.args, **named: P.kwargs) -> T:
        """Run a job of `store.jobs`; a `Refusal` (503) when the store cannot answer."""
        return await self._stored(self.writer.submit(job, *arguments, **named))

    # --- profiles --------------------------------------------------------------------------------------

    async def put_profile(self, model: str, profile: str, document: bytes) -> bool:
        """Keep a profile; returns whether it is new.

        Raises
        ------
        Refusal
            422 not a profile, or another one than its name says; 503 the store cannot take it now.
        """
        self.check_ready()
        check_model(model)
        if (model, profile) in self.profiles:
            return False
        try:
            parsed = await asyncio.to_thread(Profile.from_bytes, document)
        except ProfileError as error:
            raise Refusal(422, "not_a_profile", str(error)) from error
        if parsed.hash != profile:
            raise Refusal(
                422, "not_this_profile", f"the path names profile {profile}, the document is {parsed.hash}"
            )
        self._shard_of(parsed)
        now = self.clock()
        await self._stored(self.writer.submit(jobs.add_profile, model, profile, document, now))
        self.profiles[model, profile] = parsed
        return True

    def _shard_of(self, profile: Profile) -> Profile:
        try:
            return profile.shard(self.shard.index, self.shard.of)
        except ProfileError as error:
            raise Refusal(422, "too_few_features", str(error)) from error

    # --- panes -----------------------------------------------------------------------------------------

    async def take_pane(self, name: PaneName, body: bytes) -> Outcome:
        """Count a pane once; durable when this returns.

        Returns
        -------
        Outcome
            Counted now or known before.

        Raises
        ------
        Refusal
            The pane may not be counted, or not now (404, 409, 413, 421, 422, 425, 503).
        """
        self.check_ready()
        if self._waiting_bytes + len(body) > MAX_WAITING_BYTES:
            raise Refusal(503, "busy", "too many panes wait for the disk: send it again in some seconds")
        self._waiting_bytes += len(body)
        try:
            return await self._take(parse_pane(name, body, self.shard), body)
        finally:
            self._waiting_bytes -= len(body)

    async def _take(self, pane: Pane, body: bytes) -> Outcome:
        whole = known(self.profiles, pane.model, pane.profile)
        now = self.clock()
        check_time(pane, now, self.retention_seconds)
        counts = await self._decode(pane, whole)
        series = await self._series(pane, counts.profile)
        self._check_room(series, pane)
        fact = Fact(series.row.id, pane, digest_of(body), body, now)
        deliver = partial(self._deliver, series.row.key, counts)
        accepted = await self._stored(self.writer.accept(fact, deliver))
        self.metrics.panes.labels(pane.model, accepted.outcome.value).inc()
        if accepted.outcome is Outcome.CONFLICT:
            raise Refusal(
                409, "other_bytes", f"pane {pane.pane} of {pane.instance!r} came before with other bytes"
            )
        return accepted.outcome

    async def _decode(self, pane: Pane, whole: Profile) -> Counts:
        profile = whole.shard(self.shard.index, self.shard.of)
        if len(pane.counts) <= DECODE_INLINE_BYTES:
            return decode_counts(pane, profile)
        return await asyncio.to_thread(decode_counts, pane, profile)

    async def _series(self, pane: Pane, profile: Profile) -> Series:
        key = SeriesKey(pane.model, pane.profile, pane.pane_seconds, pane.shard, pane.shards)
        if key not in self.all_series:
            now = self.clock()

            def deliver(row: SeriesRow) -> None:
                """Hold it; in the event loop."""
                self.all_series.setdefault(key, Series(row, profile))

            await self._stored(self.writer.submit_and_deliver(deliver, jobs.add_series, key, now))
        return self.all_series[key]

    def _check_room(self, series: Series, pane: Pane) -> None:
        if series.is_going or (len(series.sums) >= MAX_OPEN_PANES and pane.pane not in series.sums):
            raise Refusal(503, "busy", "too many different panes at once: send it again in some seconds")

    def forget(self, key: SeriesKey) -> None:
        """Drop a series from memory, once the store has dropped it."""
        del self.all_series[key]

    def _deliver(self, key: SeriesKey, counts: Counts, fact: Fact, accepted: Accepted) -> None:
        if accepted.outcome is Outcome.COUNTED:
            self.all_series[key].take(fact.pane, counts, accepted)

    @staticmethod
    async def _stored(work: Awaitable[T]) -> T:
        try:
            return await work
        except StoreFullError as error:
            raise Refusal(503, "disk_full", f"the disk is full ({error}): send it again later") from error
        except StoreError as error:
            raise Refusal(
                503, "store_failed", f"the store cannot take it now ({error}): send it again"
            ) from error
