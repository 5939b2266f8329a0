"""Waiting for a condition with a bound, instead of sleeping for luck."""

import time
import urllib.request
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_for(condition: Callable[[], T], what: str, timeout_seconds: float = 60.0, every: float = 0.02) -> T:
    """The condition's first true value; fails naming what did not come."""
    deadline = time.monotonic() + timeout_seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {timeout_seconds:g} s")
        time.sleep(every)
    return value


def answers_200(url: str) -> bool:
    """Whether a web server answers this address with success now."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
