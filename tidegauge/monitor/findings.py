"""What the looks up to the end of a pane found: one value, from which reports and histories are made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from tidegauge.arrays import FloatArray
from tidegauge.monitor.latest import StrongestLooks
from tidegauge.monitor.policy import Policy
from tidegauge.profile.profile import Profile
from tidegauge.protocol.names import Verdict
from tidegauge.protocol.transition import Transition, pane_end
from tidegauge.report.model import Baseline, Report, State, published_share
from tidegauge.stats.evaluation import Evaluation, Jury
from tidegauge.stats.evidence import Budget, Sums
from tidegauge.stats.tables import Sample

__all__ = ["LONGEST_SCALE", "Findings", "WindowLook", "changes", "scale_for_pods"]

LONGEST_SCALE: Final = 5
UNKNOWN = State(Verdict.UNKNOWN, None, None)


@dataclass(frozen=True, slots=True)
class WindowLook:
    """The newest window of one scale, and how parts of its rows are judged.

    Parameters
    ----------
    panes
        The panes of the window.
    sums
        Its sums, one window.
    jury
        The statistics.
    alpha
        One look's chance of a false alarm at that scale.
    design_effect, floor
        In force for it, ``(features,)``.
    """

    panes: range
    sums: Sums
    jury: Jury
    alpha: float
    design_effect: FloatArray
    floor: FloatArray

    def judge(self, parts: Sums, looks: int) -> Evaluation:
        """Judge parts of the window; so many looks share one look's chance of a false alarm."""
        rows = len(parts.n)
        budget = Budget.of(np.full(rows, self.alpha / looks))
        return self.jury.decide(parts, budget, np.tile(self.design_effect, (rows, 1)))


def scale_for_pods(scale: int) -> int:
    """Return the scale of the window by which pods are judged: of a long one, its newest 32 panes."""
    return min(max(scale, 0), LONGEST_SCALE)


@dataclass(frozen=True, slots=True)
class Findings:
    """A monitor's knowledge at the end of a pane; it does not change when the monitor goes on.

    Parameters
    ----------
    pane, pane_seconds
        The pane, and the length of one.
    profile, policy, pairs
        The reference; the alarm policy; the (feature, statistic) pairs that share its budget.
    features
        Each monitored feature's verdict, severity and since.
    stale
        Whether the newest pane with rows is too old.
    strongest
        The leading window of each feature.
    floor
        Effect floors in force for a warning, ``(features,)``.
    design_effect
        Design effect of each feature's leading window, ``(features,)``.
    rows, late_rows
        The largest number of rows in any window; rows of panes that came too late for every window.
    baseline
        How far the design effect is known.
    samples
        The counts of each feature's leading window, by its index; empty unless they were asked for.
    windows
        The newest windows that pods are judged by, by scale: those of the features that drift. Empty unless
        they were asked for.
    """

    pane: int
    pane_seconds: float
    profile: Profile
    policy: Policy
    pairs: int
    features: tuple[State, ...]
    stale: bool
    strongest: StrongestLooks
    floor: FloatArray
    design_effect: FloatArray
    rows: int
    late_rows: int
    baseline: Baseline
    samples: Mapping[int, Sample] = field(default_factory=dict)
    windows: Mapping[int, WindowLook] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for array in (
            self.floor,
            self.design_effect,
            *(getattr(self.strongest, name) for name in StrongestLooks.__slots__),
        ):
            array.setflags(write=False)

    @property
    def states(self) -> dict[str | None, State]:
        """The model's state under None, then each feature's under its name."""
        model = Report.judge(self.features, stale=self.stale)
        return {None: model, **dict(zip(self.profile.names, self.features, strict=True))}

    @property
    def leading(self) -> int:
        """Index of the drifting feature with the largest lower bound; of all features if none drifts."""
        drifting = np.array([state.verdict is Verdict.DRIFTING for state in self.features])
        bounds = np.where(drifting, self.strongest.lower, -np.inf) if drifting.any() else self.strongest.lower
        return int(bounds.argmax())


def changes(
    before: Mapping[str | None, State],
    findings: Findings,
    *,
    profile: str,
    seconds: float | None,
    row: int | None = None,
) -> Iterator[Transition]:
    """Give the changes of verdict or severity since `before`, the model's first.

    Parameters
    ----------
    before
        States by feature, None for the model; what is not there was `Unknown`.
    findings
        What is known now.
    profile
        Hash to name the profile by: of a shard, that of the whole one.
    seconds
        End of the pane in seconds since the epoch, None where it is not known.
    row
        Rows replayed so far.
    """
    strongest = findings.strongest
    for name, now in findings.states.items():
        was = before.get(name, UNKNOWN)
        if (now.verdict, now.severity) == (was.verdict, was.severity):
            continue
        i = findings.leading if name is None else findings.profile.position(name)
        known = strongest.scale[i] >= 0
        yield Transition(
            row=row,
            pane=findings.pane,
            time=pane_end(seconds),
            profile=profile,
            feature=name,
            verdict=now.verdict,
            severity=now.severity,
            before=was.verdict,
            statistic=published_share(float(strongest.statistic[i])) if known else None,
            lower=published_share(float(strongest.lower[i])) if known else None,
            window=1 << int(strongest.scale[i]) if known else None,
            window_rows=int(strongest.rows[i]) if known else 0,
            cause=strongest.cause[i] if known else None,
        )
