"""The position in the log, which must survive a crash."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

__all__ = ["Position", "WriterPosition"]


@dataclass(frozen=True, slots=True)
class WriterPosition:
    """How far the log of one writer has been read.

    Parameters
    ----------
    segment
        Number of the segment being read; all below it are consumed.
    offset
        Bytes of it that have been read.
    next_sequence
        Sequence number that the next row should have: all below are counted or reported lost.
    damage_bytes
        Bytes skipped as damage since the last good frame: with them a gap is corruption, without a full log.
    done
        Whether the writer is dead and its log read to the end, so that its files may go.
    """

    segment: int = 0
    offset: int = 0
    next_sequence: int = 0
    damage_bytes: int = 0
    done: bool = False


@dataclass(frozen=True, slots=True)
class Position:
    """The committed state: the last closed pane, the instance's totals and each writer's position."""

    pane: int = -1
    rows: int = 0
    lost: int = 0
    writers: Mapping[str, WriterPosition] = field(default_factory=dict)

    def at_pane(self, pane: int) -> Self:
        """Return the same position, with a later pane closed last."""
        return replace(self, pane=max(self.pane, pane))

    def to_dict(self) -> dict[str, Any]:
        """Return a document for JSON."""
        writers = {
            name: [w.segment, w.offset, w.next_sequence, w.damage_bytes, int(w.done)]
            for name, w in self.writers.items()
        }
        return {"pane": self.pane, "rows": self.rows, "lost": self.lost, "writers": writers}

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> Self:
        """Read `to_dict`'s document, which this program wrote itself under a checksum."""
        writers = {
            name: WriterPosition(segment, offset, following, damage, bool(done))
            for name, (segment, offset, following, damage, done) in document["writers"].items()
        }
        return cls(document["pane"], document["rows"], document["lost"], writers)
