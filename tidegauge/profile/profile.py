"""The reference profile: what the training data looked like, and the cells that live rows are counted in.

A profile is a frozen value. It is made once, by `Profile.fit`, saved as one JSON file
(`docs/profile-format.md`) and identified by `Profile.hash`, a hash over everything that decides cells
and reference counts: counts are added only across equal hashes. What a cell is, `features` says.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from tidegauge.errors import ProfileError, SchemaError
from tidegauge.nearest import or_nearest
from tidegauge.profile.document import (
    body_hash,
    decode,
    encode,
    profile_body,
    read_document,
    whole_document,
)
from tidegauge.profile.features import (
    CategoricalFeature,
    DesignEffect,
    Feature,
    IntArray,
    NumericFeature,
    category_text,
    require,
)
from tidegauge.protocol.names import PREDICTION
from tidegauge.telling import Argument, found, told

if TYPE_CHECKING:
    from tidegauge.counting.counts import Counts

__all__ = [
    "CategoricalFeature",
    "DesignEffect",
    "Feature",
    "NumericFeature",
    "Profile",
    "Share",
    "category_text",
]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Share:
    """Which features of which whole profile a shard holds."""

    profile: str
    index: int
    of: int


@dataclass(frozen=True, eq=False)
class Profile:
    """A description of the reference data, feature by feature.

    Parameters
    ----------
    features
        The model's features in the model's order.
    prediction
        The model's prediction as one more feature, named `tidegauge.protocol.names.PREDICTION`, or None.
    rows
        Reference rows.
    share
        Set for a shard only, by `shard`.
    """

    features: tuple[Feature, ...]
    prediction: Feature | None
    rows: int
    share: Share | None = None

    def __post_init__(self) -> None:
        names = [feature.name for feature in self.features]
        twice = sorted({name for name in names if names.count(name) > 1})
        require(
            not twice,
            "a profile",
            f"feature names that differ, but has {', '.join(map(repr, twice))} twice",
            features=twice,
        )
        rule = f"{PREDICTION!r} for the model's prediction only"
        require(PREDICTION not in names, "a profile", rule, features=names)
        require(bool(self.monitored), "a profile", "at least one feature", features=names)
        if self.prediction is not None:
            name, rule = self.prediction.name, f"a prediction named {PREDICTION!r}"
            require(name == PREDICTION, "a profile", rule, prediction=name)
        for feature in self.monitored:
            where, total, distinct = f"feature {feature.name!r}", feature.total, feature.distinct
            complete = total + feature.missing == self.rows
            rule = f"counts and missing that sum to the profile's {self.rows} rows"
            require(complete, where, rule, rows=self.rows)
            require(
                distinct is None or 0 <= distinct <= total,
                where,
                f"distinct of at most its {total} values",
                distinct=distinct,
            )

    # --- what it holds ---------------------------------------------------------------------------------

    @cached_property
    def monitored(self) -> tuple[Feature, ...]:
        """The model's features, then the prediction if there is one: what counts are kept of."""
        return self.features if self.prediction is None else (*self.features, self.prediction)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the monitored features."""
        return tuple(feature.name for feature in self.monitored)

    @cached_property
    def positions(self) -> dict[str, int]:
        """Index of each monitored feature by name."""
        return {name: index for index, name in enumerate(self.names)}

    @cached_property
    def offsets(self) -> IntArray:
        """Where each monitored feature's cells begin, and the end of the last: int64, ``(features + 1,)``."""
        offsets = np.cumsum([0, *(feature.cells for feature in self.monitored)], dtype=np.int64)
        offsets.setflags(write=False)
        return offsets

    @property
    def total_cells(self) -> int:
        """Cells of all monitored features together."""
        return int(self.offsets[-1])

    def feature(self, name: str) -> Feature:
        """Return a monitored feature by its name; raises `ProfileError` for another name."""
        return self.monitored[self.position(name)]

    def position(self, name: str) -> int:
        """Return index of a monitored feature; raises `ProfileError` for another name."""
        try:
            return self.positions[name]
        except KeyError:
            rule, near = "there is no such feature in this profile", or_nearest(name, self.names)
            raise ProfileError(rule, argument=found("name", name, f"feature {name!r}"), step=near) from None

    @cached_property
    def hash(self) -> str:
        """64 hexadecimal digits: equal for profiles that decide and count everything the same."""
        if self.share is not None:
            text = f"{self.share.profile}/{self.share.index}/{self.share.of}"
            return hashlib.sha256(text.encode()).hexdigest()
        return body_hash(self._body())

    def __eq__(self, other: object) -> bool:
        return self.hash == other.hash if isinstance(other, Profile) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.hash)

    def __repr__(self) -> str:
        return f"Profile({len(self.monitored)} features, {self.rows} rows, hash {self.hash[:12]})"

    # --- tables derived from it, made when first used ---------------------------------------------------

    def derived(self, make: Callable[[Profile], T]) -> T:
        """Return what `make` makes of this profile; it is made once, when first asked for."""
        if make not in self._derived:
            self._derived[make] = make(self)
        made: T = self._derived[make]
        return made

    @cached_property
    def _derived(self) -> dict[Callable[[Profile], Any], Any]:
        return {}

    def shard(self, index: int, of: int) -> Profile:
        """Return every `of`-th monitored feature from `index` on, as a profile of its own.

        Its hash derives from this profile's. A shard has no document: save the whole profile.
        """
        if self.share is not None:
            raise ProfileError("a shard of a shard: take shards of the whole profile")
        if not 0 <= index < of <= len(self.monitored):
            rule = f"1 to {len(self.monitored)} shards can be made of its features"
            raise ProfileError(rule, argument=found("of", of, f"shard {index} of {of}"))
        if of == 1:
            return self
        taken = self.monitored[index::of]
        prediction = taken[-1] if taken[-1] is self.prediction else None
        features = taken if prediction is None else taken[:-1]
        return Profile(features, prediction, self.rows, Share(self.hash, index, of))

    # --- rows to counts --------------------------------------------------------------------------------

    @staticmethod
    def fit(
        data: Any,
        cut_points: int = 1024,
        feature_names: Sequence[str] | None = None,
        *,
        prediction: Any = None,
        time: Any = None,
        hour_of_day: bool = False,
        dtypes: Mapping[str, str] | None = None,
        categorical: Sequence[str] = (),
        exclude: Sequence[str] = (),
    ) -> Profile:
        """Make the profile of reference data.

        Parameters
        ----------
        data
            pandas or polars frame, Arrow table or batch, ``(n, features)`` array, list of dicts, mapping
            of columns, an iterator or Arrow reader that gives these in parts, or the path of a CSV or
            Parquet file (which may be larger than memory).
        cut_points
            At most so many cut points per numeric feature (q). With all distinct values kept D is
            exact, else it is known to ``1 / (q + 1)``.
        feature_names
            Names of an array's columns; of other data, the features to take, in the model's order.
        prediction
            The model's predictions on these rows: a column's name or an array of shape ``(n,)``.
        time
            The rows' times, a column's name or an array: seconds since the epoch, datetimes or ISO
            texts; UTC where no zone is given. The column is no feature. With it the profile states a
            design effect.
        hour_of_day
            Whether to keep the counts of each hour of the day (UTC) too; needs `time`.
        dtypes
            Serving dtype of numeric features, ``{"sqft": "float32"}``, where it is not that of the data.
        categorical
            Features to take as categorical although they hold numbers.
        exclude
            Columns that are no features.

        Raises
        ------
        ProfileError
            The data or an argument cannot make a profile.
        SchemaError
            A column is missing, twice there, or holds what no feature can hold.
        """
        from tidegauge.fit.fitting import FitOptions, fit_profile

        options = FitOptions(
            cut_points=cut_points,
            feature_names=None if feature_names is None else _names("feature_names", feature_names),
            prediction=prediction,
            time=time,
            hour_of_day=hour_of_day,
            dtypes=dict(dtypes or {}),
            categorical=frozenset(_names("categorical", categorical)),
            exclude=frozenset(_names("exclude", exclude)),
        )
        return fit_profile(data, options)

    def count(self, rows: Any, *, prediction: Any = None) -> Counts:
        """Count rows: a frame, an ``(n, features)`` array, a list of dicts or a file.

        Parameters
        ----------
        rows
            As `data` of `fit`. Columns are found by name, those of an array by position.
        prediction
            The model's predictions on these rows, a column's name or an array; without it the column
            `prediction` is taken if there is one.

        Warns
        -----
        UserWarning
            Texts that spell no number, in a column of numbers of which the profile knows no type: they count
            as missing.

        Raises
        ------
        SchemaError
            A feature is not there, a value is not of its feature's type (`coercion`), or the shape
            is another.
        """
        from tidegauge.counting.rows import count_rows

        return count_rows(self, rows, prediction)

    def count_matrix(self, matrix: npt.NDArray[np.floating[Any]]) -> Counts:
        """Count rows as the capture log holds them.

        Parameters
        ----------
        matrix
            Shape ``(n, features)`` or, with the prediction as last column, ``(n, features + 1)``; NaN
            is missing, a category is its code.
        """
        from tidegauge.counting.counts import Accumulator

        accumulator = Accumulator(self)
        accumulator.add(matrix)
        return accumulator.counts()

    # --- documents -------------------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """Return the profile's document; raises `ProfileError` for a shard."""
        return whole_document(self._body(typed=True), self.hash)

    def _body(self, *, typed: bool = False) -> dict[str, Any]:
        if self.share is not None:
            raise ProfileError("a shard has no document: write the whole profile, and take its shard again")
        return profile_body(self.features, self.prediction, self.rows, typed=typed)

    @staticmethod
    def from_dict(document: object) -> Profile:
        """Read a document; raises `ProfileError` naming the place where it breaks a rule."""
        features, prediction, rows, stated = read_document(document)
        profile = Profile(features, prediction, rows)
        if profile.hash != stated:
            rule = f"the contents hash to {profile.hash}: the document was changed, build it again"
            raise ProfileError(rule, argument=found("hash", stated, f"hash is {told(stated)}"))
        return profile

    def to_bytes(self) -> bytes:
        """Return the document as JSON."""
        return encode(self.to_dict())

    @staticmethod
    def from_bytes(data: bytes) -> Profile:
        """Read a JSON document; raises `ProfileError` naming the place where it breaks a rule."""
        return Profile.from_dict(decode(data))

    def save(self, path: str | Path) -> None:
        """Write the document to a file, whole or not at all."""
        unfinished = Path(path).with_name(f".{Path(path).name}.part")
        try:
            unfinished.write_bytes(self.to_bytes())
            unfinished.replace(path)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(path)) from error
        finally:
            unfinished.unlink(missing_ok=True)

    @staticmethod
    def load(path: str | Path) -> Profile:
        """Read a document's file; raises `ProfileError` when it is no profile or was changed."""
        try:
            return Profile.from_bytes(Path(path).read_bytes())
        except ProfileError as error:
            raise error.located(path) from error


def _names(argument: str, names: Sequence[str]) -> tuple[str, ...]:
    """The names; one alone would pass for a list of its letters."""
    if isinstance(names, str):
        raise ProfileError(f"it must be a list of names, such as [{names!r}]", argument=argument, value=names)
    if twice := sorted({name for name in names if list(names).count(name) > 1}):
        raise SchemaError(f"{twice[0]!r} is there twice", argument=Argument(argument), step="name each once")
    return tuple(names)
