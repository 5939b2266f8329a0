"""One evaluation of all due windows, and merging plus evaluating against a loop of `scipy.stats.ks_2samp`."""

import time
from collections.abc import Callable

import numpy as np
from bench.rows import Row
from scipy.stats import ks_2samp

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


def _against_scipy(repeats: int) -> tuple[float, float, float, float]:
    """Milliseconds of scipy's loop, counting and evaluating, evaluating alone; largest difference of D."""
    random = np.random.default_rng(4)
    reference, live = random.normal(size=(10_000, 20)), random.normal(0.1, size=(10_000, 20))
    profile = Profile.fit(reference, 10_000, [f"x{i}" for i in range(20)])
    counts = profile.count(live)
    scipy = _median_ms(
        lambda: [ks_2samp(live[:, i], reference[:, i], method="asymp") for i in range(20)], repeats
    )
    both = _median_ms(lambda: profile.count(live).ks(), repeats)
    alone = _median_ms(counts.ks, repeats)
    wanted = [ks_2samp(live[:, i], reference[:, i], method="asymp").statistic for i in range(20)]
    difference = max(abs(a.statistic - b) for a, b in zip(counts.ks().values(), wanted, strict=True))
    return scipy, both, alone, difference


def run(quick: bool) -> list[Row]:
    """Targets: 5 ms for an evaluation, 10 times and 100 times faster than the loop, the same D."""
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
    scipy, both, alone, difference = _against_scipy(3 if quick else 11)
    detail = {
        "scipy_ms": scipy,
        "counting_and_evaluating_ms": both,
        "evaluating_ms": alone,
        "difference": difference,
    }
    same = difference < 1e-12
    what = "20 features x 10,000 reference x 10,000 window rows against a ks_2samp loop"
    rows.append(
        Row(
            f"{what}, counting included",
            f"{scipy / both:.1f} x",
            ">= 10 x",
            same and scipy >= 10 * both,
            detail,
        )
    )
    rows.append(
        Row(f"{what}, evaluation alone", f"{scipy / alone:.0f} x", ">= 100 x", same and scipy >= 100 * alone)
    )
    return rows
