"""In which pods a drift is: each pod's own rows of the feature's window, judged as the window itself is.

A pod's rows are known by *bin* only (`tidegauge.stats.tables`), so that a thousand pods fit into memory. A
distance over bins is at most the one over all values, so its lower bound holds for that one too.

- A pod *has moved* when its own lower bound is above the feature's floor, at a share of the look's chance of
  a false alarm that all pods have together. It stays so until it is calm (`alarms`), so that a pod
  at the bound does not come and go.
- *Confined*: a few pods have moved, and all others together have not, and are below every one of them with
  all their uncertainty.
- *Everywhere*: two pods or more have rows, and every one of them has moved.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from tidegauge.arrays import BoolArray, FloatArray, IntArray
from tidegauge.counting.counts import Counts
from tidegauge.monitor.findings import LONGEST_SCALE, Findings, WindowLook, scale_for_pods
from tidegauge.monitor.windows import hop_panes, window_panes
from tidegauge.protocol.names import Extent, Verdict
from tidegauge.report.model import FeatureReport, PodReport, Report, published_share
from tidegauge.stats.evaluation import Evaluation
from tidegauge.stats.evidence import Sums
from tidegauge.stats.tables import Reference

__all__ = ["KEPT_PANES", "PodRows", "bin_rows", "name_pods"]

SHOWN: Final = 3
AT_ONCE: Final = 64  # pods judged in one pass: what it needs of memory does not grow with their number
KEPT_PANES: Final = window_panes(LONGEST_SCALE) + 2 * hop_panes(LONGEST_SCALE)  # a window may end a hop ago


@dataclass(frozen=True, slots=True)
class PodRows:
    """One pod's rows: its names, and by pane what `bin_rows` makes of its counts."""

    pod: str
    instance: str
    panes: Mapping[int, npt.NDArray[np.unsignedinteger]]


def bin_rows(counts: Counts, reference: Reference) -> npt.NDArray[np.unsignedinteger]:
    """Return rows per bin | missing | beyond of all features, in the narrowest whole numbers."""
    rows = np.concatenate((np.add.reduceat(counts.cells, reference.bin_cells), counts.missing, counts.beyond))
    return rows.astype(np.min_scalar_type(int(rows.max(initial=0))))


def name_pods(report: Report, findings: Findings, pods: Sequence[PodRows], before: Report | None) -> Report:
    """Return the report with the pods of each drifting feature.

    Parameters
    ----------
    report
        Without pods.
    findings
        What the report was made of, with its windows.
    pods
        All that sent lately.
    before
        The report before this one.
    """
    features = dict(report.features)
    for scale in sorted({_scale(feature) for feature in report.drifting}):
        judge = _Judge(findings.windows[scale], pods)
        for feature in report.drifting:
            if _scale(feature) == scale:
                earlier = before.features.get(feature.name) if before else None
                features[feature.name] = judge.judge(feature, earlier)
    return replace(report, features=features)


def _scale(feature: FeatureReport) -> int:
    return scale_for_pods((feature.window or 1).bit_length() - 1)


class _Judge:
    """Judges the pods over the newest window of one scale."""

    def __init__(self, window: WindowLook, pods: Sequence[PodRows]) -> None:
        self._window, self._reference = window, window.jury.reference
        self._pods = [pod for pod in pods if any(pane in pod.panes for pane in window.panes)]
        features = self._reference.features
        self._place = {feature.name: i for i, feature in enumerate(features)}
        self._total: IntArray = np.zeros(self._reference.bin_cells.size + 2 * len(features), np.int64)
        self._found = self._judge_all() if self._pods else None

    def _judge_all(self) -> Evaluation:
        """Each pod's own result, and the total of their rows."""
        parts = []
        for begin in range(0, len(self._pods), AT_ONCE):
            rows = np.stack([self._rows(pod) for pod in self._pods[begin : begin + AT_ONCE]])
            self._total += rows.sum(axis=0)
            parts.append(self._evaluate(rows))
        slots = Evaluation.__slots__
        return Evaluation(*(np.concatenate([getattr(part, name) for part in parts]) for name in slots))

    def _rows(self, pod: PodRows) -> IntArray:
        """A pod's rows in the window."""
        rows = np.zeros_like(self._total)
        for pane in self._window.panes:
            if (counted := pod.panes.get(pane)) is not None:
                rows += counted.astype(np.int64)  # numpy adds no uint64 to an int64 in place
        return rows

    def judge(self, feature: FeatureReport, before: FeatureReport | None) -> FeatureReport:
        """Return the feature with its pods."""
        if self._found is None:
            return feature
        i = self._place[feature.name]
        named = _named(before)
        moved = self._moved(i, self._found, np.array([pod.instance in named for pod in self._pods]))
        lower = np.where(moved, self._found.lower[:, i], -np.inf)
        worst = np.argsort(-lower, kind="stable")[: min(SHOWN, int(moved.sum()))]
        shown = tuple(self._pod(int(k), i, self._found) for k in worst)
        was_confined = before is not None and before.extent is Extent.CONFINED
        keeps = was_confined and named == {pod.instance for pod in shown}
        return replace(feature, extent=self._extent(i, moved, self._found, keeps=keeps), pods=shown)

    def _moved(self, i: int, found: Evaluation, named: BoolArray) -> BoolArray:
        floor = self._window.floor[i]
        certain = found.detected[:, i] & (found.lower[:, i] > floor)
        # Of a few rows that are all missing no bound is known.
        still = named & np.isfinite(found.lower[:, i]) & (found.middle[:, i] > floor)
        return np.asarray(certain | still)

    def _extent(self, i: int, moved: BoolArray, found: Evaluation, *, keeps: bool) -> Extent | None:
        others = ~moved & (found.rows[:, i] > 0)
        if not others.any():
            return Extent.EVERYWHERE if moved.sum() > 1 else None
        if not 0 < moved.sum() <= SHOWN:
            return None
        theirs = self._total - sum(self._rows(self._pods[k]) for k in np.flatnonzero(moved))
        together = self._evaluate(theirs[None])
        # Each statistic of theirs is at most that far above its own bound, at the same confidence.
        most = max(0.0, float(together.lower[0, i])) + 2 * float(together.eps[0, i])
        is_calm = together.lower[0, i] <= self._window.floor[i]
        return Extent.CONFINED if is_calm and (keeps or most < found.lower[moved, i].min()) else None

    def _pod(self, k: int, i: int, found: Evaluation) -> PodReport:
        pod = self._pods[k]
        return PodReport(
            pod=pod.pod or pod.instance,
            instance=pod.instance,
            statistic=published_share(float(found.statistic[k, i])),
            lower=published_share(float(found.lower[k, i])),
            rows=int(found.rows[k, i]),
        )

    def _evaluate(self, rows: IntArray) -> Evaluation:
        return self._window.judge(self._sums(rows), max(1, len(self._pods)))

    def _sums(self, rows: IntArray) -> Sums:
        """What the evaluation needs, from bins alone, against what the whole window expects."""
        r, whole = self._reference, self._window.sums
        bins, missing, beyond = np.split(
            rows.astype(np.float64), [r.bin_cells.size, r.bin_cells.size + len(r.features)], axis=1
        )
        starts = r.bin_offsets[:-1]
        n = np.add.reduceat(bins, starts, axis=1)
        expected, m = (np.repeat(known, len(rows), axis=0) for known in (whole.expected, whole.m))
        share = bins / np.repeat(np.maximum(n, 1), r.bin_sizes, axis=1)
        gap = _within(r, share - expected)
        mid_rank = _within(r, expected) - expected / 2
        known = (n > 0) & r.known
        distance = np.maximum.reduceat(np.abs(gap), starts, axis=1)
        rank = np.add.reduceat((share - expected) * mid_rank, starts, axis=1)
        return Sums(
            n=n,
            m=m,
            distance=np.where(known, distance, 0.0),
            rank=np.where(known, rank, 0.0),
            bins=bins,
            expected=expected,
            missing=missing,
            beyond=beyond,
        )


def _within(r: Reference, values: FloatArray) -> FloatArray:
    """Cumulated within each feature's bins."""
    total = np.cumsum(values, axis=1)
    before = np.concatenate((np.zeros((len(values), 1)), total), axis=1)[:, r.bin_offsets[:-1]]
    return np.asarray(total - np.repeat(before, r.bin_sizes, axis=1))


def _named(feature: FeatureReport | None) -> set[str]:
    """Instances that were named while the feature drifted before."""
    drifted = feature is not None and feature.verdict is Verdict.DRIFTING
    return {pod.instance for pod in feature.pods} if feature is not None and drifted else set()
