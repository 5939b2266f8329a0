"""Counts: rows as numbers per cell. They add, so any split over pods and panes gives the same result."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from tidegauge.arrays import IntArray
from tidegauge.counting import codec
from tidegauge.counting.cells import CellCounter
from tidegauge.counting.ks import KS, ReferenceTable, ks_two_sample
from tidegauge.errors import ProfileError, ProfileMismatch, SchemaError
from tidegauge.profile.features import Feature, NumericFeature
from tidegauge.profile.profile import Profile
from tidegauge.telling import found

__all__ = ["Accumulator", "Counts", "FeatureCounts"]


@dataclass(frozen=True, slots=True)
class FeatureCounts:
    """One feature's part of `Counts`."""

    feature: Feature
    cells: IntArray
    missing: int
    beyond: int

    @property
    def total(self) -> int:
        """Values counted, without the missing ones (n in the literature)."""
        return int(self.cells.sum())


@dataclass(frozen=True, eq=False)
class Counts:
    """Rows counted over a profile's monitored features; immutable.

    Parameters
    ----------
    profile
        The profile, or shard of one, that gave the cells.
    rows
        Rows counted.
    cells
        int64, shape ``(profile.total_cells,)``: all features' cells, one feature after the other.
    missing
        int64, shape ``(features,)``: rows without a value.
    beyond
        int64, shape ``(features,)``: numeric values with ``|z| > 3`` against the profile.
    """

    profile: Profile
    rows: int
    cells: IntArray
    missing: IntArray
    beyond: IntArray

    def __post_init__(self) -> None:
        for array in (self.cells, self.missing, self.beyond):
            array.setflags(write=False)

    @classmethod
    def zero(cls, profile: Profile) -> Counts:
        """Return no rows: the neutral element of ``+``."""
        features = len(profile.monitored)
        return cls(
            profile, 0, *(np.zeros(n, dtype=np.int64) for n in (profile.total_cells, features, features))
        )

    def __add__(self, other: Counts) -> Counts:
        if not isinstance(other, Counts):
            return NotImplemented
        _require_same(self.profile, other.profile)
        return Counts(
            self.profile,
            self.rows + other.rows,
            self.cells + other.cells,
            self.missing + other.missing,
            self.beyond + other.beyond,
        )

    def __radd__(self, other: int) -> Counts:
        """`sum` begins with 0."""
        return self if type(other) is int and other == 0 else NotImplemented

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Counts):
            return NotImplemented
        return (
            self.profile == other.profile
            and self.rows == other.rows
            and np.array_equal(self.cells, other.cells)
            and np.array_equal(self.missing, other.missing)
            and np.array_equal(self.beyond, other.beyond)
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Counts({self.rows} rows, {len(self.missing)} features, profile {self.profile.hash[:12]})"

    def feature(self, name: str) -> FeatureCounts:
        """Return one feature's counts; raises `ProfileError` for a name the profile does not have."""
        i = self.profile.position(name)
        begin, end = self.profile.offsets[i : i + 2]
        return FeatureCounts(
            self.profile.monitored[i], self.cells[begin:end], int(self.missing[i]), int(self.beyond[i])
        )

    @overload
    def ks(self, name: str, *, design_effect: float | None = None) -> KS: ...
    @overload
    def ks(self, name: None = None, *, design_effect: float | None = None) -> dict[str, KS]: ...
    def ks(self, name: str | None = None, *, design_effect: float | None = None) -> KS | dict[str, KS]:
        """Return Kolmogorov-Smirnov result of one numeric feature, or of all of them by name.

        Parameters
        ----------
        name
            The feature; None: all numeric ones.
        design_effect
            How much more these rows' shares vary than those of independent rows, for the p-value. None: what
            the profile says of its longest window, the most that it knows; 1 where it knows none. With a
            report's `design_effect`, the p-value is the report's.

        Raises
        ------
        ProfileError
            The feature is categorical, or not in the profile.
        """
        if name is None:
            results = self.profile.derived(ReferenceTable).compare(self.cells)
            return {name: self._correct(name, result, design_effect) for name, result in results.items()}
        part = self.feature(name)
        if not isinstance(part.feature, NumericFeature):
            raise ProfileError(
                "without order there is no KS",
                argument=found("name", name, f"feature {name!r} is categorical"),
                step="Monitor and replay compare it category by category",
            )
        return self._correct(name, ks_two_sample(part.cells, part.feature.counts), design_effect)

    def _correct(self, name: str, result: KS, design_effect: float | None) -> KS:
        """The result with the design effect that is given, or known."""
        known = self.profile.feature(name).design_effect
        if design_effect is None:
            design_effect = 1.0 if known is None else max(known.values)
        return result if design_effect == 1.0 else replace(result, design_effect=design_effect)

    def select(self, shard: Profile) -> Counts:
        """Return the counts of a shard's features.

        Raises `ProfileMismatch` for a shard of another profile.
        """
        if shard == self.profile:
            return self
        share = shard.share
        if share is None or share.profile != self.profile.hash:
            rule = f"it must be a shard of {self.profile!r}"
            raise ProfileMismatch(rule, argument=found("shard", shard, repr(shard)))
        offsets, taken = self.profile.offsets, range(share.index, len(self.missing), share.of)
        cells = np.concatenate([self.cells[offsets[i] : offsets[i + 1]] for i in taken])
        part = slice(share.index, None, share.of)
        return Counts(shard, self.rows, cells, self.missing[part].copy(), self.beyond[part].copy())

    def to_bytes(self) -> bytes:
        """Return the counts in the wire format (`docs/pane-format.md`)."""
        return codec.encode(self.profile, codec.Sums(self.rows, self.cells, self.missing, self.beyond))

    @staticmethod
    def from_bytes(data: bytes, profile: Profile) -> Counts:
        """Read the wire format; raises `ProfileMismatch` for another profile's counts, else `WireError`."""
        return Counts(profile, *codec.decode(data, profile))


class Accumulator:
    """Counts that grow in place: for loops that add much and look rarely.

    Parameters
    ----------
    profile
        The profile, or shard of one, that gives the cells.
    """

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self._counter = CellCounter(profile.monitored)
        self._sum = _Sum(profile)

    @property
    def rows(self) -> int:
        """Rows added so far."""
        return self._counter.rows + self._sum.rows

    def add(self, matrix: npt.NDArray[Any]) -> None:
        """Add rows as the capture log holds them; see `Profile.count_matrix`."""
        wanted = {len(self.profile.features), len(self.profile.monitored)} - {0}
        if matrix.ndim != 2 or matrix.shape[1] not in wanted:
            shape = " or ".join(map(str, sorted(wanted)))
            said = found("matrix", matrix.shape, f"rows of shape {matrix.shape}")
            raise SchemaError(f"it must be (n, {shape})", argument=said)
        if matrix.dtype.kind == "c":
            said = found("matrix", matrix.dtype, f"rows of {matrix.dtype}")
            raise SchemaError("they must be real numbers", argument=said)
        self._counter.add(matrix.T)

    def add_columns(self, columns: list[npt.NDArray[Any]]) -> None:
        """Add rows column-wise: floats or codes of each monitored feature; the prediction's are optional."""
        self._counter.add(columns)

    def add_counts(self, counts: Counts) -> None:
        """Add counts of the same profile; raises `ProfileMismatch` for another's."""
        _require_same(self.profile, counts.profile)
        self._sum.add(counts.rows, counts.cells, counts.missing, counts.beyond)

    def counts(self) -> Counts:
        """Return what was added so far."""
        total = _Sum(self.profile)
        total.add(self._sum.rows, self._sum.cells, self._sum.missing, self._sum.beyond)
        if self._counter.rows:
            total.add(self._counter.rows, *self._counter.totals())
        return Counts(self.profile, total.rows, total.cells, total.missing, total.beyond)

    def clear(self) -> None:
        """Start again from no rows."""
        self._counter.clear()
        self._sum = _Sum(self.profile)


class _Sum:
    """Counts of counts, added up in place."""

    def __init__(self, profile: Profile) -> None:
        features = len(profile.monitored)
        self.rows = 0
        self.cells: IntArray = np.zeros(profile.total_cells, dtype=np.int64)
        self.missing: IntArray = np.zeros(features, dtype=np.int64)
        self.beyond: IntArray = np.zeros(features, dtype=np.int64)

    def add(self, rows: int, cells: IntArray, missing: IntArray, beyond: IntArray) -> None:
        self.rows += rows
        self.cells += cells
        self.missing += missing
        self.beyond += beyond


def _require_same(mine: Profile, other: Profile) -> None:
    if mine is not other and mine.hash != other.hash:
        words = f"counts of profiles {mine.hash[:12]} and {other.hash[:12]} do not add"
        raise ProfileMismatch("count with one profile", argument=found("counts", other, words))
