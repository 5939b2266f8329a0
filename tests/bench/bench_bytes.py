"""Size of a pane's counts on the wire, and the time to write and read them."""

import time
from collections.abc import Callable
from statistics import median

import numpy as np
from bench.rows import Row

from tidegauge import Counts, Profile

FEATURES = 50
CUT_POINTS = 1024
TARGET_BYTES = 500


def run(quick: bool) -> list[Row]:
    """Bytes per feature and pane for normal features, and for discrete ones."""
    random = np.random.default_rng(0)
    names = [f"f{i}" for i in range(FEATURES)]
    profile = Profile.fit(random.normal(size=(20_000, FEATURES)), CUT_POINTS, names)
    discrete = Profile.fit(random.integers(0, 40, (20_000, FEATURES)), CUT_POINTS, names)
    rounds = 5 if quick else 25
    rows = [
        _measure(profile, random.normal(size=(n, FEATURES)), rounds) for n in (100, 1000, 10_000, 100_000)
    ]
    few = _measure(
        discrete, random.integers(0, 40, (1000, FEATURES)).astype(float), rounds, ", 40 distinct values"
    )
    return [*rows, few]


def _measure(profile: Profile, matrix: np.ndarray, rounds: int, kind: str = "") -> Row:
    counts = profile.count_matrix(matrix)
    data = counts.to_bytes()
    size = len(data) / FEATURES
    write, read = (
        _median_ms(counts.to_bytes, rounds),
        _median_ms(lambda: Counts.from_bytes(data, profile), rounds),
    )
    aimed = len(matrix) == 1000
    return Row(
        f"bytes per feature and pane of {len(matrix):,} rows, q = {CUT_POINTS}{kind}",
        f"{size:.0f} (a pane of {FEATURES} features: written in {write:.2f} ms, read in {read:.2f} ms)",
        f"<= {TARGET_BYTES}" if aimed else "",
        size <= TARGET_BYTES if aimed else None,
        {"bytes": size, "write_ms": write, "read_ms": read},
    )


def _median_ms(function: Callable[[], object], rounds: int) -> float:
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        function()
        times.append(time.perf_counter() - started)
    return median(times) * 1000
