"""One look: all statistics of all features over the windows that are due. The hot path of the monitor.

Every statistic gives a *lower confidence bound* on the share of rows that moved (the distance between the
window's distribution and the reference's). A feature's bound is that of the statistic which decided.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import xlogy

from tidegauge.counting.counts import Counts
from tidegauge.stats.seasonality import MIXTURES, Expected, mixture
from tidegauge.stats.statistics import bernoulli_kl, chi2_quantiles, rate_lower_bound
from tidegauge.stats.tables import BINS, STATISTICS, Reference

__all__ = ["Evaluation", "Evaluator", "Limits", "Sums"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

MIN_BIN_ROWS = 5.0  # bins that expect fewer are pooled
MIN_G_ROWS = 25 * BINS  # of a numeric feature: below, the law of G is not trusted
_KS, _RANK, _G, _MISSING = 0, 1, 2, 3


@dataclass(frozen=True, slots=True)
class Limits:
    """The budget's share of each window, ``(windows,)``; design effects, ``(windows, features)``."""

    alpha: FloatArray
    deviation: FloatArray
    normal: FloatArray
    design_effect: FloatArray


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
        Index into `STATISTICS`.
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
    cause: npt.NDArray[np.intp]
    rows: FloatArray
    noise: FloatArray

    def row(self, index: int) -> Evaluation:
        """One window's result, arrays of shape ``(features,)``."""
        return Evaluation(*(getattr(self, name)[index] for name in self.__slots__))


@dataclass(frozen=True, slots=True)
class Sums:
    """The sums of one pass over each window's cells: ``(windows, features)`` and ``(windows, bins)``."""

    n: FloatArray
    m: FloatArray
    distance: FloatArray
    rank: FloatArray
    bins: FloatArray
    expected: FloatArray
    missing: FloatArray
    beyond: FloatArray


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
    """

    def __init__(self, reference: Reference) -> None:
        self.reference = reference
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
        """A pane's raw vector as the rings hold it."""
        r, c = self.reference, self.cells
        vector = raw.astype(np.float64)
        np.cumsum(raw[:c], out=vector[:c])
        before = np.concatenate(([0.0], vector[r.offsets[1:-1] - 1]))
        vector[:c] -= np.repeat(before, r.sizes)
        vector[c + 2 * self.features : c + 3 * self.features] = r.rank_sum(vector[:c])
        return vector

    def evaluate(self, windows: list[list[FloatArray]], limits: Limits) -> Evaluation:
        """Compute all statistics of all windows, each given by its blocks."""
        return self.decide(self.sums(windows), limits)

    def bins(self, blocks: list[FloatArray]) -> tuple[FloatArray, FloatArray]:
        """One window's rows per bin, found and expected, each of shape ``(1, bins)``."""
        sums = self.sums([blocks])
        return sums.bins, sums.expected * np.repeat(sums.n, self.reference.bin_sizes, axis=1)

    def counts(self, blocks: list[FloatArray], feature: int) -> tuple[IntArray, int, int]:
        """One feature's cell counts in a window, its missing rows and its values beyond."""
        total, c = self._add(blocks), self.cells
        begin, end = self.reference.offsets[feature : feature + 2]
        cells = np.diff(total[begin:end], prepend=0.0).astype(np.int64)
        return cells, int(total[c + feature]), int(total[c + self.features + feature])

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

    # --- decisions -------------------------------------------------------------------------------------

    def decide(self, sums: Sums, limits: Limits) -> Evaluation:
        """All statistics, from the sums of one pass over the cells or of bins alone."""
        r = self.reference
        deff = limits.design_effect
        # Where the reference has no values, rows are all that can be compared: with or without one.
        n, m = np.where(r.known, sums.n, sums.n + sums.missing), np.where(r.known, sums.m, r.rows)
        noise = deff / np.maximum(n, 1) + 1 / np.maximum(m, 1)
        noise[n == 0] = np.inf
        eps = limits.deviation[:, None] * np.sqrt(noise)
        shape = (len(STATISTICS), *eps.shape)
        point, lower, detected = np.zeros(shape), np.full(shape, -np.inf), np.zeros(shape, dtype=bool)
        point[_KS], lower[_KS] = sums.distance, sums.distance - eps
        detected[_KS] = lower[_KS] > 0
        self._decide_rank(sums, limits, noise, point, lower, detected)
        tv, tv_eps = self._decide_bins(sums, limits, noise, eps, point, lower, detected)
        self._decide_rates(sums, limits, point, lower, detected)
        plain = r.continuous | ~r.known
        width = np.where(plain, eps, np.where(r.discrete, np.minimum(eps, tv_eps), tv_eps))
        return self._combine(sums, tv, noise, width, point, lower, detected)

    def _combine(
        self, sums: Sums, tv: FloatArray, noise: FloatArray, eps: FloatArray,
        point: FloatArray, lower: FloatArray, detected: BoolArray,
    ) -> Evaluation:  # fmt: skip
        r = self.reference
        decisive = r.decisive[:, None, :]
        silent = np.broadcast_to(~decisive, lower.shape)
        detected &= decisive
        lower[silent] = -np.inf
        with np.errstate(invalid="ignore"):
            middle = np.where(silent, -np.inf, (point + lower) / 2).max(axis=0)
            firm = np.where(silent, -np.inf, (3 * lower - point) / 2).max(axis=0)
        # What detected has the say; while nothing does, D of a numeric feature and the bins of another.
        voiced = np.where(detected, lower, -np.inf)
        main = np.where(r.known, np.where(r.continuous, _KS, _G), _MISSING)
        cause = np.where(detected.any(axis=0), voiced.argmax(axis=0), main)
        best = np.take_along_axis(lower, cause[None], axis=0)[0]
        rows = sums.n + sums.missing
        return Evaluation(
            statistic=np.where(r.numeric, sums.distance, tv),
            lower=np.where(rows > 0, best, -np.inf),
            middle=np.where(rows > 0, middle, np.inf),
            firm=np.where(rows > 0, firm, -np.inf),
            eps=eps,
            detected=detected.any(axis=0) & (rows > 0),
            cause=cause,
            rows=rows,
            noise=noise,
        )

    def _decide_rank(
        self, sums: Sums, limits: Limits, noise: FloatArray,
        point: FloatArray, lower: FloatArray, detected: BoolArray,
    ) -> None:  # fmt: skip
        """|U - 1/2| <= D, so a bound of it is one of D. Without drift U's variance is noise / 12."""
        deviation, z = np.abs(sums.rank), limits.normal[:, None]
        found = deviation > z * np.sqrt(noise / 12)
        # Under drift F(X) may vary up to 1/4: the bound allows for that.
        width = z * np.sqrt(np.where(found, 3 * noise, noise) / 12)
        point[_RANK], lower[_RANK], detected[_RANK] = deviation, deviation - width, found

    def _decide_bins(
        self, sums: Sums, limits: Limits, noise: FloatArray, eps: FloatArray,
        point: FloatArray, lower: FloatArray, detected: BoolArray,
    ) -> tuple[FloatArray, FloatArray]:  # fmt: skip
        """G on bins, those expecting too few rows pooled; the bound is one of total variation."""
        r = self.reference
        n, m = np.maximum(sums.n, 1), np.maximum(sums.m, 1)
        live, expected = sums.bins, sums.expected
        each_n, each_m, each_deff = (np.repeat(x, r.bin_sizes, axis=1) for x in (n, m, limits.design_effect))
        enough = MIN_BIN_ROWS * (n + m) / np.minimum(n, m)  # rows of both that hold so many of the smaller
        live, expected, pooled_live, pooled_share, degrees = self._pool(live, expected, m, each_m, enough)

        def per_feature(values: FloatArray) -> FloatArray:
            return np.asarray(np.add.reduceat(values, r.bin_offsets[:-1], axis=1))

        g = per_feature(_log_ratio(live, expected, each_n, each_m))
        g += _log_ratio(pooled_live, pooled_share, n, m)
        # Williams' correction brings the mean of G with small bins back to its degrees of freedom.
        pooled_count = np.maximum(live + each_m * expected, 1e-300)
        inverse = per_feature(np.where(live + expected > 0, 1 / pooled_count, 0.0))
        williams = 1 + ((n + m) * (1 / n + 1 / m) - 1) * np.maximum((n + m) * inverse - 1, 0) / (
            6 * (n + m) * np.maximum(degrees, 1)
        )
        g = 2 * g * (1 / n + 1 / m) / noise / williams
        trusted = (degrees > 0) & (sums.n > 0) & ((sums.n >= MIN_G_ROWS) | ~r.continuous)
        detected[_G] = trusted & (g > chi2_quantiles(degrees, limits.alpha))
        share, pooled = live / each_n, pooled_live / n
        distance = (per_feature(np.abs(share - expected)) + np.abs(pooled - pooled_share)) / 2
        bias = per_feature(_spread(share, expected, each_n, each_m, each_deff))
        bias = (bias + _spread(pooled, pooled_share, n, m, limits.design_effect)) / 2
        width = bias + eps
        point[_G], lower[_G] = distance, distance - width
        # Few distinct values: G decides, and D's bound is as good.
        lower[_G] = np.where(r.discrete, np.maximum(lower[_G], lower[_KS]), lower[_G])
        tv = per_feature(np.abs(sums.bins / each_n - sums.expected)) / 2
        return np.where(sums.n > 0, tv, 0.0), width

    def _pool(
        self, live: FloatArray, expected: FloatArray, m: FloatArray, each_m: FloatArray, enough: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray]:
        """Bins of fewer than `enough` rows as one; part of the largest if that is too few.

        Both samples together say which bins are small: their sum does not tell to which one luck gave more.
        """
        r, starts = self.reference, self.reference.bin_offsets[:-1]
        small = live + each_m * expected < np.repeat(enough, r.bin_sizes, axis=1)
        small |= r.nameless_bins
        pooled_live = np.add.reduceat(np.where(small, live, 0.0), starts, axis=1)
        pooled_share = np.add.reduceat(np.where(small, expected, 0.0), starts, axis=1)
        live, expected = np.where(small, 0.0, live), np.where(small, 0.0, expected)
        degrees = np.add.reduceat(~small, starts, axis=1, dtype=np.float64) - 1
        own = pooled_live + m * pooled_share >= enough
        live[:, r.largest_bin] += np.where(own, 0.0, pooled_live)
        expected[:, r.largest_bin] += np.where(own, 0.0, pooled_share)
        return (
            live,
            expected,
            np.where(own, pooled_live, 0.0),
            np.where(own, pooled_share, 0.0),
            degrees + own,
        )

    def _decide_rates(
        self, sums: Sums, limits: Limits, point: FloatArray, lower: FloatArray, detected: BoolArray
    ) -> None:
        """Rates of `RATES` against upper bounds of the reference's own; missing ones by both of theirs."""
        r, n, rows = self.reference, sums.n, sums.n + sums.missing
        unseen = np.add.reduceat(np.where(r.unseen_bins, sums.bins, 0.0), r.bin_offsets[:-1], axis=1)
        trials = np.stack([rows, n, n, rows])
        rate = np.stack([sums.missing, unseen, sums.beyond, n]) / np.maximum(trials, 1)
        limit = np.broadcast_to(r.rate_bounds[:, None, :], rate.shape)
        exponent = np.broadcast_to((2 * limits.deviation**2)[:, None], rate.shape)
        trials = trials / limits.design_effect
        excess = rate - limit
        found = excess > 0
        found[:3] &= r.decisive[_MISSING:, None, :]
        if found.any():
            found[found] = trials[found] * bernoulli_kl(rate[found], limit[found]) > exponent[found]
        bound = np.where(excess > 0, -limit, excess)
        if found.any():
            bound[found] = rate_lower_bound(rate[found], trials[found], exponent[found]) - limit[found]
        fewer = excess[3] > excess[0]
        for values in (excess, bound, found):
            values[0] = np.where(fewer, values[3], values[0])
        point[_MISSING:], lower[_MISSING:], detected[_MISSING:] = (
            np.maximum(excess[:3], 0),
            bound[:3],
            found[:3],
        )


def _log_ratio(o: FloatArray, q: FloatArray, n: FloatArray, m: FloatArray) -> FloatArray:
    """Half of G per bin: `o` live rows of `n`, a share `q` of `m` reference rows."""
    e = m * q
    return np.asarray(xlogy(o, o / n) + xlogy(e, q) - xlogy(o + e, (o + e) / (n + m)))


def _spread(p: FloatArray, q: FloatArray, n: FloatArray, m: FloatArray, deff: FloatArray) -> FloatArray:
    """Standard deviation of the difference of two shares, `p` of `n` rows and `q` of `m`."""
    return np.sqrt(np.maximum(p * (1 - p) * deff / n + q * (1 - q) / m, 0))
