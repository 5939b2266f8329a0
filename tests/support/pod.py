"""One pod without processes: writers, a sidecar and its aggregators over a real folder, clocks to set."""

import random
from contextlib import suppress
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from prometheus_client import CollectorRegistry
from support.capture_log_writer import LogWriter
from support.failing_folder import FailingFolder, Killed
from support.ledger import Ledger
from tidegauge_sidecar.app import Sidecar

from tidegauge.counting.counts import Counts
from tidegauge.profile.profile import Profile

SECOND = 10**9
PANE_SECONDS = 10
START_NS = 1_700_000_000 * SECOND
NAMES = ["sqft", "age", "score"]


@cache
def small_profile() -> Profile:
    """Three features and the prediction, a few cells each."""
    rng = np.random.default_rng(7)
    return Profile.fit(
        rng.normal(size=(200, 3)), cut_points=9, feature_names=NAMES, prediction=rng.normal(size=200)
    )


def some_rows(count: int, seed: int) -> npt.NDArray[np.float64]:
    """Rows as the log holds them, some values missing."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(count, 4))
    rows[rng.random(rows.shape) < 0.05] = np.nan
    return rows


class Pod:
    """Drives `Sidecar`'s two halves by hand; `kill` is kill -9 of the sidecar."""

    def __init__(
        self,
        path: Path,
        *,
        shards: int = 1,
        profile: Profile | None = None,
        kill_after: int | None = None,
        halves_writes: bool = False,
    ) -> None:
        self.profile = profile or small_profile()
        self.path = path
        path.mkdir(exist_ok=True)
        self.folder = FailingFolder(path)
        self.now_ns = START_NS
        self.seconds = 0.0
        self.writers: list[LogWriter] = []
        self.ledgers = [Ledger(self.profile) for _ in range(shards)]
        self.folder.kill_after, self.folder.halves_writes = kill_after, halves_writes
        self._survive(self.start)

    # --- the sidecar -----------------------------------------------------------------------------------

    def start(self) -> None:
        self.registry = CollectorRegistry()
        self.sidecar = Sidecar(
            self.folder,
            self.profile,
            model="house-prices",
            pod="pod-0",
            pane_seconds=PANE_SECONDS,
            transports=self.ledgers,
            registry=self.registry,
            wall_clock_ns=lambda: self.now_ns,
            monotonic=lambda: self.seconds,
            rng=random.Random(1),
        )

    def kill(self) -> None:
        """Kill the sidecar and start another, which may be killed while it starts."""
        self.folder.unlock()
        self._survive(self.start)

    def turn(self) -> None:
        """One turn of the main loop; a planned kill is followed by a new process."""
        self._survive(lambda: self.sidecar.pane_builder.turn(self.now_ns))

    def send(self) -> None:
        """One step of the sender, after any wait."""
        self.seconds += 20
        self._survive(self.sidecar.sender.step)

    def _survive(self, work) -> None:
        try:
            with suppress(OSError):
                work()
        except Killed:
            self.kill()

    def wait(self, seconds: float) -> None:
        self.now_ns += int(seconds * SECOND)

    def close_pane(self) -> None:
        """Wait for the open pane's end, and turn."""
        self.turn()
        self.wait(PANE_SECONDS + 1)
        self.turn()

    def finish(self) -> None:
        """The pod's end: writers dead, all read, all sent."""
        self.folder.kill_after = None
        self.folder.is_full = False
        for ledger in self.ledgers:
            ledger.script.clear()
        self.kill()
        for writer in self.writers:
            writer.die()
        self.turn()
        assert self.sidecar.pane_builder.finish(self.now_ns)
        self.send_all()

    def send_all(self) -> None:
        for _ in range(10_000):
            if not self.waiting:
                return
            self.send()
        raise AssertionError("the spool does not empty")

    @property
    def waiting(self) -> list[str]:
        return sorted(name for name in self.folder.sizes("sidecar") if name.endswith(".spool"))

    # --- the writers -----------------------------------------------------------------------------------

    def writer(
        self, *, profile_hash: str | None = None, segment_bytes: int = 1 << 20, room_bytes: int = 0
    ) -> LogWriter:
        name = f"w{len(self.writers)}"
        found = LogWriter(
            self.path,
            name,
            profile_hash or self.profile.hash,
            len(self.profile.monitored),
            segment_bytes=segment_bytes,
            room_bytes=room_bytes,
        )
        self.writers.append(found)
        return found

    @property
    def answered(self) -> int:
        return sum(writer.answered for writer in self.writers)

    def logged_counts(self) -> Counts:
        ours = [writer for writer in self.writers if writer.profile_hash == self.profile.hash]
        rows = [rows for writer in ours for rows in writer.logged]
        return self.profile.count_matrix(np.concatenate([np.empty((0, len(self.profile.monitored))), *rows]))

    # --- what must hold at the end ---------------------------------------------------------------------

    def check(self) -> None:
        """Counted + lost = answered to the row, the counts are those of the rows, and the totals meet."""
        for index, ledger in enumerate(self.ledgers):
            shard = self.profile.shard(index, len(self.ledgers))
            assert ledger.rows + sum(ledger.lost.values()) == self.answered
            refused = ledger.refused_panes
            assert ledger.lost.get("refused", 0) == sum(pane.rows for pane in refused)
            counted = [Counts.from_bytes(pane.counts, shard) for pane in (*ledger.panes, *refused)]
            assert sum(counted, Counts.zero(shard)) == self.logged_counts().select(shard)
            self._check_order(ledger)

    def _check_order(self, ledger: Ledger) -> None:
        panes = ledger.panes
        assert [pane.pane for pane in panes] == sorted({pane.pane for pane in panes})
        assert len({pane.instance for pane in panes}) == 1
        assert [pane.final for pane in panes] == [False] * (len(panes) - 1) + [True]
        rows = lost = 0
        for pane in panes:
            assert (pane.rows_before, pane.lost_before) == (rows, lost)
            rows, lost = rows + pane.rows, lost + sum(pane.lost.values())
