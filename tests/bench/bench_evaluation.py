"""One evaluation of all due windows, through the real `Monitor`."""

import time
from collections.abc import Callable
from functools import partial

import numpy as np
from bench.rows import Row

from tidegauge import Counts, Monitor, Policy, Profile
from tidegauge.profile.profile import NumericFeature

FEATURES, CUTS, SCALES = 50, 1024, 13
SAME_RATIO = 1.1


def _profile(features: int, cuts: int, rows: int) -> Profile:
    """Standard normal features with their cut points at equal steps of probability."""
    from scipy.special import ndtri

    points = ndtri(np.arange(1, cuts + 1) / (cuts + 1))
    counts = np.zeros(2 * cuts + 1, dtype=np.int64)
    counts[1::2] = 1
    counts[::2] = np.diff(np.linspace(0, rows - cuts, cuts + 2).astype(np.int64))
    return Profile(
        tuple(
            NumericFeature(
                name=f"x{i}", dtype="float64", cut_points=points, counts=counts, missing=0, mean=0.0, sd=1.0,
                min=-5.0, max=5.0, beyond=int(rows * 0.0027),
            )
            for i in range(features)
        ),
        None,
        rows,
    )  # fmt: skip


def _filled(profile: Profile, rows_per_pane: int, panes: int) -> Monitor:
    """A monitor whose windows hold `panes` panes of that many rows; the last pane's looks are still due."""
    random = np.random.default_rng(3)
    monitor = Monitor(profile, Policy(design_effect=1))
    monitor.windows.frontier = panes - 2
    none = np.zeros(len(profile.monitored), dtype=np.int64)

    def counts(rows: int) -> Counts:
        cells = [random.multinomial(rows, f.counts / f.total) for f in profile.monitored]
        return Counts(profile, rows, np.concatenate(cells), none.copy(), none.copy())

    for pane in range(panes - 16, panes):
        monitor.add(pane, counts(rows_per_pane))
    for begin in range(0, panes - 1024, 1024):
        monitor.add(begin, counts(rows_per_pane * 1024), 1024)
    return monitor


def _alternating_ms(works: list[Callable[[], object]], repeats: int) -> list[list[float]]:
    """Milliseconds of each piece of work, done in turns so that a slow moment meets all of them."""
    taken: list[list[float]] = [[] for _ in works]
    for turn in range(repeats + 1):
        for work, times in zip(works, taken, strict=True):
            begin = time.perf_counter()
            work()
            if turn:  # the first one warms up
                times.append((time.perf_counter() - begin) * 1e3)
    return taken


def _ready(rows_in_window: float) -> Monitor:
    """A monitor at the end of a pane that ends all its windows."""
    panes = 4096
    monitor = _filled(_profile(FEATURES, CUTS, 100_000), int(rows_in_window / panes) + 1, panes)
    monitor.windows.close(panes - 1, monitor._pending.pop(panes - 1, None))
    return monitor


def run(quick: bool) -> list[Row]:
    """Targets: 5 ms for an evaluation, the same however many rows the windows hold."""
    monitors = [_ready(1e4), _ready(1e8)]
    every, few = list(range(SCALES)), [0, 1, 2]
    works = [partial(monitor._look, scales) for scales in (every, few) for monitor in monitors]
    times = _alternating_ms(works, 5 if quick else 61)
    small, large, small_few, large_few = (float(np.median(one)) for one in times)
    ratio = float(np.median(np.array(times[1]) / np.array(times[0])))
    return [
        _row("1e4", small, small_few),
        _row("1e8", large, large_few),
        Row(
            "its time at 1e8 rows by that at 1e4, median of the turns",
            f"{ratio:.2f}",
            f"<= {SAME_RATIO}",
            ratio <= SAME_RATIO,
        ),
    ]


def _row(label: str, every: float, few: float) -> Row:
    return Row(
        f"one evaluation, 50 features, k=1024, all 13 windows due, {label} rows in the longest",
        f"{every:.2f} ms ({few:.2f} ms with the three due at every pane)",
        "<= 5 ms",
        every <= 5,
        {"three_windows_ms": few},
    )
