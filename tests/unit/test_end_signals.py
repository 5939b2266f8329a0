"""A program that is asked to end takes its steps in order, and fewer when it is asked again."""

import asyncio
import os
import signal
from collections.abc import Sequence

import pytest

from tidegauge.kit.signals import on_end_signals

LONG = 60.0


def ended(signals: Sequence[int], waits: Sequence[float], ends: int) -> list[str]:
    """What a program did when these signals came, each once the loop had handled the one before."""

    async def run() -> list[str]:
        done: list[str] = []
        loop, enough = asyncio.get_running_loop(), asyncio.Event()

        def end() -> None:
            done.append("end")
            if done.count("end") == ends:
                enough.set()

        steps = [(lambda i=i: done.append(f"step {i}"), seconds) for i, seconds in enumerate(waits, 1)]
        on_end_signals(end, loop, steps)
        for number in signals:
            before = len(done)
            os.kill(os.getpid(), number)
            while len(done) == before:
                await asyncio.sleep(0)
        await asyncio.wait_for(enough.wait(), 10)
        return done

    return asyncio.run(run())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_steps_are_taken_in_order_and_the_end_comes_last(number: int) -> None:
    assert ended([number], [0.0, 0.01], ends=1) == ["step 1", "step 2", "end"]


def test_without_steps_each_signal_is_passed_on() -> None:
    assert ended([signal.SIGTERM, signal.SIGTERM], [], ends=2) == ["end", "end"]


def test_a_second_signal_leaves_out_what_is_left_and_ends_once() -> None:
    assert ended([signal.SIGTERM, signal.SIGINT], [LONG, LONG], ends=1) == ["step 1", "end"]


def test_a_third_signal_asks_not_to_wait() -> None:
    assert ended([signal.SIGTERM] * 3, [LONG, LONG], ends=2) == ["step 1", "end", "end"]
