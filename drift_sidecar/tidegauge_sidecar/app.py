"""The program: a main loop that cuts the log into panes, and a thread that sends them."""

import logging
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from prometheus_client import CollectorRegistry

from tidegauge.kit.refusal import Refusal
from tidegauge.profile.profile import Profile
from tidegauge.protocol.names import Lost
from tidegauge_sidecar.folder import Folder
from tidegauge_sidecar.metrics import SidecarCollector, Snapshot, send_seconds
from tidegauge_sidecar.pane_builder import PaneBuilder, Source
from tidegauge_sidecar.recent_counts import RecentCounts
from tidegauge_sidecar.recovery import lock_folder, name_instance, recover_position
from tidegauge_sidecar.sender import Sender, Transport
from tidegauge_sidecar.spool import Spool, StateFile

__all__ = ["Sidecar"]

POLL_SECONDS: Final = 0.2
STUCK_SECONDS: Final = 30
WAIT_FOR_WRITERS_SECONDS: Final = 20
LAST_SEND_SECONDS: Final = 10
logger = logging.getLogger(__name__)


class Sidecar:
    """The parts, put together over one log folder.

    Parameters
    ----------
    folder
        The log folder.
    profile
        What the rows are counted with.
    model, pod, pane_seconds
        As in `tidegauge_sidecar.settings.Settings`.
    transports
        The way to each shard's aggregator.
    registry
        Gets the metrics.
    wall_clock_ns
        Nanoseconds since the epoch.
    monotonic
        Seconds of a clock that never goes back.
    rng
        Jitter of the sender's waiting times.

    Attributes
    ----------
    pane_builder, sender
        What `run` turns, the sender in a thread of its own.

    Raises
    ------
    ProfileError
        The folder's panes were cut with another length, or there are more shards than monitored features.
    OSError
        The folder cannot be used, or another sidecar uses it.
    """

    def __init__(
        self,
        folder: Folder,
        profile: Profile,
        *,
        model: str,
        pod: str,
        pane_seconds: int,
        transports: Sequence[Transport],
        registry: CollectorRegistry,
        wall_clock_ns: Callable[[], int],
        monotonic: Callable[[], float],
        rng: random.Random,
    ) -> None:
        self._clock_ns = wall_clock_ns
        self._monotonic = monotonic
        self._turned_at = monotonic()
        self._pane_ns = pane_seconds * 10**9
        self._trouble = ""
        self._lock = lock_folder(folder)
        source = Source(model, name_instance(folder, pane_seconds), pod, pane_seconds)
        self._spool = Spool(folder)
        state_file = StateFile(folder)
        position = recover_position(self._spool, state_file)
        self._recent_counts = RecentCounts(profile)
        self.pane_builder = PaneBuilder(folder, self._spool, profile, source, position, self._recent_counts)
        observe = send_seconds(registry, model)
        self.sender = Sender(
            self._spool, state_file, profile, transports, clock=monotonic, rng=rng, observe=observe
        )
        SidecarCollector(registry, model, self.snapshot)

    # --- life ------------------------------------------------------------------------------------------

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set; then read to the end, close the last pane and send what is left."""
        done = threading.Event()
        thread = threading.Thread(target=self._send_until, args=(done,), name="sender", daemon=True)
        thread.start()
        while not stop.is_set():
            self._turn()
            stop.wait(POLL_SECONDS)
        self._finish()
        done.set()

    def _turn(self) -> None:
        self._guarded(lambda: self.pane_builder.turn(self._clock_ns()))
        self._turned_at = self._monotonic()

    def _guarded(self, work: Callable[[], object]) -> bool:
        """Do what a full or failing disk may stop; whether it was done. What was not is done next time."""
        try:
            work()
        except OSError as error:
            if str(error) != self._trouble:
                logger.error("the log folder fails: %s; it will be tried again", error)
            self._trouble = str(error)
            return False
        self._trouble = ""
        return True

    def _finish(self) -> None:
        """Wait for the servers' last row, close the last pane, see it sent; each for a bounded time."""
        self._wait(lambda: self.pane_builder.writers_are_dead, WAIT_FOR_WRITERS_SECONDS, between=self._turn)
        self._wait(lambda: self._guarded(self._close_last), WAIT_FOR_WRITERS_SECONDS)
        self._wait(lambda: not self._spool.panes(), LAST_SEND_SECONDS)
        if left := len(self._spool.panes()):
            logger.warning("%d panes are not acknowledged; they stay in the log folder", left)

    def _wait(
        self, is_reached: Callable[[], bool], seconds: float, between: Callable[[], object] = lambda: None
    ) -> None:
        until = self._monotonic() + seconds
        between()
        while not is_reached() and self._monotonic() < until:
            time.sleep(POLL_SECONDS / 4)
            between()

    def _close_last(self) -> None:
        if not self.pane_builder.finish(self._clock_ns()):
            logger.warning("a server still writes to the log: the last pane is not final")

    def _send_until(self, done: threading.Event) -> None:
        while not done.is_set():
            try:
                wait = self.sender.step()
            except Exception:  # a thread that died in silence would leave the spool to grow for ever
                logger.exception("sending failed; it will be tried again")
                wait = 1.0
            done.wait(POLL_SECONDS if wait is None else min(wait, POLL_SECONDS))

    # --- what others see -------------------------------------------------------------------------------

    def check_health(self) -> None:
        """Raise a `Refusal` if the main loop has not turned lately."""
        if self._monotonic() - self._turned_at >= STUCK_SECONDS:
            raise Refusal(503, "stuck", f"the main loop has not turned for {STUCK_SECONDS} s")

    def snapshot(self) -> Snapshot:
        """Return the metrics' values now."""
        cut, sent = self.pane_builder.totals, self.sender.totals
        return Snapshot(
            rows=cut.rows,
            lost=dict(cut.lost + Counter({str(Lost.REFUSED): sent.refused_rows})),
            closed=cut.panes,
            acknowledged=sent.acknowledged,
            refused=sent.refused,
            spool_panes=len(self._spool.panes()),
            spool_bytes=self._spool.total_bytes,
            lag_seconds=self._lag_seconds(),
            corrupt_bytes=cut.corrupt_bytes,
            window=self._recent_counts.counts(),
        )

    def _lag_seconds(self) -> float:
        spooled = self._spool.panes()[:1]
        times = [self.pane_builder.oldest_waiting_ns, *(pane * self._pane_ns for pane in spooled)]
        now_ns = self._clock_ns()
        return max(0, now_ns - min((time for time in times if time is not None), default=now_ns)) / 1e9
