"""When a pane is evaluated: once all who are expected have sent it, or its time is over and a little more."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from .accounts import Account

__all__ = ["MAX_CATCH_UP_PANES", "SETTLE_PANES", "due_pane", "last_pane_over"]

LAG_SECONDS: Final = 5.0  # at most; half a pane where that is shorter
SETTLE_PANES: Final = 2  # after a start, so long for the pods to send what they kept
MAX_CATCH_UP_PANES: Final = 720  # looks further back than that are left out


def last_pane_over(now_seconds: float, pane_seconds: int) -> int:
    """Return the newest pane whose time is over."""
    return int(now_seconds // pane_seconds) - 1


def due_pane(
    evaluated: int,
    pane_seconds: int,
    live: Collection[Account],
    *,
    now_seconds: float,
    started_seconds: float,
) -> int | None:
    """Return the newest pane that may be evaluated now, None if there is none after `evaluated`.

    Parameters
    ----------
    evaluated
        The last pane that was.
    pane_seconds
        Length of a pane.
    live
        Accounts of the instances that are expected to send.
    now_seconds
        The time.
    started_seconds
        When this program began to take panes.
    """
    over = last_pane_over(now_seconds, pane_seconds)
    if now_seconds >= started_seconds + SETTLE_PANES * pane_seconds:
        lag = min(LAG_SECONDS, pane_seconds / 2)
        waited = last_pane_over(now_seconds - lag, pane_seconds)
    else:
        waited = evaluated
    delivered = min((account.highest for account in live), default=evaluated)
    due = max(waited, min(over, delivered))
    return due if due > evaluated else None
