"""Dyadic windows: rings of blocks of panes, the whole memory of a monitor.

Windows are 1, 2, 4, ... panes long. A window of w >= 4 panes is the newest four closed *blocks* of w / 4
panes, aligned to multiples of their size, so it is renewed every w / 4 panes. A block of 2b panes is the
sum of two blocks of b, taken when it closes; so memory is fixed: four blocks for each block size, whatever
the traffic.

Everything adds: a block is a pure function of the panes in it. Adding the same panes in any order gives the
same rings.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from tidegauge.arrays import FloatArray, IntArray

__all__ = ["RING", "Windows", "block_panes", "hop_panes", "window_panes"]

RING: Final = 4
_NONE: Final = -(1 << 62)


def window_panes(scale: int) -> int:
    """Return panes in a window of that scale: ``2 ** scale``."""
    return 1 << scale


def hop_panes(scale: int) -> int:
    """Return panes between two looks at that scale: a quarter window, at least one pane."""
    return max(1, window_panes(scale) // RING)


def block_panes(scale: int) -> int:
    """Return panes in each of a window's blocks; equal to the hop."""
    return hop_panes(scale)


class Windows:
    """Rings of blocks of vectors that add.

    Parameters
    ----------
    width
        Length of the vectors.
    scales
        Number of window lengths, from 1 pane on.

    Attributes
    ----------
    frontier
        The newest closed pane, None before the first.
    """

    def __init__(self, width: int, scales: int) -> None:
        self._levels = max(1, scales - 2)
        self._blocks: FloatArray = np.zeros((self._levels, RING, width))
        # Which block is in each place; a place with another block counts as empty.
        self._ids: IntArray = np.full((self._levels, RING), _NONE, dtype=np.int64)
        self.frontier: int | None = None

    @property
    def reach_panes(self) -> int:
        """After so many panes without rows every window is empty."""
        return int(window_panes(self._levels + 2))

    def close(self, pane: int, vector: FloatArray | None) -> None:
        """Close the next pane with what was counted in it (None: nothing).

        `pane` follows the frontier, or skips so far ahead that nothing kept could be in a window any more.
        """
        self.frontier = pane
        if vector is not None:
            self._block(0, pane)[...] += vector
        for level in range(1, self._levels):
            if (pane + 1) % (1 << level):
                break
            self._merge(level, pane >> level)

    def add(self, pane: int, vector: FloatArray, panes: int = 1) -> bool:
        """Add a pane at or before the frontier, or an aligned run of `panes` panes that begins with it.

        Returns
        -------
        bool
            False when no block that holds it is kept any more.
        """
        kept = False
        for level in range((panes - 1).bit_length(), self._levels):
            index = pane >> level
            newest = self._newest(level)
            if newest - RING < index <= newest:
                self._block(level, index)[...] += vector
                kept = True
        return kept

    def finest_level(self, pane: int, panes: int = 1) -> int | None:
        """Return the finest level with a kept block that holds this aligned run of panes, None for no block.

        All panes with the same finest level and block may be summed first: ``add`` then takes the sum as the
        whole block, with the same result.
        """
        for level in range((panes - 1).bit_length(), self._levels):
            newest = self._newest(level)
            if newest - RING < pane >> level <= newest:
                return level
        return None

    def window(self, scale: int) -> list[FloatArray]:
        """Return the blocks whose sum is the newest window of that scale: views, empty ones left out."""
        assert self.frontier is not None
        panes = window_panes(scale)
        if (
            scale < self._levels and (self.frontier + 1) % panes == 0
        ):  # one block of a higher level is the window
            return self._kept(scale, self.frontier >> scale, 1)
        if 1 <= scale <= self._levels and (self.frontier + 1) % (panes // 2) == 0:
            return self._kept(scale - 1, self.frontier >> (scale - 1), 2)
        return [block for _, block in self.blocks(scale)]

    def blocks(self, scale: int) -> list[tuple[int, FloatArray]]:
        """Return the newest window's own blocks that hold anything, each with its first pane."""
        level = max(0, scale - 2)
        newest = self._newest(level)
        found = []
        for index in range(newest - window_panes(scale) // block_panes(scale) + 1, newest + 1):
            found += [(index << level, block) for block in self._kept(level, index, 1)]
        return found

    def first_pane(self, scale: int) -> int:
        """Return first pane of the newest window of that scale."""
        return (self._newest(max(0, scale - 2)) + 1) * block_panes(scale) - window_panes(scale)

    def _newest(self, level: int) -> int:
        assert self.frontier is not None
        return ((self.frontier + 1) >> level) - 1

    def _kept(self, level: int, newest: int, blocks: int) -> list[FloatArray]:
        indices = range(newest - blocks + 1, newest + 1)
        return [self._blocks[level, i % RING] for i in indices if self._ids[level, i % RING] == i]

    def _block(self, level: int, index: int) -> FloatArray:
        """The place of a block, emptied if another block stood there."""
        place = index % RING
        if self._ids[level, place] != index:
            self._ids[level, place] = index
            self._blocks[level, place] = 0
        block: FloatArray = self._blocks[level, place]
        return block

    def _merge(self, level: int, index: int) -> None:
        children = self._kept(level - 1, 2 * index + 1, 2)
        if not children:
            return
        place = index % RING
        self._ids[level, place] = index
        if len(children) == 2:
            np.add(children[0], children[1], out=self._blocks[level, place])
        else:
            self._blocks[level, place] = children[0]
