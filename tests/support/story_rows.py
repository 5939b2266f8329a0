"""The rows that a story's tests send: drawn from the model's own profile, and sent within one pane."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from tidegauge.counting.counts import Counts
from tidegauge.data.synthetic import columns
from tidegauge.profile.profile import Profile
from tidegauge.protocol.names import PANE_SECONDS

PANES_OF_A_BLOCK = 4  # of the timeline's second finest level
Rows = npt.NDArray[np.float32]


def table(columns: dict[str, npt.NDArray[Any]]) -> Rows:
    """Columns as rows ``(n, features)``, as precise as the model takes them."""
    return np.column_stack(list(columns.values())).astype(np.float32)


def ordinary(profile: Profile, random: np.random.Generator, count: int) -> Rows:
    """Rows as in the reference."""
    return table(columns(profile, count, "baseline", random))


def moved(profile: Profile, random: np.random.Generator, count: int, *features: str) -> Rows:
    """Rows of which these features lie two standard deviations higher."""
    return table(columns(profile, count, "high", random, features))


def counted(profile: Profile, rows: Rows) -> Counts:
    """What one counter makes of all these rows."""
    return profile.count({feature.name: rows[:, i] for i, feature in enumerate(profile.features)})


def in_one_pane(send: Callable[[], object]) -> int:
    """Have rows sent so that they are all of one pane, which is shown alone for two panes or more."""
    for _ in range(4):
        pane = pane_shown_alone(time.time())
        time.sleep(pane * PANE_SECONDS - time.time() + 0.1)
        send()
        if time.time() // PANE_SECONDS == pane:
            return pane
    raise AssertionError("sending takes longer than a pane")


def pane_shown_alone(after_seconds: float) -> int:
    """The next pane of the first two of a block: the timeline shows panes alone until their block is full."""
    following = int(after_seconds // PANE_SECONDS) + 1
    return following if following % PANES_OF_A_BLOCK < 2 else following + -following % PANES_OF_A_BLOCK
