"""Coverage of a verdict: pods seen, rows counted, age of the newest rows."""

from __future__ import annotations

from tidegauge.report.coverage import Coverage
from tidegauge_aggregator.domain.schedule import last_pane_over

from .series import SEEN_PANES, Series

__all__ = ["coverage_of"]


def coverage_of(series: Series, said: int | None, now_seconds: float) -> Coverage:
    """Return a series' coverage as it is now.

    Parameters
    ----------
    series
        What was seen.
    said
        How many pods there should be, as somebody said. The pods that were seen lately are expected too.
    now_seconds
        The time.
    """
    over = last_pane_over(now_seconds, series.pane_seconds)
    lost = sum(series.totals.lost.values())
    counted = series.totals.counted
    return Coverage(
        pods_heard=sum(account.highest > over - SEEN_PANES for account in series.live.values()),
        pods_expected=max(said or 0, len(series.live)),
        rows_counted=counted,
        rows_lost=lost,
        rows_ratio=counted / (counted + lost) if counted + lost else None,
        lost_by_reason=dict(sorted(series.totals.lost.items())),
        recent_rows_counted=sum(counted for counted, _ in series.recent.values()),
        recent_rows_lost=sum(lost for _, lost in series.recent.values()),
        newest_pane_age_seconds=_age(series, series.newest, now_seconds),
        newest_rows_age_seconds=_age(series, series.newest_rows, now_seconds),
    )


def _age(series: Series, pane: int, now_seconds: float) -> float | None:
    """Seconds since that pane ended, None for no pane."""
    return None if pane < 0 else max(0.0, now_seconds - (pane + 1) * series.pane_seconds)
