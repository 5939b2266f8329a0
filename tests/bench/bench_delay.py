"""Rows from an abrupt shift to the alarm: panes of 100 rows, 10,000 reference rows."""

import numpy as np
from bench.rows import Row

from tidegauge import Monitor, Policy, Profile

PANE_ROWS, LIMIT_PANES = 100, 600
QUIET_PANES = 32  # before the shift, so that windows hold both
STREAMS = 60


def delays(shift: float, policy: Policy, runs: int, seed: int) -> np.ndarray:
    """Rows of the shifted distribution seen until each stream's alarm, at most `LIMIT_PANES` panes of them.

    Every stream is a feature with the budget of a deployment of its own; the shift begins at a random phase
    of the windows.
    """
    random = np.random.default_rng(seed)
    names = [f"stream{i}" for i in range(runs)]
    profile = Profile.fit(random.normal(size=(10_000, runs)), 255, names)
    first = int(random.integers(0, 4096))
    found = []
    for begin in range(first, first + 4):  # four phases of the start
        monitor = Monitor(profile, policy, pairs=Monitor.count_pairs(profile) // runs)
        rows = np.full(runs, LIMIT_PANES * PANE_ROWS)
        waiting = np.ones(runs, dtype=bool)
        for pane in range(begin, begin + QUIET_PANES + LIMIT_PANES):
            age = pane - begin - QUIET_PANES
            level = shift if age >= 0 else 0.0
            monitor.add(pane, profile.count(random.normal(level, size=(PANE_ROWS, runs))))
            monitor.advance(pane)
            alarmed = monitor.alarms.alarmed & waiting
            if age >= 0:
                rows[alarmed] = (age + 1) * PANE_ROWS
            waiting &= ~alarmed
            if not waiting.any():
                break
        found.append(rows)
    return np.concatenate(found)


def run(quick: bool) -> list[Row]:
    """Target: a median of 300 rows for half a standard deviation, budget 1 per 30 days, no effect floor."""
    runs = 10 if quick else STREAMS
    policies = {
        "no floor": Policy(design_effect=1, min_effect={"warning": 0, "critical": 0.15}),
        "floor .05, the default": Policy(design_effect=1),
    }
    rows = []
    for shift in (0.5, 0.25, 1.0):
        for name, policy in policies.items():
            found = delays(shift, policy, runs, seed=5)
            median, most = np.median(found), np.quantile(found, 0.9)
            judged = shift == 0.5 and name == "no floor"
            rows.append(
                Row(
                    f"rows from a shift of {shift:g} sd to the alarm, {name}, budget 1 per 30 days",
                    f"median {median:.0f}, 90 % {most:.0f}",
                    "median <= 300" if judged else "",
                    bool(median <= 300) if judged else None,
                    {"runs": int(found.size), "pairs_per_feature": 5},
                )
            )
    return rows
