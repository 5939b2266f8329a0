"""A column of values: what it holds, its numbers, its codes."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import date, time, timedelta
from decimal import Decimal
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from tidegauge.arrays import AnyFloatArray
from tidegauge.errors import SchemaError
from tidegauge.profile.features import CategoricalFeature, Feature, NumericFeature, category_text
from tidegauge.protocol.coercion import takes, wanted
from tidegauge.telling import NOT_GIVEN, found

__all__ = [
    "UNFIT",
    "Column",
    "Kind",
    "Unfit",
    "codes_of",
    "feature_values",
    "floats_of",
    "kind_of",
    "require_taken",
    "text_number",
    "unread",
    "value_types",
]

Unfit: TypeAlias = Literal["time", "duration", "clock", "period", "bytes", "nested", "complex", "object"]
Kind: TypeAlias = Literal["numeric", "categorical", "mixed", "empty"] | Unfit
# Kinds that no feature holds: what they are called, and what makes a feature of them.
UNFIT: Final[Mapping[Kind, tuple[str, str]]] = {
    "time": ("times", "make numbers of them, such as the hour or the age in days"),
    "duration": ("durations", "make numbers of one unit of them, such as .dt.total_seconds()"),
    "clock": ("times of day", "make numbers of them, such as hours, or texts"),
    "period": ("periods", "make texts of them, .astype(str)"),
    "bytes": ("bytes", "make texts of them, .str.decode('utf-8')"),
    "nested": ("lists or the like", "give each row one number or text"),
    "complex": ("complex numbers", "pass real and imaginary part as two columns"),
    "object": ("objects that have no text of their own", "make numbers or texts of them"),
}
_OF_DTYPE: Final[Mapping[str, Unfit]] = {
    "M": "time",
    "m": "duration",
    "c": "complex",
    "S": "bytes",
    "V": "nested",
}
_TRUTH: Final = {"true": 1.0, "True": 1.0, "TRUE": 1.0, "false": 0.0, "False": 0.0, "FALSE": 0.0}


_UNFIT_TYPES: Final[tuple[tuple[Unfit, tuple[type, ...]], ...]] = (
    ("time", (date, np.datetime64)),
    ("duration", (timedelta, np.timedelta64)),
    ("clock", (time,)),
    ("bytes", (bytes, bytearray, memoryview)),
    ("nested", (list, tuple, dict, set, frozenset, np.ndarray)),
    ("complex", (complex, np.complexfloating)),
)


@dataclass(frozen=True, slots=True)
class Column:
    """One column as an array.

    Parameters
    ----------
    values
        Shape ``(n,)``.
    categorical
        Whether the frame itself says that these are categories.
    index
        Whether it is a frame's index, which is a feature only if it is named as one.
    """

    values: npt.NDArray[Any]
    categorical: bool = False
    index: bool = False

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, part: slice) -> "Column":
        return replace(self, values=self.values[part])


def kind_of(column: Column) -> Kind:
    """Return what a column's values are: objects are looked at one by one, missing ones left out."""
    kind = column.values.dtype.kind
    if kind in _OF_DTYPE:
        return _OF_DTYPE[kind]
    if kind in "iufb":
        return "categorical" if column.categorical else "numeric"
    if kind == "U":
        return "categorical"
    types = _types_of(column)
    if unfit := _unfit_kind(types):
        return unfit
    if column.categorical:
        return "categorical"
    if not types:
        return "empty"
    numbers = {t for t in types if issubclass(t, int | float | Decimal | np.number | np.bool_)}
    if not numbers:
        return "categorical"
    return "numeric" if numbers == types else "mixed"


def _types_of(column: Column) -> set[type]:
    """Types of the values that are not missing."""
    values = column.values.tolist()
    types = set(map(type, values))
    return {t for t in types if not _may_be_missing(t) or any(_is_present(t, value) for value in values)}


_PLAIN: Final[tuple[tuple[type, tuple[type, ...]], ...]] = (
    (bool, (bool, np.bool_)),
    (int, (int, np.integer)),
    (float, (float, np.floating, Decimal)),
    (str, (str,)),
)


def value_types(column: Column) -> set[type]:
    """Return the Python types of a column's values, NumPy's as the plain ones; missing values have none."""
    if column.values.dtype.kind == "O":
        return {_plain(kind) for kind in _types_of(column)}
    return {_plain(column.values.dtype.type)} if len(column) else set()


def _plain(kind: type) -> type:
    return next((plain for plain, kinds in _PLAIN if issubclass(kind, kinds)), kind)


def _may_be_missing(kind: type) -> bool:
    by_value = issubclass(kind, float | np.floating | Decimal)
    return by_value or kind.__name__ in ("NoneType", "NAType", "NaTType")


def _is_present(kind: type, value: object) -> bool:
    return type(value) is kind and category_text(value) is not None


def _unfit_kind(types: Collection[type]) -> Unfit | None:
    for kind, unfit in _UNFIT_TYPES:
        if any(issubclass(t, unfit) for t in types):
            return kind
    if any(t.__name__ == "Period" for t in types):
        return "period"
    return "object" if any(map(_has_no_text, types)) else None


def _has_no_text(kind: type) -> bool:
    """Whether the text of such a value is its place in memory."""
    return all(getattr(kind, name) is getattr(object, name) for name in ("__str__", "__repr__"))


def floats_of(column: Column, dtype: str = "float64") -> AnyFloatArray:
    """Return a column as floats; NaN where a value is missing or no number."""
    values = column.values
    with np.errstate(over="ignore", invalid="ignore"):
        if values.dtype.kind in "iufb":
            return values.astype(dtype)
        numbers = np.fromiter((_float(value) for value in values.tolist()), np.float64, len(values))
        return numbers.astype(dtype)


def _float(value: Any) -> float:
    try:
        if isinstance(value, str):
            return text_number(value)
        return float(value)
    except OverflowError:  # a whole number beyond float64
        return math.inf if value > 0 else -math.inf
    except (TypeError, ValueError):
        return math.nan


def text_number(text: str) -> float:
    """Return the number that a CSV file's field of this text would be, else NaN.

    Python also takes ``1_000``.
    """
    if text in _TRUTH:
        return _TRUTH[text]
    try:
        return float(text) if text.isascii() and "_" not in text else math.nan
    except ValueError:
        return math.nan


def unread(column: Column, numbers: AnyFloatArray) -> int:
    """Return how many of a column's values are neither missing nor numbers.

    `numbers` is what `floats_of` gave.
    """
    if column.values.dtype.kind in "iufb":
        return 0
    lost = column.values[np.isnan(numbers)].tolist()
    return sum(category_text(value) is not None and value == value for value in lost)


def codes_of(column: Column, feature: CategoricalFeature) -> npt.NDArray[np.float64]:
    """Return a column as codes of a categorical feature; see `CategoricalFeature.code`."""
    values = column.values
    if values.dtype.kind in "iufb":
        distinct, inverse = np.unique(values, return_inverse=True)
        return np.array([feature.code(value) for value in distinct], dtype=np.float64)[inverse]
    known: dict[str, float] = {text: float(code) for text, code in feature.codes.items()}
    items = values.tolist()
    return np.fromiter(
        (known[v] if type(v) is str and v in known else feature.code(v) for v in items),
        np.float64,
        len(items),
    )


def feature_values(column: Column, feature: Feature) -> npt.NDArray[Any]:
    """Return a column as one feature's floats, in its dtype, or as its codes."""
    if (kind := _unfit_column(column)) is not None:
        holds, advice = UNFIT[kind]
        said = found("rows", NOT_GIVEN, f"feature {feature.name!r} holds {holds}", feature.name)
        raise SchemaError(advice, argument=said)
    if isinstance(feature, NumericFeature):
        return floats_of(column, feature.dtype)
    return codes_of(column, feature)


def require_taken(column: Column, feature: Feature, first_row: int = 0) -> None:
    """Raise `SchemaError` for a value that a numeric feature of a known type does not take.

    Parameters
    ----------
    column, feature
        The values, and what they must be.
    first_row
        How many rows were before them, for the message.
    """
    if feature.type is None or not isinstance(feature, NumericFeature):
        return
    refused = {kind for kind in value_types(column) if not takes(feature.type, kind)}
    if not refused:
        return
    values = enumerate(column.values.tolist(), first_row)
    row, value = next((row, v) for row, v in values if _plain(type(v)) in refused and _is_present(type(v), v))
    is_bool = _plain(type(value)) is bool
    raise SchemaError(
        f"it must be {wanted(feature.type)}{', which it was in training' if is_bool else ''}",
        argument=found(
            "rows", value, f"feature {feature.name!r} of row {row} is {_told(value)}", feature.name
        ),
        step="write 1 or 0" if is_bool else "write one, or leave the value out where it is missing",
    )


def _told(value: object) -> str:
    if _plain(type(value)) is bool:
        return "a truth value"
    text = str(value)
    return f"{'the text ' if isinstance(value, str) else ''}{text[:100]!r}{'...' if len(text) > 100 else ''}"


def _unfit_column(column: Column) -> Unfit | None:
    kind = column.values.dtype.kind
    return _unfit_kind(_types_of(column)) if kind == "O" else _OF_DTYPE.get(kind)
