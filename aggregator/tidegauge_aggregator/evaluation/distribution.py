"""One feature for people: reference against live, and its distance over time."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from tidegauge.arrays import IntArray
from tidegauge.counting.ks import ks_two_sample
from tidegauge.monitor.monitor import Monitor
from tidegauge.profile.features import CategoricalFeature, Feature, NumericFeature
from tidegauge.stats.distance import total_variation
from tidegauge.stats.tables import over_values, quantile_bins

__all__ = ["describe_feature"]


MAX_BINS: Final = 50
MAX_CATEGORIES: Final = 20
TIMELINE_LEVELS: Final = (10, 8, 6, 4, 2, 0)  # four blocks each of 1024, 256, 64, 16, 4 and 1 panes


def describe_feature(monitor: Monitor, name: str, window: int | None) -> dict[str, Any]:
    """Distributions and timeline of a feature.

    Parameters
    ----------
    monitor
        What counted it.
    name
        A feature of its profile.
    window
        Length in panes of the window to show; None shows the longest.
    """
    position = monitor.profile.position(name)
    feature = monitor.profile.monitored[position]
    live = _live(monitor, position, window)
    return {
        "window": window,
        "reference_rows": feature.total,
        "live_rows": int(live.sum()),
        "distribution": list(_distribution(feature, live)),
        "timeline": list(_timeline(monitor, position)),
    }


def _live(monitor: Monitor, position: int, window: int | None) -> IntArray:
    if monitor.evaluated_through is None:
        return np.zeros(monitor.profile.monitored[position].cells, dtype=np.int64)
    scale = monitor.policy.scales - 1 if window is None else window.bit_length() - 1
    return monitor.evaluator.sample(monitor.windows.window(scale), position).cells


def _distribution(feature: Feature, live: IntArray) -> Iterator[dict[str, Any]]:
    if isinstance(feature, CategoricalFeature):
        yield from _categories(feature, live)
        return
    starts = quantile_bins(feature.counts, MAX_BINS)
    ends = [*starts[1:].tolist(), feature.cells]
    sums = zip(
        starts.tolist(),
        ends,
        np.add.reduceat(feature.counts, starts),
        np.add.reduceat(live, starts),
        strict=True,
    )
    for first, end, reference, counted in sums:
        low, high = _edges(feature, first, end - 1)
        yield {"low": low, "high": high} | _shares(feature, live, int(reference), int(counted))


def _edges(feature: NumericFeature, first: int, last: int) -> tuple[float | None, float | None]:
    """Smallest and largest value of a run of cells; None where it is open."""
    cuts = feature.cut_points
    low = (first + 1) // 2 - 1 if first % 2 == 0 else first // 2
    high = last // 2
    return _finite(cuts[low]) if low >= 0 else None, _finite(cuts[high]) if high < cuts.size else None


def _categories(feature: CategoricalFeature, live: IntArray) -> Iterator[dict[str, Any]]:
    """The largest categories of either side, then all others together."""
    reference = feature.compared
    largest = np.maximum(reference / max(1, reference.sum()), live / max(1, live.sum()))[:-1]
    shown = sorted(np.argsort(-largest, kind="stable")[:MAX_CATEGORIES].tolist())
    for index in shown:
        counts = int(reference[index]), int(live[index])
        yield {"category": feature.categories[index]} | _shares(feature, live, *counts)
    others = int(reference.sum() - reference[shown].sum()), int(live.sum() - live[shown].sum())
    yield {"category": None} | _shares(feature, live, *others)


def _shares(feature: Feature, live: IntArray, reference: int, counted: int) -> dict[str, float]:
    total = int(feature.compared.sum())
    return {"reference": reference / max(1, total), "live": counted / max(1, int(live.sum()))}


def _timeline(monitor: Monitor, position: int) -> Iterator[dict[str, Any]]:
    """The distance of each block that is kept, the finer ones only where no coarser one is."""
    following = 0
    if monitor.evaluated_through is None:
        return
    for level in TIMELINE_LEVELS:
        if level + 2 >= monitor.policy.scales:
            continue
        for pane, block in monitor.windows.blocks(level + 2):
            counted = monitor.evaluator.sample([block], position).cells
            if pane >= following and counted.any():
                following = pane + (1 << level)
                yield {
                    "pane": pane,
                    "panes": 1 << level,
                    "start_seconds": pane * monitor.pane_seconds,
                    "rows": int(counted.sum()),
                    "statistic": _distance(monitor.profile.monitored[position], counted),
                }


def _distance(feature: Feature, live: IntArray) -> float:
    if isinstance(feature, NumericFeature):
        return ks_two_sample(over_values(feature, live), over_values(feature, feature.counts)).statistic
    return total_variation(live, feature.compared)


def _finite(value: Any) -> float | None:
    number = float(value)
    return number if math.isfinite(number) else None
