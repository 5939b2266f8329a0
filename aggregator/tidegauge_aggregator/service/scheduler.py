"""The recurring work: evaluate what is due, save and publish it, tidy up; load series, unload idle ones."""

from __future__ import annotations

import logging
from typing import Final

from tidegauge.kit.watched_file import WatchedFile
from tidegauge.protocol.names import Verdict
from tidegauge_aggregator.domain.rows import SeriesKey
from tidegauge_aggregator.domain.schedule import MAX_CATCH_UP_PANES, due_pane
from tidegauge_aggregator.evaluation.series_monitor import Result, SeriesMonitor
from tidegauge_aggregator.store import jobs
from tidegauge_aggregator.store.base import StoreError

from .aggregator import Aggregator
from .config import Config
from .housekeeping import Housekeeper
from .series import Series

__all__ = ["Scheduler"]

logger = logging.getLogger(__name__)

IDLE_SECONDS: Final = 3600.0  # a series that was silent for so long is not held in memory
RETRY_SECONDS: Final = 30.0
SELDOM_SECONDS: Final = 30.0
MAX_LOOKS: Final = 32  # panes evaluated at one turn, so that all models move on together


class Scheduler:
    """Turns what the aggregator took into verdicts.

    Parameters
    ----------
    aggregator
        Whose series these are.
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
        self._retry_seconds: dict[SeriesKey, float] = {}

    async def step(self) -> None:
        """Take one turn over all series."""
        if self._file is not None and self._file.refresh():
            self._aggregator.config = self._file.value
        for key in list(self._aggregator.all_series):
            await self._turn(key)
        now = self._aggregator.clock()
        if abs(now - self._seldom_seconds) >= SELDOM_SECONDS:
            self._seldom_seconds = now
            await self._do_seldom(now - self._aggregator.retention_seconds)

    async def _do_seldom(self, before_seconds: float) -> None:
        """Drop what was silent for longer than the retention, and measure the store."""
        aggregator = self._aggregator
        try:
            for key, series in list(aggregator.all_series.items()):
                if series.monitor is None and series.last_seen_seconds < before_seconds and not series.sums:
                    await self._drop(key, series)
            unused = await aggregator.writer.submit(jobs.drop_unused_profiles, before_seconds)
            for owner in unused:
                aggregator.profiles.pop(owner, None)
            aggregator.store_bytes = await aggregator.writer.submit(jobs.size_bytes)
        except StoreError as error:
            logger.warning("the store cannot be tidied now: %s", error)

    async def _drop(self, key: SeriesKey, series: Series) -> None:
        series.is_going = True

        def forget(_: None) -> None:
            """Drop it from memory too; in the event loop."""
            self._aggregator.forget(key)

        try:
            await self._aggregator.writer.submit_and_deliver(forget, jobs.drop_series, series.row.id)
        finally:
            series.is_going = False
        self._housekeeper.drop(series)
        self._retry_seconds.pop(key, None)

    async def _turn(self, key: SeriesKey) -> None:
        series, now = self._aggregator.all_series[key], self._aggregator.clock()
        if now < self._retry_seconds.get(key, 0.0):
            return
        try:
            if series.monitor is None and self._should_load(series, now):
                await self._load(key, now)
            if series.monitor is not None:
                await self._evaluate(series, series.monitor, now)
            await self._housekeeper.tidy(series, now)
        except Exception:
            self._retry_seconds[key] = now + RETRY_SECONDS
            logger.exception("%s: will be tried again in %g s", key, RETRY_SECONDS)

    # --- unloaded and loaded ------------------------------------------------------------------------------

    def _should_load(self, series: Series, now: float) -> bool:
        is_told = series.report is not None and series.report.verdict is Verdict.UNKNOWN
        return bool(series.sums) or now - series.last_seen_seconds < IDLE_SECONDS or not is_told

    async def _load(self, key: SeriesKey, now: float) -> None:
        aggregator = self._aggregator
        policy = aggregator.config.model(key.model).policy
        whole = aggregator.profiles[key.model, key.profile]
        await aggregator.loader.load(aggregator.all_series[key], whole, policy, now)

    def _unload_if_idle(self, series: Series, now: float) -> None:
        is_quiet = now - series.last_seen_seconds > IDLE_SECONDS and not series.sums
        if is_quiet and series.report is not None and series.report.verdict is Verdict.UNKNOWN:
            series.unload()

    # --- evaluation ------------------------------------------------------------------------------------

    async def _evaluate(self, series: Series, series_monitor: SeriesMonitor, now: float) -> None:
        series.drop_silent(now)
        if series_monitor.policy != self._aggregator.config.model(series.row.key.model).policy:
            series.unload()  # the next turn builds it again with the new policy
            return
        due = due_pane(
            series.evaluated,
            series.pane_seconds,
            series.live.values(),
            now_seconds=now,
            started_seconds=self._aggregator.started_seconds,
        )
        if due is None:
            self._unload_if_idle(series, now)
        elif 0 <= series.evaluated < due - 2 * MAX_CATCH_UP_PANES:
            series.unload()  # the clock jumped: the next turn builds it again further on
        else:
            await self._look_at(series, series_monitor, due)

    async def _look_at(self, series: Series, series_monitor: SeriesMonitor, due: int) -> None:
        first = series.evaluated + 1 if series.evaluated >= 0 else min(series.sums, default=due)
        first = max(first, due - 2 * MAX_CATCH_UP_PANES)
        await self._look(series, series_monitor, first, min(due, first + MAX_LOOKS - 1))

    async def _look(self, series: Series, series_monitor: SeriesMonitor, first: int, last: int) -> None:
        fresh = series.take_unseen(last)
        pods = [] if series.pods is None else series.pods.up_to(last)
        try:
            with self._aggregator.metrics.evaluation_seconds.time():
                result = await self._aggregator.evaluator.run(
                    series_monitor.evaluate, first, last, fresh, pods
                )
        except Exception:
            series.unload()  # what it holds is not certain any more: the next turn builds it again
            raise
        series.evaluated, series.report = last, result.report
        await self._save(series, result)

    async def _save(self, series: Series, result: Result) -> None:
        """Save; if the store cannot, the report stays valid, and its changes wait for the next one."""
        row = series.unsaved = result.row.following(series.unsaved)
        try:
            await self._aggregator.writer.submit(jobs.save_evaluation, series.row.id, row)
            series.unsaved = None
        except StoreError as error:
            logger.warning("evaluation of %s is not saved yet: %s", series.row.key.model, error)
