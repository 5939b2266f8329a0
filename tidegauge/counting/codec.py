"""Counts as bytes (`docs/pane-format.md`).

``TIDECNT1``, the profile's hash (32 bytes), the width in bytes of a cell's count (1, 2, 4 or 8), then
one zlib stream. It holds rows, missing and beyond as 8-byte numbers, then all cells, the open intervals
and categories before the points; both little-endian and as byte planes (all lowest bytes first), which
leaves long runs of zeros.
"""

import zlib
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from tidegauge.arrays import IntArray
from tidegauge.errors import ProfileMismatch, WireError
from tidegauge.profile.features import MAX_ROWS
from tidegauge.profile.profile import Profile
from tidegauge.telling import NOT_GIVEN, found

__all__ = ["EncodedSum", "Sums", "cell_order", "decode", "encode"]

MAGIC: Final = b"TIDECNT1"
HEAD_BYTES: Final = 41
_WIDTHS: Final = (1, 2, 4, 8)


class Sums(NamedTuple):
    """What counts hold, without their profile: rows, then int64 arrays as `Counts` has them."""

    rows: int
    cells: IntArray
    missing: IntArray
    beyond: IntArray


def encode(profile: Profile, sums: Sums) -> bytes:
    """Return counts as bytes; the same counts always give the same bytes."""
    head = np.concatenate([[sums.rows], sums.missing, sums.beyond])
    cells = sums.cells[profile.derived(cell_order)]
    largest = int(cells.max(initial=0))
    width = next(w for w in _WIDTHS if largest < 1 << (8 * w))
    packer = zlib.compressobj(level=6, strategy=zlib.Z_RLE)
    packed = packer.compress(_planes(head, 8)) + packer.compress(_planes(cells, width)) + packer.flush()
    return b"".join((MAGIC, bytes.fromhex(profile.hash), bytes([width]), packed))


def decode(data: bytes, profile: Profile) -> Sums:
    """Read counts of `profile`.

    Raises
    ------
    TypeError
        They are no bytes.
    ProfileMismatch
        They are another profile's.
    WireError
        They are torn, damaged, too long or cannot be counts of rows.
    """
    head, cells = _read(data, profile)
    cells = cells[profile.derived(_cell_places)].astype(np.int64)
    features = len(profile.monitored)
    sums = Sums(int(head[0]), cells, head[1 : features + 1], head[features + 1 :])
    _check(profile, sums)
    return sums


class EncodedSum:
    """Adds encoded counts of many panes without decoding each.

    Only for bytes that were checked by `decode` before they were stored: of their numbers only the
    checksum and the size are checked again.

    Parameters
    ----------
    profile
        The profile, or shard of one, that all of them are of.
    """

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        features = profile.monitored
        self._head: IntArray = np.zeros(1 + 2 * len(features), dtype=np.int64)
        self._cells: IntArray = np.zeros(profile.total_cells, dtype=np.int64)
        points = np.array([f.cells // 2 if f.kind == "numeric" else 0 for f in features])
        others = np.array([f.cells for f in features]) - points
        self._with_points = np.flatnonzero(points)
        self._starts = np.cumsum(np.concatenate(([0], others, points[self._with_points])))[:-1]

    def add(self, data: bytes) -> None:
        """Add one message's counts; raises as `decode` does."""
        head, cells = _read(data, self._profile)
        self._head += head
        np.add(self._cells, cells, out=self._cells, dtype=np.int64, casting="unsafe")

    def values_by_feature(self) -> IntArray:
        """Return values counted so far of each feature, missing ones left out; shape ``(features,)``."""
        sums = np.add.reduceat(self._cells, self._starts)
        features = len(self._profile.monitored)
        values = sums[:features]
        values[self._with_points] += sums[features:]
        return values

    def sums(self) -> Sums:
        """Return all that was added."""
        features, head = len(self._profile.monitored), self._head.copy()
        cells = self._cells[self._profile.derived(_cell_places)]
        return Sums(int(head[0]), cells, head[1 : features + 1], head[features + 1 :])


def _read(data: bytes, profile: Profile) -> tuple[IntArray, npt.NDArray[Any]]:
    """Rows, missing and beyond as int64; the cells in the order of the wire, as wide as they are sent."""
    if not isinstance(data, bytes | bytearray | memoryview):
        raise TypeError(f"counts of type {type(data).__name__}: they must be bytes, as to_bytes() gives them")
    if len(data) < HEAD_BYTES or data[:8] != MAGIC:
        raise WireError(f"not counts: their first 8 bytes are not {MAGIC.decode()}")
    if data[8:40] != bytes.fromhex(profile.hash):
        raise ProfileMismatch(
            f"counts of profile {data[8:40].hex()[:12]}, wanted those of {profile.hash[:12]}"
        )
    width = data[40]
    if width not in _WIDTHS:
        raise WireError(f"counts of {width} bytes each: it must be one of {', '.join(map(str, _WIDTHS))}")
    head_bytes = 8 * (1 + 2 * len(profile.monitored))
    plain = _inflate(data[HEAD_BYTES:], head_bytes + width * profile.total_cells)
    return _numbers(plain[:head_bytes], 8).astype(np.int64), _numbers(plain[head_bytes:], width)


def cell_order(profile: Profile) -> IntArray:
    """Return indices of the cells in the order of the bytes: open intervals and categories, then points."""
    is_point = [
        np.arange(f.cells) % 2 == 1 if f.kind == "numeric" else np.zeros(f.cells, bool)
        for f in profile.monitored
    ]
    return np.argsort(np.concatenate(is_point), kind="stable")


def _cell_places(profile: Profile) -> IntArray:
    """Where each cell is in the order of the bytes."""
    return np.argsort(profile.derived(cell_order))


def _planes(numbers: IntArray, width: int) -> bytes:
    return numbers.astype(f"<u{width}").view(np.uint8).reshape(-1, width).T.tobytes()


def _numbers(planes: bytes, width: int) -> npt.NDArray[Any]:
    interleaved = np.frombuffer(planes, dtype=np.uint8).reshape(width, -1).T
    numbers: npt.NDArray[Any] = np.ascontiguousarray(interleaved).view(f"<u{width}").ravel()
    if width == 8 and numbers.size and int(numbers.max()) > MAX_ROWS:
        raise WireError(f"counts hold {numbers.max()}: at most {MAX_ROWS} rows are counted")
    return numbers


def _inflate(packed: bytes, size: int) -> bytes:
    """Inflate to exactly `size` bytes and never more, whatever the stream claims."""
    inflate = zlib.decompressobj()
    try:
        plain = inflate.decompress(packed, size + 1)
    except zlib.error as error:
        raise WireError(f"torn or damaged counts: {error}") from error
    if len(plain) != size or not inflate.eof or inflate.unused_data:
        raise WireError(f"torn or damaged counts: their stream does not hold exactly {size} bytes")
    return plain


def _check(profile: Profile, sums: Sums) -> None:
    """Each feature has each row once, as a value or as missing; the prediction may have been left out."""
    if int(sums.cells.max(initial=0)) > sums.rows:
        raise WireError(f"{sums.rows} rows counted, but a cell holds {sums.cells.max()}")
    values = np.add.reduceat(sums.cells, profile.offsets[:-1])
    seen = values + sums.missing
    wrong = seen != sums.rows
    if profile.prediction is not None:
        wrong[-1] &= bool(seen[-1])
    wrong |= sums.beyond > values
    if wrong.any():
        name = profile.names[int(np.argmax(wrong))]
        said = found("counts", NOT_GIVEN, f"feature {name!r}", name)
        raise WireError(f"values, missing and beyond do not fit {sums.rows} rows", argument=said)
