"""Each pod's own rows of the last panes, to say in which pods a drift is. In memory only.

After a start, or a change of policy, the messages that are not merged yet fill the last minute again.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tidegauge.counts import Counts
from tidegauge.pane import Pane
from tidegauge.pods import KEPT_PANES, PodRows, bin_rows
from tidegauge.reference import Reference

__all__ = ["RecentPods"]


class RecentPods:
    """Rows by instance and pane, `KEPT_PANES` of each and no more.

    Parameters
    ----------
    reference
        Gives the bins.
    """

    def __init__(self, reference: Reference) -> None:
        self._reference = reference
        self._pods: dict[str, str] = {}
        self._rows: dict[str, dict[int, npt.NDArray[np.unsignedinteger]]] = {}

    def add(self, pane: Pane, counts: Counts) -> None:
        """Take a pane that was accepted for the first time."""
        if not pane.rows:
            return
        self._pods[pane.instance] = pane.pod
        kept = self._rows.setdefault(pane.instance, {})
        kept[pane.pane] = bin_rows(counts, self._reference)
        if len(kept) > KEPT_PANES:
            del kept[min(kept)]

    def up_to(self, pane: int) -> list[PodRows]:
        """All pods at the end of that pane; those whose rows are older than what is kept are forgotten."""
        for instance, kept in list(self._rows.items()):
            if max(kept) <= pane - KEPT_PANES:
                del self._rows[instance], self._pods[instance]
        return [PodRows(self._pods[instance], instance, dict(kept)) for instance, kept in self._rows.items()]
