"""Closed panes that wait to be acknowledged, and what is known of the acknowledged ones.

All in the folder ``sidecar`` below the log:

``lock``, ``instance``
    The lock keeps a second sidecar away; the instance file names the log volume.
``pane-NNN.spool``
    A closed pane and the log's position after it: its rename into place is the commit.
``state``
    What each shard has acknowledged, and the position after the last pane that all have. Written over in
    place, into two slots in turn, so that it needs no room on a full disk and one slot is always whole.
"""

import json
import struct
import threading
import zlib
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, Self

from tidegauge.errors import WireError
from tidegauge.protocol.pane import Pane
from tidegauge_sidecar.folder import Folder
from tidegauge_sidecar.position import Position

__all__ = ["Sent", "ShardState", "Spool", "Spooled", "StateFile"]

FOLDER: Final = "sidecar"
_MAGIC: Final = b"TIDESPL1"
_U32: Final = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class Spooled:
    """One closed pane, over all features and with totals as if nothing were ever refused."""

    pane: Pane
    position: Position

    def to_bytes(self) -> bytes:
        """Return the spool file's bytes."""
        text = json.dumps(self.position.to_dict(), separators=(",", ":")).encode()
        body = b"".join((_MAGIC, _U32.pack(len(text)), text, self.pane.to_bytes()))
        return body + _U32.pack(zlib.crc32(body))

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read a spool file; raises `WireError` when it is damaged."""
        if len(data) < 16 or data[:8] != _MAGIC or zlib.crc32(data[:-4]) != _U32.unpack(data[-4:])[0]:
            raise WireError(f"a damaged spool file of {len(data)} bytes")
        end = 12 + _U32.unpack_from(data, 8)[0]
        return cls(Pane.from_bytes(data[end:-4]), Position.from_dict(json.loads(data[12:end])))


class Spool:
    """The spool files; used by the thread that builds panes and the one that sends them."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        found = folder.sizes(FOLDER)
        self._sizes = {_pane_of(name): size for name, size in sorted(found.items()) if _is_spool(name)}

    def panes(self) -> list[int]:
        """Return ids of the waiting panes, oldest first."""
        with self._lock:
            return list(self._sizes)

    def after(self, pane: int) -> int | None:
        """Return id of the oldest waiting pane behind `pane`."""
        return next((found for found in self.panes() if found > pane), None)

    @property
    def total_bytes(self) -> int:
        """Bytes of all waiting panes."""
        with self._lock:
            return sum(self._sizes.values())

    def add(self, spooled: Spooled) -> None:
        """Commit a pane. Raises `OSError` when the disk is full; then nothing has happened."""
        data, name = spooled.to_bytes(), _name(spooled.pane.pane)
        unnamed = f"{FOLDER}/pane.new"
        try:
            self._folder.write(unnamed, data)
        except OSError:
            self._folder.remove(unnamed)
            raise
        self._folder.rename(unnamed, name)
        with self._lock:
            self._sizes[spooled.pane.pane] = len(data)

    def load(self, pane: int) -> Spooled:
        """Read a waiting pane; raises `WireError` when its file is damaged."""
        return Spooled.from_bytes(self._folder.read(_name(pane)))

    def remove(self, pane: int) -> None:
        """Forget a pane that needs not wait any more."""
        self._folder.remove(_name(pane))
        self._drop(pane)

    def set_aside(self, pane: int) -> None:
        """Keep a pane that cannot be sent as the one file for people to look at."""
        with suppress(FileNotFoundError):
            self._folder.rename(_name(pane), f"{FOLDER}/refused")
        self._drop(pane)

    def _drop(self, pane: int) -> None:
        with self._lock:
            self._sizes.pop(pane, None)


def _name(pane: int) -> str:
    return f"{FOLDER}/pane-{pane:016d}.spool"


def _is_spool(name: str) -> bool:
    return name.startswith("pane-") and name.endswith(".spool")


def _pane_of(name: str) -> int:
    return int(name.removeprefix("pane-").removesuffix(".spool"))


@dataclass(frozen=True, slots=True)
class ShardState:
    """The acknowledged totals of one shard's aggregator.

    Parameters
    ----------
    pane
        The last pane it took or refused for good.
    rows, lost
        Totals over the panes it took.
    pending
        Rows by `tidegauge.protocol.names.Lost` reason that the next pane must report: those of refused panes.
    """

    pane: int = -1
    rows: int = 0
    lost: int = 0
    pending: dict[str, int] = field(default_factory=dict)

    @property
    def accounted(self) -> int:
        """Rows of all panes up to `pane`, counted or lost."""
        return self.rows + self.lost + sum(self.pending.values())


@dataclass(frozen=True, slots=True)
class Sent:
    """The state file's content."""

    shards: tuple[ShardState, ...]
    position: Position = field(default_factory=Position)

    def to_bytes(self) -> bytes:
        """Return the state as JSON."""
        shards = [[s.pane, s.rows, s.lost, s.pending] for s in self.shards]
        return json.dumps({"shards": shards, "position": self.position.to_dict()}).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read what `to_bytes` wrote."""
        document: dict[str, Any] = json.loads(data)
        return cls(
            tuple(ShardState(*shard) for shard in document["shards"]),
            Position.from_dict(document["position"]),
        )


class StateFile:
    """Two slots in one file, written in turn; the newer whole one holds."""

    NAME: Final = f"{FOLDER}/state"
    SLOT_BYTES: Final = 8192

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        data = folder.read(self.NAME)
        self._slot_bytes = len(data) // 2 or self.SLOT_BYTES
        half = len(data) // 2
        whole = [found for found in map(_read_slot, (data[:half], data[half:])) if found]
        self._generation, self.content = max(whole, default=(0, b""))
        if not whole:
            self._make()

    def write(self, content: bytes) -> None:
        """Replace the content. Raises `OSError`; then the old content holds."""
        packed = zlib.compress(content)
        while _SLOT.size + len(packed) > self._slot_bytes:
            self._slot_bytes *= 2
            self._make()
        generation = self._generation + 1
        self._folder.overwrite(self.NAME, generation % 2 * self._slot_bytes, _slot(generation, packed))
        self._generation, self.content = generation, content

    def _make(self) -> None:
        """Lay the file out with slots of the size in use, both with the content there is."""
        slot = _slot(self._generation, zlib.compress(self.content))
        slot += bytes(self._slot_bytes - len(slot))
        self._folder.write(f"{self.NAME}.new", slot * 2)
        self._folder.rename(f"{self.NAME}.new", self.NAME)


_SLOT: Final = struct.Struct("<IQI")  # crc32 of all that follows, generation, bytes


def _slot(generation: int, packed: bytes) -> bytes:
    body = _SLOT.pack(0, generation, len(packed))[4:] + packed
    return _U32.pack(zlib.crc32(body)) + body


def _read_slot(slot: bytes) -> tuple[int, bytes] | None:
    if len(slot) < _SLOT.size:
        return None
    crc, generation, size = _SLOT.unpack_from(slot)
    if zlib.crc32(slot[4 : _SLOT.size + size]) != crc:
        return None
    return generation, zlib.decompress(slot[_SLOT.size : _SLOT.size + size])
