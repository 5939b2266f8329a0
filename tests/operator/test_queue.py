"""The operator's queue: once each, one at a time, later after a failure."""

import asyncio

import pytest
from tidegauge_operator.controller.queue import Queue, Schedule

from tidegauge.kit.backoff import Backoff


def schedule(jitter: float = 0.0, random: float = 0.0) -> Schedule[str]:
    return Schedule(Backoff(first_seconds=1.0, most_seconds=60.0, jitter=jitter), lambda: random)


def test_a_key_added_often_is_worked_on_once() -> None:
    work = schedule()
    for _ in range(5):
        work.add("a", 1.0)
    assert len(work) == 1
    assert work.take(1.0) == "a"
    assert work.take(1.0) is None


def test_nothing_is_taken_before_it_is_due() -> None:
    work = schedule()
    work.add("a", 2.0)
    assert work.take(1.9) is None
    assert work.next_at() == 2.0
    assert work.take(2.0) == "a"


def test_of_two_times_the_earlier_one_stands() -> None:
    work = schedule()
    work.add("a", 9.0)
    work.add("a", 2.0)
    work.add("a", 5.0)
    assert work.next_at() == 2.0
    assert work.take(2.0) == "a"
    work.done("a")
    assert work.next_at() is None, "the later entries of the same key are not work of their own"


def test_the_key_that_waited_longest_comes_first() -> None:
    work = schedule()
    for key, at in (("c", 3.0), ("a", 1.0), ("b", 2.0)):
        work.add(key, at)
    assert [work.take(9.0) for _ in range(4)] == ["a", "b", "c", None]


def test_no_two_workers_have_the_same_key_and_no_change_is_missed() -> None:
    work = schedule()
    work.add("a", 0.0)
    assert work.take(0.0) == "a"
    work.add("a", 0.5)
    assert work.take(9.0) is None, "it is being worked on"
    work.done("a")
    assert work.take(9.0) == "a", "what changed meanwhile is looked at"


def test_failures_wait_longer_each_time_up_to_a_bound() -> None:
    work = schedule()
    waits = []
    now = 0.0
    work.add("a", now)
    for _ in range(8):
        assert work.take(now) == "a"
        work.failed("a", now)
        waits.append((work.next_at() or 0.0) - now)
        now += waits[-1]
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]


def test_success_forgets_failures() -> None:
    work = schedule()
    for _ in range(3):
        work.add("a", 0.0)
        work.take(1e9)
        work.failed("a", 0.0)
    work.take(1e9)
    work.done("a")
    work.add("a", 0.0)
    work.take(0.0)
    work.failed("a", 0.0)
    assert work.next_at() == 1.0


def failed_once() -> Schedule[str]:
    work = schedule()
    work.add("a", 0.0)
    work.take(0.0)
    work.failed("a", 0.0)
    return work


def test_news_of_a_key_that_failed_are_worked_on_and_are_no_try() -> None:
    work = failed_once()
    work.add("a", 0.1)
    assert work.take(0.1) == "a"
    assert not work.is_try("a")
    work.failed("a", 0.2)
    assert work.take(0.9) is None
    assert work.take(1.0) == "a", "its next try comes when it would have come, and no later"
    assert work.is_try("a")


def test_news_while_a_key_that_failed_is_worked_on_are_not_missed() -> None:
    work = failed_once()
    work.add("a", 0.1)
    work.take(0.1)
    work.add("a", 0.2)
    work.failed("a", 0.3)
    assert work.take(0.3) == "a"
    assert not work.is_try("a")


def test_an_edit_is_not_kept_waiting_by_a_failure() -> None:
    work = failed_once()
    work.add("a", 0.1, hurry=True)
    assert work.take(0.1) == "a"
    assert work.is_try("a")


@pytest.mark.parametrize("taken_at", [0.5, 1.0])
def test_an_edit_during_failing_work_is_not_kept_waiting(taken_at: float) -> None:
    work = failed_once()
    work.add("a", taken_at)
    assert work.take(taken_at) == "a"
    work.add("a", 1.1, hurry=True)
    work.failed("a", 1.2)
    assert work.take(1.2) == "a"
    assert work.is_try("a")


@pytest.mark.parametrize(("random", "expected"), [(0.0, 8.0), (0.5, 6.0), (1.0, 4.0)])
def test_the_wait_is_spread(random: float, expected: float) -> None:
    assert Backoff(1.0, 60.0, 0.5).wait_seconds(4, random) == expected


def test_a_very_long_row_of_failures_still_has_a_bound() -> None:
    assert Backoff(1.0, 60.0, 0.0).wait_seconds(100_000, 0.0) == 60.0


def test_workers_share_the_keys_and_end_when_told() -> None:
    async def run() -> tuple[list[str], int]:
        seen: list[str] = []
        at_once = most = 0
        queue: Queue[str] = Queue(schedule(), asyncio.get_running_loop().time, debounce_seconds=0.0)

        async def act(key: str, _: bool) -> bool:
            nonlocal at_once, most
            at_once += 1
            most = max(most, at_once)
            await asyncio.sleep(0)
            seen.append(key)
            at_once -= 1
            if len(seen) == 20:
                await queue.close()
            return True

        for i in range(20):
            await queue.add(f"k{i}")
        await asyncio.wait_for(asyncio.gather(*(queue.work(act) for _ in range(3))), 10)
        return seen, most

    seen, most = asyncio.run(run())
    assert sorted(seen) == sorted(f"k{i}" for i in range(20))
    assert most == 3


def test_a_key_that_fails_is_tried_again() -> None:
    async def run() -> int:
        tries = 0
        backoff = Backoff(first_seconds=0.001, most_seconds=300.0)
        loop = asyncio.get_running_loop()
        queue: Queue[str] = Queue(Schedule(backoff, lambda: 0.0), loop.time, debounce_seconds=0.0)

        async def act(key: str, _: bool) -> bool:
            nonlocal tries
            assert key == "a"
            tries += 1
            if tries == 4:
                await queue.close()
            return tries == 4

        await queue.add("a")
        await asyncio.wait_for(queue.work(act), 10)
        return tries

    assert asyncio.run(run()) == 4
