"""One evaluation of all due windows, through the real `Monitor`."""

import time
from collections.abc import Callable

import numpy as np
from bench.rows import Row

from tidegauge import Counts, Monitor, Policy, Profile
from tidegauge.profile import NumericFeature

FEATURES, CUTS, SCALES = 50, 1024, 13


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


def _median_ms(work: Callable[[], object], repeats: int) -> float:
    work()
    taken = []
    for _ in range(repeats):
        begin = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begin)
    return float(np.median(taken)) * 1e3


def _evaluation(rows_in_window: float, repeats: int) -> tuple[float, float]:
    """Milliseconds of the look with all windows due, and of an ordinary one (three of them)."""
    panes = 4096
    monitor = _filled(_profile(FEATURES, CUTS, 100_000), int(rows_in_window / panes) + 1, panes)
    monitor.windows.close(panes - 1, monitor._pending.pop(panes - 1, None))
    every, few = list(range(SCALES)), [0, 1, 2]
    return _median_ms(lambda: monitor._look(every), repeats), _median_ms(lambda: monitor._look(few), repeats)


def run(quick: bool) -> list[Row]:
    """Target: 5 ms for an evaluation, however many rows the windows hold."""
    repeats = 5 if quick else 31
    rows = []
    for label, n in (("1e4", 1e4), ("1e8", 1e8)):
        every, few = _evaluation(n, repeats)
        rows.append(
            Row(
                f"one evaluation, 50 features, k=1024, all 13 windows due, {label} rows in the longest",
                f"{every:.2f} ms",
                "<= 5 ms",
                every <= 5,
                {"three_windows_ms": few},
            )
        )
        rows.append(Row(f"the same with the three windows due at every pane, {label} rows", f"{few:.2f} ms"))
    return rows
