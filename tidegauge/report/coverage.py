"""Coverage: how much of the traffic a verdict rests on. Standard library only, as the report is."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

__all__ = ["Coverage", "worst_coverage"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """The part of the traffic behind the verdict.

    Parameters
    ----------
    pods_heard, pods_expected
        Pods whose panes came lately, and pods there should be (None: nobody said).
    rows_counted, rows_lost
        Rows answered that are in the counts, and that are reported lost.
    rows_ratio
        ``rows_counted / (rows_counted + rows_lost)``, None without rows.
    lost_by_reason
        `rows_lost`, by `tidegauge.protocol.names.Lost` reason.
    recent_rows_counted, recent_rows_lost
        The same over the panes of the last ten minutes (of 10 s), without what an earlier store held.
    newest_pane_age_seconds
        Age of the newest pane, with rows or without, None before the first.
    newest_rows_age_seconds
        Age of the newest pane that held rows, None while none did.
    """

    pods_heard: int = 0
    pods_expected: int | None = None
    rows_counted: int = 0
    rows_lost: int = 0
    rows_ratio: float | None = None
    lost_by_reason: Mapping[str, int] = field(default_factory=dict)
    recent_rows_counted: int = 0
    recent_rows_lost: int = 0
    newest_pane_age_seconds: float | None = None
    newest_rows_age_seconds: float | None = None


def worst_coverage(parts: Sequence[Coverage]) -> Coverage | None:
    """Return shards see the same rows through the same pods: the one that saw least counts."""
    if not parts:
        return None
    worst = min(parts, key=lambda c: (c.pods_heard, math.inf if c.rows_ratio is None else c.rows_ratio))
    lately = min(parts, key=_recent_ratio)  # the one that lost most since its first pane may be well by now
    return replace(
        worst,
        recent_rows_counted=lately.recent_rows_counted,
        recent_rows_lost=lately.recent_rows_lost,
        newest_pane_age_seconds=_oldest(c.newest_pane_age_seconds for c in parts),
        newest_rows_age_seconds=_oldest(c.newest_rows_age_seconds for c in parts),
    )


def _recent_ratio(coverage: Coverage) -> float:
    rows = coverage.recent_rows_counted + coverage.recent_rows_lost
    return coverage.recent_rows_counted / rows if rows else math.inf


def _oldest(ages: Iterable[float | None]) -> float | None:
    return max((age for age in ages if age is not None), default=None)
