"""Rows counted per second, beside bare sort + searchsorted and beside a loop of `scipy.stats.ks_2samp`.

Times are of this process's CPU, so that other programs on the machine disturb them less.
"""

import time
from collections.abc import Callable
from statistics import median

import numpy as np
from bench.rows import Row
from scipy.stats import ks_2samp

from tidegauge import Accumulator, Profile

FEATURES = 20
CUT_POINTS = 1024
BATCHES = 8  # different ones, so that no batch stays in the cache
SIDECAR_ROWS = 16_384
TARGETS = {1024: 25.0, SIDECAR_ROWS: 50.0}
LEAST_RATIO = 0.65

Matrix = np.ndarray


def run(quick: bool) -> list[Row]:
    """Speed of counting, and of the whole comparison."""
    random = np.random.default_rng(0)
    names = [f"f{i}" for i in range(FEATURES)]
    profile = Profile.fit(random.normal(size=(50_000, FEATURES)), CUT_POINTS, names)
    speeds = [
        _speed(profile, rows, random, rounds=5 if quick else 31) for rows in (64, 1024, 4096, SIDECAR_ROWS)
    ]
    return [*speeds, *_against_scipy(random, names, rounds=1 if quick else 5)]


def _speed(profile: Profile, rows: int, random: np.random.Generator, rounds: int) -> Row:
    batches = [random.normal(size=(rows, FEATURES)) for _ in range(BATCHES)]
    accumulator = Accumulator(profile)
    cuts = [feature.cut_points for feature in profile.features if feature.kind == "numeric"]

    def ours() -> None:
        for batch in batches:
            accumulator.add(batch)

    def bare() -> None:
        for batch in batches:
            block = np.sort(np.ascontiguousarray(batch.T), axis=-1)
            for cut_points, values in zip(cuts, block, strict=True):
                cut_points.searchsorted(values)

    repeats = max(1, 40_000 // (rows * BATCHES))
    pairs = [(_seconds(ours, repeats), _seconds(bare, repeats)) for _ in range(rounds)]
    values = rows * FEATURES * BATCHES / 1e6
    speed = values / median(mine for mine, _ in pairs)
    bare_speed = values / median(other for _, other in pairs)
    ratio = median(other / mine for mine, other in pairs)
    least = TARGETS.get(rows)
    return Row(
        f"counting {FEATURES} numeric features, k = {CUT_POINTS}, batches of {rows:,}",
        f"{speed:.1f} M values/s of one core, {ratio:.0%} of bare sort + searchsorted ({bare_speed:.1f} M)",
        f">= {least:.0f} M, >= {LEAST_RATIO:.0%}" if least else "",
        speed >= least and ratio >= LEAST_RATIO if least else None,
        {"million_values_per_second": speed, "bare_million_values_per_second": bare_speed, "ratio": ratio},
    )


def _against_scipy(random: np.random.Generator, names: list[str], rounds: int) -> list[Row]:
    """20 features x 10,000 reference x 10,000 window rows."""
    reference = random.normal(size=(10_000, FEATURES))
    window = random.normal(0.05, 1, size=(10_000, FEATURES))
    profile = Profile.fit(reference, CUT_POINTS, names)
    whole = Profile.fit(reference, len(reference), names)
    counts = profile.count(window)

    def scipy_loop() -> list[float]:
        columns = zip(window.T, reference.T, strict=True)
        return [float(ks_2samp(live, train).statistic) for live, train in columns]

    truth = np.array(scipy_loop())
    exact = np.array([result.statistic for result in whole.count(window).ks().values()])
    bracket = list(counts.ks().values())
    same = float(np.abs(truth - exact).max())
    inside = all(
        result.lower - 1e-12 <= d <= result.upper + 1e-12 for result, d in zip(bracket, truth, strict=True)
    )
    scipy_seconds = median(_seconds(scipy_loop) for _ in range(rounds))
    counting = scipy_seconds / median(
        _seconds(lambda: _evaluate(profile.count(window)), 3) for _ in range(rounds * 3)
    )
    evaluation = scipy_seconds / median(_seconds(lambda: _evaluate(counts), 10) for _ in range(rounds * 3))
    detail: dict[str, object] = {"scipy_seconds": scipy_seconds, "largest_difference": same, "inside": inside}
    what = (
        f"{FEATURES} features x 10,000 x 10,000 rows against a ks_2samp loop ({scipy_seconds * 1000:.0f} ms)"
    )
    return [
        Row(
            f"{what}, counting included",
            f"{counting:.0f} x; D differs by {same:.0e} with all values kept, else in its bracket: {inside}",
            ">= 10 x, same D",
            counting >= 10 and same <= 1e-12 and inside,
            {**detail, "ratio": counting},
        ),
        Row(
            f"{what}, evaluation alone",
            f"{evaluation:.0f} x",
            ">= 100 x",
            evaluation >= 100,
            {"ratio": evaluation},
        ),
        Row(
            f"{what}, with all 10,000 values kept as cut points",
            f"{_ratio(scipy_seconds, whole, window, rounds):.1f} x, counting included",
        ),
    ]


def _ratio(scipy_seconds: float, profile: Profile, window: Matrix, rounds: int) -> float:
    taken = median(_seconds(lambda: _evaluate(profile.count(window))) for _ in range(rounds * 3))
    return scipy_seconds / taken


def _evaluate(counts: object) -> list[float]:
    return [result.pvalue for result in counts.ks().values()]  # type: ignore[attr-defined]


def _seconds(function: Callable[[], object], repeats: int = 1) -> float:
    started = time.process_time()
    for _ in range(repeats):
        function()
    return (time.process_time() - started) / repeats
