"""Coverage of a verdict: pods heard, rows counted, age of the newest rows."""

from __future__ import annotations

from tidegauge.report.coverage import Coverage
from tidegauge_aggregator.domain.schedule import last_pane_over

from .watch import HEARD_PANES, Watch

__all__ = ["coverage_of"]


def coverage_of(watch: Watch, said: int | None, now_seconds: float) -> Coverage:
    """A watch's coverage as it is now.

    Parameters
    ----------
    watch
        What was heard.
    said
        How many pods there should be, as somebody said. The pods that were seen lately are expected too.
    now_seconds
        The time.
    """
    over = last_pane_over(now_seconds, watch.pane_seconds)
    lost = sum(watch.totals.lost.values())
    counted = watch.totals.counted
    return Coverage(
        pods_heard=sum(account.highest > over - HEARD_PANES for account in watch.live.values()),
        pods_expected=max(said or 0, len(watch.live)),
        rows_counted=counted,
        rows_lost=lost,
        rows_ratio=counted / (counted + lost) if counted + lost else None,
        lost_by_reason=dict(sorted(watch.totals.lost.items())),
        recent_rows_counted=sum(counted for counted, _ in watch.recent.values()),
        recent_rows_lost=sum(lost for _, lost in watch.recent.values()),
        newest_pane_age_seconds=_age(watch, watch.newest, now_seconds),
        newest_rows_age_seconds=_age(watch, watch.newest_rows, now_seconds),
    )


def _age(watch: Watch, pane: int, now_seconds: float) -> float | None:
    """Seconds since that pane ended, None for no pane."""
    return None if pane < 0 else max(0.0, now_seconds - (pane + 1) * watch.pane_seconds)
