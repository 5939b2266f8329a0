"""The work queue: keys, each due at a time, never two workers on the same key."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Awaitable, Callable, Hashable
from typing import Final, Generic, TypeVar

from tidegauge.kit.backoff import Backoff

__all__ = ["Queue", "Schedule"]

Key = TypeVar("Key", bound=Hashable)

DEBOUNCE_SECONDS: Final = 0.1


class Schedule(Generic[Key]):
    """Keeps when each key is due, as plain state: times come in as arguments.

    A key is in here once, even if it is added often, and the earlier of two times counts. A key
    that failed is tried again after a wait, unless it is hurried; what is added meanwhile is worked on
    without a try. One that is added while it is being worked on is due again after that.
    """

    def __init__(self, backoff: Backoff, random: Callable[[], float]) -> None:
        self._backoff, self._random = backoff, random
        self._due: dict[Key, float] = {}
        self._heap: list[tuple[float, int, Key]] = []
        self._order = 0
        self._working: dict[Key, float | None] = {}
        self._trying: set[Key] = set()
        self._hurried: set[Key] = set()
        self._failures: dict[Key, int] = {}
        self._try_at: dict[Key, float] = {}

    def __len__(self) -> int:
        return len(self._due)

    def add(self, key: Key, at: float, hurry: bool = False) -> None:
        """Make the key due at a time, or earlier if it is due earlier already.

        `hurry` is for what may mend a failure, such as an edit: the key need not wait for its next try.
        """
        if hurry and key in self._try_at:
            self._try_at[key] = min(at, self._try_at[key])
        if key in self._working:
            due = self._working[key]
            self._working[key] = at if due is None else min(due, at)
            self._hurried |= {key} if hurry else set()
        else:
            self._put(key, at)

    def _put(self, key: Key, at: float) -> None:
        if at < self._due.get(key, float("inf")):
            self._due[key] = at
            self._order += 1
            heapq.heappush(self._heap, (at, self._order, key))

    def next_at(self) -> float | None:
        """Return when the next key is due; None without keys."""
        while self._heap and self._due.get(self._heap[0][2]) != self._heap[0][0]:
            heapq.heappop(self._heap)  # the key was taken, or is due earlier by another entry
        return self._heap[0][0] if self._heap else None

    def take(self, now: float) -> Key | None:
        """Take the key that has been due for longest, or None; `done` or `failed` gives it back."""
        at = self.next_at()
        if at is None or at > now:
            return None
        key = heapq.heappop(self._heap)[2]
        del self._due[key]
        self._working[key] = None
        if self._try_at.get(key, now) <= now:
            self._trying.add(key)
        return key

    def is_try(self, key: Key) -> bool:
        """Return whether the work on a key is a try; else it failed before, and its wait is not over."""
        return key in self._trying

    def done(self, key: Key) -> None:
        """Give back a key that went well, and forget its failures."""
        for known in self._failures, self._try_at:
            known.pop(key, None)
        if (at := self._end(key)) is not None:
            self._put(key, at)

    def failed(self, key: Key, now: float) -> None:
        """Give back a key that failed: it is tried again after a wait, or at once if it was hurried."""
        tried, hurried, added = key in self._trying, key in self._hurried, self._end(key)
        if tried:
            self._failures[key] = self._failures.get(key, 0) + 1
            wait_seconds = self._backoff.wait_seconds(self._failures[key], self._random())
            self._try_at[key] = added if hurried and added is not None else now + wait_seconds
        self._put(key, self._try_at[key] if added is None else min(added, self._try_at[key]))

    def _end(self, key: Key) -> float | None:
        """End the work on a key; return when it is due because it was added meanwhile."""
        for keys in self._trying, self._hurried:
            keys.discard(key)
        return self._working.pop(key)


class Queue(Generic[Key]):
    """Workers on a schedule.

    Parameters
    ----------
    schedule
        The state.
    clock
        Seconds, as the event loop counts them.
    debounce_seconds
        How long a key waits before it is taken, so that a burst of events is one piece of work.
    """

    def __init__(
        self,
        schedule: Schedule[Key],
        clock: Callable[[], float],
        debounce_seconds: float = DEBOUNCE_SECONDS,
    ) -> None:
        self._schedule, self._clock, self._debounce_seconds = schedule, clock, debounce_seconds
        self._changed = asyncio.Condition()
        self._closing = False

    def __len__(self) -> int:
        return len(self._schedule)

    @property
    def overdue_seconds(self) -> float:
        """How long the key that has been due for longest has waited for a worker."""
        at = self._schedule.next_at()
        return 0.0 if at is None else max(0.0, self._clock() - at)

    async def add(self, key: Key, hurry: bool = False) -> None:
        """Make the key due soon; with `hurry` as a try, also if it failed."""
        async with self._changed:
            self._schedule.add(key, self._clock() + self._debounce_seconds, hurry)
            self._changed.notify()

    async def close(self) -> None:
        """Let each worker end after the key it is at."""
        async with self._changed:
            self._closing = True
            self._changed.notify_all()

    async def work(self, act: Callable[[Key, bool], Awaitable[bool]]) -> None:
        """Work as one worker: call `act` with one key after the other, and whether this is a try.

        `act` returns whether that went well.
        """
        while (key := await self._next()) is not None:
            went_well = False
            try:
                went_well = await act(key, self._schedule.is_try(key))
            finally:
                async with self._changed:
                    if went_well:
                        self._schedule.done(key)
                    else:
                        self._schedule.failed(key, self._clock())
                    self._changed.notify()

    async def _next(self) -> Key | None:
        async with self._changed:
            while not self._closing:
                now = self._clock()
                if (key := self._schedule.take(now)) is not None:
                    return key
                at = self._schedule.next_at()
                try:
                    await asyncio.wait_for(self._changed.wait(), None if at is None else at - now)
                except TimeoutError:
                    continue
        return None
