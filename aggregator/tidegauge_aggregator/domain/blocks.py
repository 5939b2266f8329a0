"""How long panes are kept one by one, and in which blocks they are kept afterwards."""

from __future__ import annotations

from typing import Final

__all__ = ["BLOCK_PANES", "FINE_PANES", "block_of", "fine_from"]

BLOCK_PANES: Final = 256
FINE_PANES: Final = 9 * BLOCK_PANES  # 6.4 h of panes of 10 s are kept one by one


def fine_from(newest: int) -> int:
    """Return the first pane that is kept by itself; all before it are in blocks."""
    return block_of(newest - FINE_PANES)


def block_of(pane: int) -> int:
    """Return the first pane of the block that a pane is in."""
    return max(0, pane) // BLOCK_PANES * BLOCK_PANES
