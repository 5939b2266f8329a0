"""What the server counts, as plain numbers on the way of a request; `families` shows them to Prometheus."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Sequence
from math import isfinite
from typing import Final

import numpy as np
import numpy.typing as npt

from tidegauge.profile.profile import NumericFeature, Profile

__all__ = ["Histogram", "ServingMetrics", "prediction_histogram"]

SECONDS: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
SCORES: Final = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0)
QUANTILES: Final = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)


class Histogram:
    """Counts per bucket, and the sum.

    Parameters
    ----------
    bounds
        Upper bounds of the buckets, rising; values above the last are counted in one more.
    """

    __slots__ = ("_edges", "bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self._edges = np.array(self.bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count one value if it is finite: one infinity would make the sum infinite for ever."""
        if isfinite(value):
            self.counts[bisect_left(self.bounds, value)] += 1
            self.total += value

    def observe_many(self, values: npt.NDArray[np.float64]) -> None:
        """Count the finite ones of many values."""
        values = values[np.isfinite(values)]
        found = np.bincount(self._edges.searchsorted(values), minlength=len(self.counts))
        self.counts = [count + int(more) for count, more in zip(self.counts, found, strict=True)]
        self.total += float(values.sum())

    def buckets(self) -> list[tuple[str, float]]:
        """Return cumulative counts as Prometheus has them."""
        below = np.cumsum(self.counts).tolist()
        return list(zip([*map(repr, self.bounds), "+Inf"], below, strict=True))


class ServingMetrics:
    """Counters of one server.

    Parameters
    ----------
    model
        The model's name, the label of every family; empty until it is known.

    Attributes
    ----------
    capture_counts
        Set once capture is there: returns rows appended and rows dropped.
    log_bytes
        Set once capture exists: returns the bytes in the log.
    """

    def __init__(self, model: str = "") -> None:
        self.model = model
        self.ready = False
        self.requests: defaultdict[tuple[str, int], int] = defaultdict(int)
        self.errors: defaultdict[str, int] = defaultdict(int)
        self.rows = 0
        self.unsampled_rows = 0
        self.high_rows = 0
        self.seconds: defaultdict[str, Histogram] = defaultdict(lambda: Histogram(SECONDS))
        self.scores = Histogram(SCORES)
        self.predictions: Histogram | None = None
        self.capture_counts: Callable[[], tuple[int, int]] | None = None
        self.log_bytes: Callable[[], int] | None = None


def prediction_histogram(profile: Profile) -> Histogram | None:
    """Return a histogram with quantiles of the reference's predictions as bounds.

    None where they are no numbers.
    """
    prediction = profile.prediction
    if not isinstance(prediction, NumericFeature) or not prediction.cut_points.size or not prediction.total:
        return None
    up_to_point = np.cumsum(prediction.counts)[1::2]
    at = np.searchsorted(up_to_point, np.array(QUANTILES) * prediction.total)
    points = prediction.cut_points[np.minimum(at, prediction.cut_points.size - 1)]
    return Histogram(sorted(set(points[np.isfinite(points)].astype(np.float64).tolist())))
