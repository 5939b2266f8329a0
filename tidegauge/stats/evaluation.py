"""One look: all statistics of all features over the windows that are due. The hot path of the monitor.

Every statistic gives a *lower confidence bound* on the share of rows that moved (the distance between the
window's distribution and the reference's). A feature's bound is that of the statistic which decided.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tidegauge.arrays import BoolArray, FloatArray, IntArray
from tidegauge.counting.counts import Counts
from tidegauge.stats.distance import distances
from tidegauge.stats.evidence import Budget, Limits, Sums
from tidegauge.stats.registry import STATISTICS, Statistics, applying, count_pairs
from tidegauge.stats.seasonality import MIXTURES, Expected, mixture
from tidegauge.stats.tables import Reference, Sample

__all__ = ["Evaluation", "Evaluator", "Jury"]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Result for windows x features; arrays of shape ``(windows, features)``.

    Parameters
    ----------
    statistic
        D of a numeric feature, total variation distance of a categorical one.
    lower
        Lower confidence bound of the statistic in `cause`; minus infinity without rows.
    middle
        The largest of (point + lower) / 2 over the statistics: below the effect floor, a window is calm.
        Infinite without rows.
    firm
        The largest of lower - (point - lower) / 2 over the statistics: above the effect floor, looks like
        this one do not come out calm by chance. Minus infinity without rows.
    eps
        Half-width of the bound: a distance up to it cannot be shown. Infinite without rows.
    detected
        Whether any statistic is significant at its share of the budget.
    cause
        Name of the statistic that decided.
    rows
        Rows in the window, missing values included.
    noise
        ``design effect / n + 1 / m``, infinite without rows.
    """

    statistic: FloatArray
    lower: FloatArray
    middle: FloatArray
    firm: FloatArray
    eps: FloatArray
    detected: BoolArray
    cause: npt.NDArray[np.object_]
    rows: FloatArray
    noise: FloatArray

    def row(self, index: int) -> Evaluation:
        """Return one window's result, arrays of shape ``(features,)``."""
        return Evaluation(*(getattr(self, name)[index] for name in self.__slots__))


@dataclass(frozen=True, slots=True)
class _Compared:
    """One window against one `Expected`: sizes, D and rank mean per feature, expected share per bin."""

    m: FloatArray
    distance: FloatArray
    rank: FloatArray
    bins: FloatArray


class Evaluator:
    """Evaluates stacked windows against one reference.

    A pane's *vector* is what the rings hold: cells | missing | beyond | rank sums, then, for a reference
    with hours of day, rows times `hour_weights` per mixture, hour and feature. The cells are cumulated
    within each feature, so that a window's ECDF is a sum of blocks and nothing else; so are its rank sums
    (`Reference.rank_sum`). Floats hold whole numbers exactly up to 9e15.

    Parameters
    ----------
    reference
        The reference's tables.
    pairs
        (feature, statistic) pairs that may alarm in the whole deployment; None: those of this reference.
    statistics
        The statistics that decide.
    """

    def __init__(
        self, reference: Reference, pairs: int | None = None, statistics: Statistics = STATISTICS
    ) -> None:
        self.reference = reference
        self.pairs = count_pairs(reference, statistics) if pairs is None else pairs
        self.jury = Jury(reference, self.pairs, statistics)
        self.cells = int(reference.offsets[-1])
        self.features = len(reference.features)
        self.has_hours = bool(reference.hourly.any())
        self.width = self.cells + self.features * (3 + MIXTURES * 24 * self.has_hours)
        self._scratch = np.empty(self.cells)
        self._total = np.empty(self.width)
        self._whole = Expected(reference.ecdf, reference.rank_level, reference.m)

    def fill(self, raw: IntArray, counts: Counts, hours: IntArray | None) -> None:
        """Add counts to a pane's raw vector, int64, shape ``(width,)``, not cumulated.

        `hours` are the pane's `hour_weights`, None where panes have no hour of day.
        """
        c, f = self.cells, self.features
        raw[:c] += counts.cells
        raw[c : c + f] += counts.missing
        raw[c + f : c + 2 * f] += counts.beyond
        if self.has_hours and hours is not None:
            self.fill_hours(raw, np.add.reduceat(counts.cells, self.reference.starts), hours)

    def fill_hours(self, raw: IntArray, values: IntArray, hours: IntArray) -> None:
        """Add values per feature, ``(features,)``, to the hours of day of a raw vector."""
        raw[self.cells + 3 * self.features :].reshape(MIXTURES, 24, self.features)[...] += (
            hours[:, :, None] * values
        )

    def vector(self, raw: IntArray) -> FloatArray:
        """Return a pane's raw vector as the rings hold it."""
        r, c = self.reference, self.cells
        vector = raw.astype(np.float64)
        np.cumsum(raw[:c], out=vector[:c])
        before = np.concatenate(([0.0], vector[r.offsets[1:-1] - 1]))
        vector[:c] -= np.repeat(before, r.sizes)
        vector[c + 2 * self.features : c + 3 * self.features] = r.rank_sum(vector[:c])
        return vector

    def evaluate(
        self, windows: list[list[FloatArray]], budget: Budget, design_effect: FloatArray
    ) -> Evaluation:
        """Compute all statistics of all windows, each given by its blocks; `design_effect` is ``(W, F)``."""
        return self.jury.decide(self.sums(windows), budget, design_effect)

    def bins(self, blocks: list[FloatArray]) -> tuple[FloatArray, FloatArray]:
        """Return one window's rows per bin, found and expected, each of shape ``(1, bins)``."""
        sums = self.sums([blocks])
        return sums.bins, sums.expected * np.repeat(sums.n, self.reference.bin_sizes, axis=1)

    def sample(self, blocks: list[FloatArray], feature: int) -> Sample:
        """Return one feature's counts in a window, given by its blocks."""
        begin, end = self.reference.offsets[feature : feature + 2]
        missing, beyond = (self.cells + part * self.features + feature for part in (0, 1))
        cells, total_missing, total_beyond = np.zeros(end - begin), 0.0, 0.0
        for block in blocks:
            cells += block[begin:end]
            total_missing += block[missing]
            total_beyond += block[beyond]
        counts = np.diff(cells, prepend=0.0).astype(np.int64)
        return Sample.of(self.reference.features[feature], counts, int(total_missing), int(total_beyond))

    # --- the pass over cells ---------------------------------------------------------------------------

    def _add(self, blocks: list[FloatArray]) -> FloatArray:
        """The sum of a window's blocks: a scratch vector, valid until the next call."""
        total = self._total
        if len(blocks) == 1:
            return blocks[0]
        if not blocks:
            total[:] = 0
            return total
        np.add(blocks[0], blocks[1], out=total)
        for block in blocks[2:]:
            total += block
        return total

    def sums(self, windows: list[list[FloatArray]]) -> Sums:
        """Return the sums that the statistics need, each window given by its blocks."""
        r, rows = self.reference, len(windows)
        features, bins = (rows, self.features), (rows, r.bin_cells.size)
        sums = Sums(*(np.empty(shape) for shape in (*[features] * 4, bins, bins, features, features)))
        for row, blocks in enumerate(windows):
            self._sum_row(sums, row, self._add(blocks))
        if self.reference.rounded.size:
            self._distance_over_bins(sums)
        return sums

    def _sum_row(self, sums: Sums, row: int, total: FloatArray) -> None:
        r, c, f = self.reference, self.cells, self.features
        cells = total[:c]
        sums.missing[row], sums.beyond[row] = total[c : c + f], total[c + f : c + 2 * f]
        sums.n[row] = n = cells[r.offsets[1:] - 1]
        sums.bins[row] = r.bins_of(cells)
        inverse = 1 / np.maximum(n, 1)
        compared = [self._compare(total, inverse, expected) for expected in self._expected(total)]
        nearest = compared[0] if len(compared) == 1 else self._nearer(sums.bins[row], inverse, *compared)
        known = (n > 0) & r.known
        sums.m[row], sums.expected[row] = nearest.m, nearest.bins
        sums.distance[row] = np.where(known, nearest.distance, 0.0)
        sums.rank[row] = np.where(known, nearest.rank, 0.0)

    def _distance_over_bins(self, sums: Sums) -> None:
        """D of few values over their bins: a value and what differs from it by rounding are one."""
        r, i = self.reference, self.reference.rounded
        sizes = r.bin_sizes[i]
        starts = np.cumsum(sizes) - sizes
        n = np.repeat(np.maximum(sums.n[:, i], 1), sizes, axis=1)
        gap = np.cumsum(sums.bins[:, r.rounded_bins] / n - sums.expected[:, r.rounded_bins], axis=1)
        gap -= np.repeat(np.hstack((np.zeros((len(gap), 1)), gap[:, starts[1:] - 1])), sizes, axis=1)
        sums.distance[:, i] = np.where(sums.n[:, i] > 0, np.maximum.reduceat(np.abs(gap), starts, axis=1), 0)

    def _compare(self, total: FloatArray, inverse: FloatArray, expected: Expected) -> _Compared:
        """D, rank mean and bins of a window against one ECDF."""
        r, c, f, gap = self.reference, self.cells, self.features, self._scratch
        scale = inverse[0] if (inverse == inverse[0]).all() else np.repeat(inverse, r.sizes)
        np.multiply(total[:c], scale, out=gap)
        gap -= expected.ecdf
        high, low = np.maximum.reduceat(gap, r.starts), np.minimum.reduceat(gap, r.starts)
        rank = (expected.rank_level - total[c + 2 * f : c + 3 * f] * inverse) * r.rank_unit
        share = r.bin_share if expected is self._whole else r.bins_of(expected.ecdf)
        return _Compared(expected.m, np.maximum(high, 0.0 - low), rank, share)  # 0.0 -: never -0.0

    def _nearer(self, found: FloatArray, inverse: FloatArray, a: _Compared, b: _Compared) -> _Compared:
        """Compare each statistic with the nearer of two references; keep the smaller size."""
        r = self.reference
        share = found * np.repeat(inverse, r.bin_sizes)
        distance_a, distance_b = (
            np.add.reduceat(np.abs(share - one.bins), r.bin_offsets[:-1]) for one in (a, b)
        )
        return _Compared(
            np.minimum(a.m, b.m),
            np.minimum(a.distance, b.distance),
            np.where(np.abs(a.rank) <= np.abs(b.rank), a.rank, b.rank),
            np.where(np.repeat(distance_a <= distance_b, r.bin_sizes), a.bins, b.bins),
        )

    def _expected(self, total: FloatArray) -> list[Expected]:
        """Return the references of this window: the whole one, or two mixtures of its hours."""
        if not self.has_hours:
            return [self._whole]
        tables = total[self.cells + 3 * self.features :].reshape(MIXTURES, 24, self.features)
        return [mixture(self.reference, table) for table in tables]


class Jury:
    """The statistics that may alarm for any feature of a reference, and what they say together.

    Parameters
    ----------
    reference
        The reference's tables; its features are those of the sums.
    pairs
        (feature, statistic) pairs that may alarm in the whole deployment.
    statistics
        The statistics that decide.
    """

    def __init__(self, reference: Reference, pairs: int, statistics: Statistics) -> None:
        self.reference = reference
        found = applying(reference, statistics)
        self._members = [statistic(reference, pairs) for statistic in found]
        self._names = np.array([statistic.name for statistic in found], dtype=np.object_)
        self._silent = ~np.stack(list(found.values()))[:, None, :]
        leaders = {kind: i for i, one in enumerate(found) for kind in one.leads}
        self._leader = np.array([leaders[kind] for kind in reference.kinds])

    def decide(self, sums: Sums, budget: Budget, design_effect: FloatArray) -> Evaluation:
        """Ask all statistics. The one that shows most, of those that are significant, decides.

        Parameters
        ----------
        sums
            Of one pass over each window's cells, or of bins alone.
        budget
            Each window's chance of a false alarm.
        design_effect
            Of each window and feature, ``(W, F)``.
        """
        limits = Limits.of(self.reference, sums, budget, design_effect)
        shape = (len(self._members), *sums.n.shape)
        point, lower, width = np.empty(shape), np.empty(shape), np.empty(shape)
        detected = np.empty(shape, dtype=bool)
        for i, statistic in enumerate(self._members):
            said = statistic.decide(sums, limits)
            point[i], lower[i], width[i], detected[i] = said.point, said.lower, said.half_width, said.detected
        # A point is finite, so with such a bound a statistic is the largest of none.
        np.copyto(lower, -np.inf, where=self._silent)
        detected &= ~self._silent
        middle, firm = ((point + lower) / 2).max(axis=0), ((3 * lower - point) / 2).max(axis=0)
        # What detected has the say; while nothing does, the leader of the feature's kind.
        any_detected, features = detected.any(axis=0), np.arange(shape[2])
        loudest = np.where(detected, lower, -np.inf).argmax(axis=0)
        chosen = np.where(any_detected, loudest, self._leader)
        rows = sums.n + sums.missing
        return Evaluation(
            statistic=distances(self.reference, sums),
            lower=np.where(rows > 0, lower[chosen, np.arange(shape[1])[:, None], features], -np.inf),
            middle=np.where(rows > 0, middle, np.inf),
            firm=np.where(rows > 0, firm, -np.inf),
            eps=width[self._leader, :, features].T,
            detected=any_detected & (rows > 0),
            cause=self._names[chosen],
            rows=rows,
            noise=limits.noise,
        )
