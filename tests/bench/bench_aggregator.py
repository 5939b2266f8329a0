"""The aggregator under 1,000 instances x 50 features: processor time per pane of 10 s, memory over an hour.

Panes come over HTTP from another process as fast as they are taken; the clock is simulated, so an hour of
panes takes minutes. Every pane is on the disk before it is acknowledged. Each message's counts are of 1,000
rows. Memory is watched over an hour of panes of 100 instances (more of them add their own rows by bin, up to
32 MiB, and little else), after 13 hours of one instance, which fill the windows.
"""

import asyncio

import numpy as np
import psutil
from bench.rows import Row
from support.aggregator_load import Feeder, Target, messages, simulated_aggregator

from tidegauge.profile.profile import Profile

FEATURES = 50
INSTANCES = 1000
ROWS = 1000
PANE_SECONDS = 10
START = 1_800_000_000 // PANE_SECONDS
WARM_PANES = 8
HOUR_INSTANCES = 100
HOUR_PANES = 360
FILLING_PANES = 4608  # fills the windows of up to 11 hours, so that the hour shows what is not bounded


def run(quick: bool) -> list[Row]:
    """Processor time and memory of one aggregator process."""
    profile, pool = _traffic()
    with simulated_aggregator(START * PANE_SECONDS) as target:
        return asyncio.run(_measure(target, profile, pool, quick))


def _traffic() -> tuple[Profile, list[tuple[int, bytes]]]:
    rng = np.random.default_rng(3)
    names = [f"feature_{i}" for i in range(FEATURES)]
    profile = Profile.fit(rng.normal(size=(100_000, FEATURES)), feature_names=names)
    pool = [(ROWS, profile.count(rng.normal(size=(ROWS, FEATURES))).to_bytes()) for _ in range(16)]
    return profile, pool


async def _measure(target: Target, profile: Profile, pool: list[tuple[int, bytes]], quick: bool) -> list[Row]:
    feeder = Feeder(target.port)
    process = psutil.Process(target.process.pid)
    await feeder.put_profile(profile)

    async def feed(panes: range, instances: int) -> list[tuple[float, float]]:
        """Processor seconds and resident MiB after each pane."""
        measured = []
        for pane in panes:
            target.clock.set((pane + 1) * PANE_SECONDS + 0.5)
            await feeder.send(messages(profile, pane, instances, pool, START))
            times = process.cpu_times()
            measured.append((times.user + times.system, process.memory_info().rss / 2**20))
        return measured

    end = START + WARM_PANES + (6 if quick else 24)
    full = np.array(await feed(range(START, end), INSTANCES))
    rows = [_processor_row(full[WARM_PANES - 1 :, 0], pool)]
    if not quick:
        start = end + FILLING_PANES
        for pane in range(end, start, 16):
            target.clock.set((pane + 16) * PANE_SECONDS + 0.5)
            await feeder.send(m for p in range(pane, pane + 16) for m in messages(profile, p, 1, pool, START))
        end = start
        hour = np.array(await feed(range(end, end + HOUR_PANES), HOUR_INSTANCES))
        rows.append(_memory_row(hour[:, 1]))
    return rows


def _processor_row(processor: np.ndarray, pool: list[tuple[int, bytes]]) -> Row:
    share = float(processor[-1] - processor[0]) / ((len(processor) - 1) * PANE_SECONDS)
    return Row(
        f"{INSTANCES} instances x {FEATURES} features per 10 s, durable: share of one core",
        f"{share:.1%}",
        "<= 40 %",
        share <= 0.4,
        {"panes": len(processor) - 1, "counts_bytes": float(np.mean([len(counts) for _, counts in pool]))},
    )


def _memory_row(resident: np.ndarray) -> Row:
    """Flat: a straight line through it rises by less than a twentieth in the hour."""
    slope = float(np.polyfit(np.arange(resident.size) / HOUR_PANES, resident, 1)[0])
    return Row(
        f"resident memory over {HOUR_PANES} panes",
        f"{resident[0]:.0f} to {resident[-1]:.0f} MiB, {slope:+.1f} MiB an hour",
        "flat",
        bool(slope < 0.05 * resident[0]),
        {"resident_mib": [round(float(x), 1) for x in resident[::6]]},
    )
