"""Each pod's own rows of the last panes, to say in which pods a drift is. In memory only.

After a start, or a change of policy, the messages that are not merged yet fill the last minute again.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from tidegauge.counting.counts import Counts
from tidegauge.monitor.pods import KEPT_PANES, PodRows, bin_rows
from tidegauge.protocol.pane import Pane
from tidegauge.stats.tables import Reference

__all__ = ["KEPT_BYTES", "RecentPods"]

KEPT_BYTES: Final = 32 << 20
ENTRY_BYTES: Final = 200  # an array without its values, its pane's number and its place in a dict


class RecentPods:
    """Rows by instance and pane: at most `KEPT_PANES` of each instance, and `KEPT_BYTES` of all.

    Where that is not enough for all of them, the oldest pane of all instances goes first: they are then
    judged alike, by the newer part of a long window.

    Parameters
    ----------
    reference
        Gives the bins.
    kept_bytes
        What may be kept.
    """

    def __init__(self, reference: Reference, kept_bytes: int = KEPT_BYTES) -> None:
        self._reference = reference
        self._left = kept_bytes
        self._pods: dict[str, str] = {}
        self._rows: dict[str, dict[int, npt.NDArray[np.unsignedinteger]]] = {}

    def add(self, pane: Pane, counts: Counts) -> None:
        """Take a pane that was accepted for the first time."""
        if not pane.rows:
            return
        self._put(pane.instance, pane.pod, pane.pane, bin_rows(counts, self._reference))

    def add_later(self, later: RecentPods) -> None:
        """Add what others took of panes that were accepted after these."""
        for instance, kept in later._rows.items():
            for pane, rows in kept.items():
                self._put(instance, later._pods[instance], pane, rows)

    def _put(self, instance: str, pod: str, pane: int, rows: npt.NDArray[np.unsignedinteger]) -> None:
        self._pods[instance] = pod
        kept = self._rows.setdefault(instance, {})
        kept[pane] = rows
        self._left -= rows.nbytes + ENTRY_BYTES
        if len(kept) > KEPT_PANES:
            self._drop(instance, min(kept))
        while self._left < 0:
            self._drop_oldest()

    def up_to(self, pane: int) -> list[PodRows]:
        """Return all pods at the end of that pane; forget those whose rows are older than what is kept."""
        for instance, kept in list(self._rows.items()):
            if max(kept) <= pane - KEPT_PANES:
                for old in list(kept):
                    self._drop(instance, old)
        return [PodRows(self._pods[instance], instance, dict(kept)) for instance, kept in self._rows.items()]

    def _drop_oldest(self) -> None:
        oldest = min(min(kept) for kept in self._rows.values())
        for instance in [name for name, kept in self._rows.items() if oldest in kept]:
            self._drop(instance, oldest)

    def _drop(self, instance: str, pane: int) -> None:
        kept = self._rows[instance]
        self._left += kept.pop(pane).nbytes + ENTRY_BYTES
        if not kept:
            del self._rows[instance], self._pods[instance]
