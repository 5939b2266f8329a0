"""The recurring work: evaluate what is due, save and publish it, tidy up; wake watches and let them sleep."""

from __future__ import annotations

import logging
from typing import Final

from tidegauge.kit.watched_file import WatchedFile
from tidegauge.protocol.names import Verdict
from tidegauge_aggregator.domain.rows import WatchKey
from tidegauge_aggregator.domain.schedule import MAX_CATCH_UP_PANES, due_pane
from tidegauge_aggregator.evaluation.gauge import Gauge, Result
from tidegauge_aggregator.store import jobs
from tidegauge_aggregator.store.base import StoreError

from .aggregator import Aggregator
from .config import Config
from .housekeeping import Housekeeper
from .watch import Watch

__all__ = ["Cycle"]

logger = logging.getLogger(__name__)

SLEEP_SECONDS: Final = 3600.0  # a watch that was silent for so long is not held in memory
RETRY_SECONDS: Final = 30.0
SELDOM_SECONDS: Final = 30.0
MAX_LOOKS: Final = 32  # panes evaluated at one turn, so that all models move on together


class Cycle:
    """Turns what the aggregator took into verdicts.

    Parameters
    ----------
    aggregator
        Whose watches these are.
    config
        Policies and expected pods by model; None for the defaults.
    """

    pause_seconds: Final = 0.25

    def __init__(self, aggregator: Aggregator, config: WatchedFile[Config] | None = None) -> None:
        self._aggregator = aggregator
        self._file = config
        if config is not None:
            aggregator.config = config.value
        self._housekeeper = Housekeeper(aggregator.writer, aggregator.evaluator, aggregator.retention_seconds)
        self._seldom_seconds = 0.0
        self._retry_seconds: dict[WatchKey, float] = {}

    async def step(self) -> None:
        """One turn over all watches."""
        if self._file is not None and self._file.refresh():
            self._aggregator.config = self._file.value
        for key in list(self._aggregator.watches):
            await self._turn(key)
        now = self._aggregator.clock()
        if abs(now - self._seldom_seconds) >= SELDOM_SECONDS:
            self._seldom_seconds = now
            await self._do_seldom(now - self._aggregator.retention_seconds)

    async def _do_seldom(self, before_seconds: float) -> None:
        """Drop what was silent for longer than the retention, and measure the store."""
        aggregator = self._aggregator
        try:
            for key, watch in list(aggregator.watches.items()):
                if watch.gauge is None and watch.heard_seconds < before_seconds and not watch.sums:
                    await self._drop(key, watch)
            unused = await aggregator.writer.submit(jobs.drop_unused_profiles, before_seconds)
            for owner in unused:
                aggregator.profiles.pop(owner, None)
            aggregator.store_bytes = await aggregator.writer.submit(jobs.size_bytes)
        except StoreError as error:
            logger.warning("the store cannot be tidied now: %s", error)

    async def _drop(self, key: WatchKey, watch: Watch) -> None:
        watch.is_going = True

        def forget(_: None) -> None:
            """Drop it from memory too; in the event loop."""
            self._aggregator.forget(key)

        try:
            await self._aggregator.writer.submit_and_deliver(forget, jobs.drop_watch, watch.row.id)
        finally:
            watch.is_going = False
        self._housekeeper.drop(watch)
        self._retry_seconds.pop(key, None)

    async def _turn(self, key: WatchKey) -> None:
        watch, now = self._aggregator.watches[key], self._aggregator.clock()
        if now < self._retry_seconds.get(key, 0.0):
            return
        try:
            if watch.gauge is None and self._should_wake(watch, now):
                await self._wake(key, now)
            if watch.gauge is not None:
                await self._evaluate(watch, watch.gauge, now)
            await self._housekeeper.tidy(watch, now)
        except Exception:
            self._retry_seconds[key] = now + RETRY_SECONDS
            logger.exception("%s: will be tried again in %g s", key, RETRY_SECONDS)

    # --- asleep and awake ------------------------------------------------------------------------------

    def _should_wake(self, watch: Watch, now: float) -> bool:
        is_told = watch.report is not None and watch.report.verdict is Verdict.UNKNOWN
        return bool(watch.sums) or now - watch.heard_seconds < SLEEP_SECONDS or not is_told

    async def _wake(self, key: WatchKey, now: float) -> None:
        aggregator = self._aggregator
        policy = aggregator.config.model(key.model).policy
        whole = aggregator.profiles[key.model, key.profile]
        await aggregator.waker.wake(aggregator.watches[key], whole, policy, now)

    def _let_sleep(self, watch: Watch, now: float) -> None:
        is_quiet = now - watch.heard_seconds > SLEEP_SECONDS and not watch.sums
        if is_quiet and watch.report is not None and watch.report.verdict is Verdict.UNKNOWN:
            watch.unload()

    # --- evaluation ------------------------------------------------------------------------------------

    async def _evaluate(self, watch: Watch, gauge: Gauge, now: float) -> None:
        watch.drop_silent(now)
        if gauge.policy != self._aggregator.config.model(watch.row.key.model).policy:
            watch.unload()  # the next turn builds it again with the new policy
            return
        due = due_pane(
            watch.evaluated,
            watch.pane_seconds,
            watch.live.values(),
            now_seconds=now,
            started_seconds=self._aggregator.started_seconds,
        )
        if due is None:
            self._let_sleep(watch, now)
        elif 0 <= watch.evaluated < due - 2 * MAX_CATCH_UP_PANES:
            watch.unload()  # the clock jumped: the next turn builds it again further on
        else:
            await self._look_at(watch, gauge, due)

    async def _look_at(self, watch: Watch, gauge: Gauge, due: int) -> None:
        first = watch.evaluated + 1 if watch.evaluated >= 0 else min(watch.sums, default=due)
        first = max(first, due - 2 * MAX_CATCH_UP_PANES)
        await self._look(watch, gauge, first, min(due, first + MAX_LOOKS - 1))

    async def _look(self, watch: Watch, gauge: Gauge, first: int, last: int) -> None:
        fresh = watch.take_unseen(last)
        pods = [] if watch.pods is None else watch.pods.up_to(last)
        try:
            with self._aggregator.meters.evaluation_seconds.time():
                result = await self._aggregator.evaluator.run(gauge.evaluate, first, last, fresh, pods)
        except Exception:
            watch.unload()  # what it holds is not certain any more: the next turn builds it again
            raise
        watch.evaluated, watch.report = last, result.report
        await self._save(watch, result)

    async def _save(self, watch: Watch, result: Result) -> None:
        """Save; if the store cannot, the report stays valid, and its changes wait for the next one."""
        row = watch.unsaved = result.row.following(watch.unsaved)
        try:
            await self._aggregator.writer.submit(jobs.save_evaluation, watch.row.id, row)
            watch.unsaved = None
        except StoreError as error:
            logger.warning("evaluation of %s is not saved yet: %s", watch.row.key.model, error)
