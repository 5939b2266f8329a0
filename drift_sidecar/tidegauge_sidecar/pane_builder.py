"""From the log to panes: one turn reads what there is, and closes the panes that are over."""

import logging
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Final

from tidegauge.profile.profile import Profile
from tidegauge.protocol.capture_log import Frame, sequence_name, split_segment_name
from tidegauge.protocol.names import Lost
from tidegauge.protocol.pane import Pane
from tidegauge_sidecar.counting import OpenPane
from tidegauge_sidecar.folder import Folder
from tidegauge_sidecar.position import Position, WriterPosition
from tidegauge_sidecar.reader import Layout, WriterReader, WriterScan, scan_writer, writers_in
from tidegauge_sidecar.recent_counts import RecentCounts
from tidegauge_sidecar.spool import FOLDER, Spool, Spooled

__all__ = ["GRACE_SECONDS", "PaneBuilder", "Source", "Totals"]

GRACE_SECONDS: Final = 1  # how long after its end a pane waits for frames that were stamped before it
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Source:
    """The fields that all panes of one instance share."""

    model: str
    instance: str
    pod: str
    pane_seconds: int


@dataclass(slots=True)
class Totals:
    """Totals that this process has committed since it started; for the metrics."""

    rows: int = 0
    lost: Counter[str] = field(default_factory=Counter)
    panes: int = 0
    corrupt_bytes: int = 0

    def add(self, pane: Pane) -> None:
        """Add a committed pane."""
        self.rows += pane.rows
        self.lost.update(pane.lost)
        self.panes += 1


class PaneBuilder:
    """Turns the log into spooled panes; a pane's commit is one rename, so a crash loses and doubles nothing.

    Parameters
    ----------
    folder
        The log folder.
    spool
        Takes the closed panes.
    profile
        What the rows are counted with.
    source
        Names that go into every pane.
    position
        How far an earlier process had come.
    recent_counts
        Gets the counts of every closed pane.

    Notes
    -----
    Pane ids of an instance strictly rise: a frame's pane is its time's, but never below the open one, and
    never above the one of the sidecar's own clock. After a stop the frames' times decide, so the panes come
    out as they would have.
    """

    def __init__(
        self,
        folder: Folder,
        spool: Spool,
        profile: Profile,
        source: Source,
        position: Position,
        recent_counts: RecentCounts,
    ) -> None:
        self.totals = Totals()
        self.position = position
        self._folder = folder
        self._spool = spool
        self._recent_counts = recent_counts
        self._names = {"profile": profile.hash, **asdict(source)}
        self._pane_ns = source.pane_seconds * 10**9
        self._layout = Layout(profile.hash, len(profile.monitored))
        self._readers: dict[str, WriterReader] = {}
        self._open = OpenPane(profile)
        self._open_id: int | None = None
        self._readers.update((writer, self._reader(writer, at)) for writer, at in position.writers.items())
        self._tidy()

    # --- what a reader finds: `tidegauge_sidecar.reader.FrameHandler` ---------------------------------------

    def take(self, frame: Frame, value_bytes: int) -> None:
        """Count rows in the open pane."""
        self._open.take(frame, value_bytes)

    def lose(self, reason: Lost, rows: int) -> None:
        """Report rows as lost with the open pane."""
        self._open.lose(reason, rows)

    def skip(self, corrupt_bytes: int) -> None:
        """Add bytes that were no frame."""
        self.totals.corrupt_bytes += corrupt_bytes

    def reject(self, segment: str, why: str) -> None:
        """Say once that a segment's rows cannot be counted."""
        logger.error("%s: %s; its rows are reported lost (corrupt)", segment, why)

    # --- a turn ----------------------------------------------------------------------------------------

    def turn(self, now_ns: int) -> None:
        """Read what there is and close the panes that are over.

        Raises
        ------
        OSError
            A file could not be read or written, a full disk above all; the next turn takes up where this one
            stopped.
        """
        scans = self._scan()
        self._read(scans, now_ns)
        while self._is_over(now_ns):
            self._close(final=False)
            self._read(scans, now_ns)

    def finish(self, now_ns: int) -> bool:
        """Read to the end and close every pane; whether all writers were dead, so that the last is final."""
        scans = self._scan()
        while self._read(scans, now_ns) < now_ns // self._pane_ns:
            self._close(final=False)
        final = self.writers_are_dead
        self._close(final=final)
        return final

    @property
    def writers_are_dead(self) -> bool:
        """Whether every writer's process has ended and its log is read to the end."""
        return all(reader.position.done for reader in self._readers.values())

    @property
    def oldest_waiting_ns(self) -> int | None:
        """Time of the oldest row that was seen and is in no closed pane."""
        times = [self._open.oldest_ns, *(reader.ahead_time_ns for reader in self._readers.values())]
        return min((time for time in times if time is not None), default=None)

    def _scan(self) -> dict[str, WriterScan]:
        for writer in writers_in(self._folder.sizes()) - self._readers.keys():
            self._readers[writer] = self._reader(writer, WriterPosition())
        return {writer: scan_writer(self._folder, writer) for writer in sorted(self._readers)}

    def _reader(self, writer: str, position: WriterPosition) -> WriterReader:
        return WriterReader(self._folder, writer, self._layout, position)

    def _read(self, scans: dict[str, WriterScan], now_ns: int) -> int:
        """Read what belongs into the open pane, opening one if need be; returns its id."""
        current = now_ns // self._pane_ns
        if self._open_id is None:
            heads = [reader.head_time_ns(scans[name], self) for name, reader in self._readers.items()]
            first = min((head // self._pane_ns for head in heads if head is not None), default=current)
            self._open_id = max(self.position.pane + 1, min(first, current))
        before_ns = (self._open_id + 1) * self._pane_ns if self._open_id < current else None
        for writer, reader in self._readers.items():
            reader.read(scans[writer], before_ns, self)
        return self._open_id

    def _is_over(self, now_ns: int) -> bool:
        assert self._open_id is not None  # asked after a read
        return now_ns >= (self._open_id + 1) * self._pane_ns + GRACE_SECONDS * 10**9

    # --- closing a pane --------------------------------------------------------------------------------

    def _close(self, *, final: bool) -> None:
        """Commit the open pane, then let go of what it consumed."""
        assert self._open_id is not None  # closed after a read
        counts = self._open.counts()
        lost = {str(reason): rows for reason, rows in sorted(self._open.lost.items())}
        pane = Pane(
            **self._names,
            pane=self._open_id,
            rows=counts.rows,
            lost=lost,
            rows_before=self.position.rows,
            lost_before=self.position.lost,
            final=final,
            counts=counts.to_bytes(),
        )
        position = self._position_after(pane)
        self._spool.add(Spooled(pane, position))
        self.position = position
        self._open_id = None
        self._open.clear()
        self._recent_counts.add(pane.pane * pane.pane_seconds, counts)
        self.totals.add(pane)
        self._tidy()

    def _position_after(self, pane: Pane) -> Position:
        writers = {writer: reader.position for writer, reader in self._readers.items()}
        rows, lost = pane.rows_before + pane.rows, pane.lost_before + sum(pane.lost.values())
        return Position(pane.pane, rows, lost, writers)

    def _tidy(self) -> None:
        """Remove what the committed position has left behind; a dead writer's counter last of its files."""
        for name in self._folder.sizes():
            writer, number = split_segment_name(name) or ("", 0)
            at = self.position.writers.get(writer)
            if at is not None and (at.done or number < at.segment):
                self._remove_segment(name, number in self._readers[writer].bad_segments)
        for writer in [writer for writer, at in self.position.writers.items() if at.done]:
            self._folder.remove(sequence_name(writer))
            self._readers.pop(writer, None)

    def _remove_segment(self, name: str, is_bad: bool) -> None:
        if is_bad:  # the last one is kept for people to look at
            self._folder.rename(name, f"{FOLDER}/rejected.bad")
        else:
            self._folder.remove(name)
