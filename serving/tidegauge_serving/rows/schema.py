"""The rows a model takes: decoders made once from the profile, and blocks of decoded rows.

Names and types are checked by msgspec while it decodes; only a request that fails is looked at again, by
`tidegauge_serving.rows.diagnostics`, to say which field broke which rule.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

from tidegauge.data.values import labels_by_text, texts_of
from tidegauge.profile.profile import CategoricalFeature, Feature, NumericFeature
from tidegauge.protocol.bundle import Feature as Column
from tidegauge.protocol.coercion import ColumnType, takes
from tidegauge_serving.rows.chunking import first_of
from tidegauge_serving.rows.named_rows import NamedRows
from tidegauge_serving.rows.refusal import Refusal

__all__ = ["FLOAT32_MAX", "Block", "RowSchema", "Value"]

FLOAT32_MAX: Final = float(np.finfo(np.float32).max)
_NAN: Final = float("nan")
Value: TypeAlias = float | str | bool | None
_Decode: TypeAlias = Callable[[bytes | msgspec.Raw], Any]
_Read: TypeAlias = Callable[[Sequence[Any]], tuple[Sequence[Value], list[float]]]
astuple = msgspec.structs.astuple


@dataclass(frozen=True, slots=True)
class Block:
    """Rows of one request, or of several that are predicted together.

    Parameters
    ----------
    values
        Shape ``(n, features)``, as the log holds them: NaN is missing, a category is its code.
    texts
        The categorical features' labels, by position: texts, or what a category column held in training.
    """

    values: npt.NDArray[np.float64]
    texts: Mapping[int, Sequence[Value]]

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, rows: slice) -> "Block":
        return Block(self.values[rows], {at: column[rows] for at, column in self.texts.items()})

    @staticmethod
    def join(blocks: Sequence["Block"]) -> "Block":
        """Return the rows of several blocks in their order."""
        if len(blocks) == 1:
            return blocks[0]
        texts = {at: [v for block in blocks for v in block.texts[at]] for at in blocks[0].texts}
        return Block(np.concatenate([block.values for block in blocks]), texts)


class RowSchema:
    """What one row must be.

    Parameters
    ----------
    features
        The profile's features, in the model's order.
    columns
        The manifest's features, in the same order: they say what values are taken.
    accepts_missing
        For each feature, whether the model predicts without it.

    Attributes
    ----------
    row_type
        What msgspec decodes one row from, a list of values in the model's order.
    """

    def __init__(
        self, features: Sequence[Feature], columns: Sequence[Column], accepts_missing: Sequence[bool]
    ) -> None:
        self.features = tuple(features)
        self.types = tuple(column.type for column in columns)
        self.names = tuple(feature.name for feature in features)
        self.accepts_missing = tuple(accepts_missing)
        self.categorical: dict[int, _Read] = {
            at: _category_reader(feature, column)
            for at, (feature, column) in enumerate(zip(features, columns, strict=True))
            if isinstance(feature, CategoricalFeature)
        }
        self._needed = ~np.array(self.accepts_missing)
        self._largest = np.array([_largest(feature) for feature in features])
        types = [_value_type(*each) for each in zip(features, self.types, accepts_missing, strict=True)]
        fields = [(f"f{at}", kind) for at, kind in enumerate(types)]
        self.row_type = listed = msgspec.defstruct(
            "Row", fields, array_like=True, forbid_unknown_fields=True, gc=False
        )
        self._named = NamedRows(self.names, listed)
        alone: Any = tuple[listed]  # type: ignore[valid-type]
        only = msgspec.defstruct("V1", [("instances", alone)], forbid_unknown_fields=True, gc=False)
        self._listed_only: _Decode = msgspec.json.Decoder(only).decode
        self._listed_rows: _Decode = msgspec.json.Decoder(list[listed]).decode  # type: ignore[valid-type]

    def decode_row(self, body: bytes) -> tuple[Value, ...]:
        """Return values of ``{"features": {...}}`` in the model's order; raises `msgspec.MsgspecError`."""
        return self._named.decode_one(body)

    def decode_only_row(self, body: bytes) -> tuple[Value, ...] | None:
        """Return the values of ``{"instances": [ROW]}``; None for a body that is anything else."""
        try:
            if first_of(body[body.find(b"[") :][:64]) == b"{":
                return self._named.decode_only(body)
            values: tuple[Value, ...] = astuple(self._listed_only(body).instances[0])
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None
        return values

    def decode_rows(self, instances: bytes | msgspec.Raw) -> list[tuple[Value, ...]]:
        """Return the rows of a list of objects or of lists; raises `msgspec.MsgspecError`."""
        if first_of(instances) == b"{":
            return self._named.decode_many(instances)
        return [astuple(row) for row in self._listed_rows(instances)]

    def block(self, rows: Sequence[tuple[Value, ...]]) -> Block:
        """Return decoded rows as a block."""
        if not self.categorical:
            return Block(np.array(rows, dtype=np.float64), {})
        return self.block_of_columns(list(zip(*rows, strict=True)))

    def block_of_columns(self, columns: Sequence[Any]) -> Block:
        """Return decoded columns as a block."""
        values = np.empty((len(columns[0]), len(columns)))
        texts: dict[int, Sequence[Value]] = {}
        for at, column in enumerate(columns):
            read = self.categorical.get(at)
            if read is None:
                values[:, at] = np.asarray(column, dtype=np.float64)
            else:
                texts[at], values[:, at] = read(column)
        return Block(values, texts)

    def check_values(self, block: Block) -> None:
        """Refuse infinities, values too large for their dtype and missing ones that the model does not take.

        For blocks that were not decoded by this schema's own decoders.
        """
        values = block.values
        if self._needed.any():
            self._check_missing(values)
        outside = np.abs(values) > self._largest
        if outside.any():
            row, at = (int(index) for index in np.argwhere(outside)[0])
            raise Refusal(
                "not_finite" if np.isinf(values[row, at]) else "out_of_range",
                f"feature {self.names[at]!r} of row {row} is {values[row, at]}: "
                f"it must be a finite number up to {self._largest[at]:.4g}",
            )

    def _check_missing(self, values: npt.NDArray[np.float64]) -> None:
        missing = np.isnan(values) & self._needed
        if missing.any():
            row, at = (int(index) for index in np.argwhere(missing)[0])
            raise missing_value(self.names[at], f" of row {row}")


def missing_value(name: str, where: str = "") -> Refusal:
    """Return the refusal of a missing value where the model takes none."""
    return Refusal(
        "missing_value", f"feature {name!r}{where} is missing: this model takes no missing value there"
    )


def _largest(feature: Feature) -> float:
    narrow = isinstance(feature, NumericFeature) and feature.dtype == "float32"
    return FLOAT32_MAX if narrow else float(np.finfo(np.float64).max)


def _category_reader(feature: CategoricalFeature, column: Column) -> _Read:
    """From a column's values to its labels and to the codes that the log holds."""
    labels = labels_by_text(column.categories)
    codes, other = feature.codes, float(len(feature.categories))

    def read(values: Sequence[Any]) -> tuple[Sequence[Value], list[float]]:
        texts = texts_of(values)
        found = [_NAN if text is None else codes.get(text, other) for text in texts]
        return [labels.get(text, text) for text in texts] if labels else texts, found

    return read


def _value_type(feature: Feature, column: ColumnType, accepts_missing: bool) -> Any:
    if isinstance(feature, CategoricalFeature):
        return str | bool | int | float | None if accepts_missing else str | bool | int | float
    kind: Any = float
    if feature.dtype == "float32":
        kind = Annotated[float, msgspec.Meta(ge=-FLOAT32_MAX, le=FLOAT32_MAX)]
    if takes(column, bool):
        kind = kind | bool
    return kind | None if accepts_missing else kind
