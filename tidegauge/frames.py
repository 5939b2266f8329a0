"""Frames, arrays and lists of dicts to columns.

pandas, polars and pyarrow objects are known by the methods they have; none of the three is imported.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from tidegauge.contract import PREDICTION
from tidegauge.errors import SchemaError
from tidegauge.features import CategoricalFeature, Feature, FloatArray, NumericFeature, category_text
from tidegauge.nearest import or_nearest
from tidegauge.profile import Profile

__all__ = [
    "Column",
    "codes_of",
    "epoch_seconds",
    "feature_columns",
    "feature_values",
    "floats_of",
    "kind_of",
    "named_column",
    "read_column",
    "read_columns",
]

Kind: TypeAlias = Literal["numeric", "categorical", "time", "mixed", "nested", "complex", "empty"]
_TIMES: Final = (date, datetime, np.datetime64)
_LAST_SECOND: Final = 253_402_300_799  # of the year 9999
_NESTED: Final = (list, tuple, dict, set, np.ndarray)


@dataclass(frozen=True, slots=True)
class Column:
    """One column as an array; `categorical` is set where the frame itself says so."""

    values: npt.NDArray[Any]
    categorical: bool = False

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, part: slice) -> "Column":
        return Column(self.values[part], self.categorical)


# --- rows to columns ---------------------------------------------------------------------------------------


def read_columns(rows: Any, names: Sequence[str] | None = None) -> dict[str, Column]:
    """Columns by name, all of one length.

    Parameters
    ----------
    rows
        pandas or polars frame, pyarrow table, mapping of columns, list of dicts, or array of shape
        ``(n, len(names))``.
    names
        Names of an array's columns, and of a list's without any dict.

    Raises
    ------
    SchemaError
        Not one of these, a name twice, or columns of different lengths.
    """
    if isinstance(rows, np.ndarray):
        return _array_columns(rows, names)
    if hasattr(rows, "collect") and hasattr(rows, "collect_schema"):
        raise SchemaError("a polars LazyFrame has no rows yet: pass frame.collect()")
    if isinstance(rows, Mapping):
        pairs: Iterable[tuple[Any, Any]] = rows.items()
    elif hasattr(rows, "iloc") and hasattr(rows, "columns"):
        pairs = ((name, rows.iloc[:, i]) for i, name in enumerate(rows.columns))
    elif hasattr(rows, "get_columns"):
        pairs = ((series.name, series) for series in rows.get_columns())
    elif hasattr(rows, "column_names") and hasattr(rows, "itercolumns"):
        pairs = zip(rows.column_names, rows.itercolumns(), strict=True)
    elif isinstance(rows, Sequence) and not isinstance(rows, str | bytes):
        pairs = _record_columns(rows, names or ())
    else:
        raise SchemaError(
            f"rows of type {type(rows).__name__}: they must be a frame, an array of shape (n, features) or a "
            "list of dicts"
        )
    return _checked(pairs)


def _array_columns(array: npt.NDArray[Any], names: Sequence[str] | None) -> dict[str, Column]:
    if array.ndim != 2:
        raise SchemaError(f"an array of shape {array.shape}: it must be (n, features)")
    if names is None:
        raise SchemaError('an array has no names of features: pass feature_names=["...", ...]')
    if len(names) != array.shape[1]:
        raise SchemaError(
            f"an array of shape {array.shape} with {len(names)} feature names: one for each column is needed"
        )
    return _checked((name, array[:, i]) for i, name in enumerate(names))


def _record_columns(records: Sequence[Any], names: Sequence[str]) -> list[tuple[str, npt.NDArray[Any]]]:
    for index, record in enumerate(records):
        if not isinstance(record, Mapping):
            raise SchemaError(f"row {index} is of type {type(record).__name__}: rows in a list must be dicts")
    keys = dict.fromkeys(name for record in records for name in record) if records else names
    return [(key, _object_array([record.get(key) for record in records])) for key in keys]


def _checked(pairs: Iterable[tuple[Any, Any]]) -> dict[str, Column]:
    columns: dict[str, Column] = {}
    for key, values in pairs:
        name = str(key)
        if name in columns:
            raise SchemaError(f"column {name!r} is there twice: rename or drop one")
        columns[name] = read_column(values, name)
    lengths = {len(column) for column in columns.values()}
    if len(lengths) > 1:
        raise SchemaError(f"columns of different lengths {sorted(lengths)}: they must be the same rows")
    return columns


def read_column(values: Any, name: str) -> Column:
    """One column, of whatever holds it; raises `SchemaError` where it is not one value a row."""
    dtype = getattr(values, "dtype", None)
    if isinstance(values, Column):
        return values
    if isinstance(values, np.ndarray):
        array = values
    elif dtype is not None and hasattr(values, "to_numpy"):
        array = _series_values(values, dtype)
    elif hasattr(values, "combine_chunks"):
        return _arrow_column(values)
    elif isinstance(values, Iterable):
        array = _object_array(list(values))
    else:
        raise SchemaError(f"column {name!r} is {values!r}: one value a row is needed")
    if array.ndim != 1:
        raise SchemaError(f"column {name!r} has shape {array.shape}: one value a row is needed")
    return Column(array, str(dtype).lower().startswith(("category", "categorical", "enum")))


def _series_values(series: Any, dtype: Any) -> npt.NDArray[Any]:
    """A pandas or polars series as an array; nulls become NaN, NaT or None."""
    kind = getattr(dtype, "kind", None)
    if isinstance(dtype, np.dtype):
        return np.asarray(series.to_numpy())
    if kind is None:  # polars, which turns short integers with nulls into float32
        array = np.asarray(series.to_numpy())
        return array.astype(np.float64) if dtype.is_integer() else array
    if kind in "iufb" and not str(dtype).startswith("category"):
        wanted = "float32" if getattr(dtype, "itemsize", 8) == 4 and kind == "f" else "float64"
        return np.asarray(series.to_numpy(dtype=wanted, na_value=np.nan))
    if kind == "M":
        return np.asarray(series.to_numpy(dtype="datetime64[ns]"))
    return np.asarray(series.to_numpy(dtype=object))


def _arrow_column(chunks: Any) -> Column:
    kind = str(chunks.type)
    if kind.startswith("dictionary"):
        return Column(
            np.asarray(chunks.cast(chunks.type.value_type).to_numpy(), dtype=object), categorical=True
        )
    if kind.startswith("bool") and not chunks.null_count:
        return Column(np.asarray(chunks.to_numpy(), dtype=bool))
    return Column(np.asarray(chunks.to_numpy()))


def _object_array(values: list[Any]) -> npt.NDArray[Any]:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


# --- what a column is --------------------------------------------------------------------------------------


def kind_of(column: Column) -> Kind:
    """What a column's values are: objects are looked at one by one, missing ones left out."""
    kind = column.values.dtype.kind
    if column.categorical or kind in "US":
        return "categorical"
    if kind in "iufb":
        return "numeric"
    if kind in "mM":
        return "time"
    if kind == "c":
        return "complex"
    types = {type(value) for value in column.values.tolist() if category_text(value) is not None}
    if not types:
        return "empty"
    if any(issubclass(t, _TIMES) for t in types):
        return "time"
    if any(issubclass(t, _NESTED) for t in types):
        return "nested"
    if any(issubclass(t, complex | np.complexfloating) for t in types):
        return "complex"
    numbers = {t for t in types if issubclass(t, int | float | Decimal | np.number | np.bool_)}
    if not numbers:
        return "categorical"
    return "numeric" if numbers == types else "mixed"


def floats_of(column: Column, dtype: str = "float64") -> FloatArray:
    """A column as floats; NaN where a value is missing or no number."""
    values = column.values
    with np.errstate(over="ignore", invalid="ignore"):
        if values.dtype.kind in "iufb":
            return values.astype(dtype)
        if values.dtype.kind in "mM":
            return np.full(values.size, np.nan, dtype)
        numbers = np.fromiter((_float(value) for value in values.tolist()), np.float64, len(values))
        return numbers.astype(dtype)


def _float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:  # a whole number beyond float64
        return math.inf if value > 0 else -math.inf
    except (TypeError, ValueError):
        return math.nan


def codes_of(column: Column, feature: CategoricalFeature) -> npt.NDArray[np.float64]:
    """A column as codes of a categorical feature; see `CategoricalFeature.code`."""
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


def epoch_seconds(column: Column) -> npt.NDArray[np.float64]:
    """Times as seconds since the epoch; UTC where no zone is given.

    Raises
    ------
    SchemaError
        A time is missing or cannot be read.
    """
    values = column.values
    if values.dtype.kind == "M":
        missing = np.isnat(values)
        seconds = values.astype("datetime64[ns]").astype(np.int64) / 1e9
    elif values.dtype.kind in "iuf":
        seconds = values.astype(np.float64)
        missing = ~np.isfinite(seconds)
    else:
        seen: dict[Any, float] = {}
        seconds = np.array([seen[v] if v in seen else seen.setdefault(v, _epoch(v)) for v in values.tolist()])
        missing = np.isnan(seconds)
    if (beyond := ~missing & (np.abs(seconds) > _LAST_SECOND)).any():
        row = int(np.argmax(beyond))
        raise SchemaError(
            f"row {row} has the time {values[row]!r}, after the year 9999: numbers are seconds since 1970; "
            "divide milliseconds by 1,000"
        )
    if missing.any():
        row = int(np.argmax(missing))
        raise SchemaError(
            f"row {row} has the time {values[row]!r}: each needs one, as epoch seconds, datetime or ISO text"
        )
    return np.asarray(seconds, dtype=np.float64)


def _epoch(value: Any) -> float:
    try:
        if isinstance(value, str):
            value = datetime.fromisoformat(value)
        if isinstance(value, date) and not isinstance(value, datetime):
            value = datetime(value.year, value.month, value.day)
        if isinstance(value, datetime):
            return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
        return float(value)
    except (TypeError, ValueError):
        return math.nan


# --- a profile's columns -----------------------------------------------------------------------------------


def feature_columns(profile: Profile, rows: Any, prediction: Any = None) -> list[npt.NDArray[Any]]:
    """Floats and codes of a profile's monitored features, in order; the prediction's only if it is given.

    Raises
    ------
    SchemaError
        A feature has no column, or the shape is another.
    """
    names = [feature.name for feature in profile.features]
    if isinstance(rows, np.ndarray) and rows.ndim == 2 and rows.shape[1] == len(profile.names):
        names = list(profile.names)
    columns = read_columns(rows, names)
    missing = [name for name in names if name not in columns]
    if missing:
        more = f" and {len(missing) - 1} more of the profile's features" if missing[1:] else ""
        raise SchemaError(f"rows have no column {missing[0]}{more}; {or_nearest(missing[0], columns)}")
    taken = [feature_values(columns[feature.name], feature) for feature in profile.features]
    if profile.prediction is not None:
        given = _given_prediction(columns, prediction)
        if given is not None:
            taken.append(feature_values(given, profile.prediction))
            if len({len(values) for values in taken}) > 1:
                raise SchemaError(f"{len(given)} predictions for {len(taken[0])} rows: one a row is needed")
    return taken


def feature_values(column: Column, feature: Feature) -> npt.NDArray[Any]:
    """A column as one feature's floats, in its dtype, or as its codes."""
    if column.values.dtype.kind == "c":
        raise SchemaError(f"feature {feature.name!r} holds complex numbers: one real number a row is needed")
    if isinstance(feature, NumericFeature):
        return floats_of(column, feature.dtype)
    return codes_of(column, feature)


def _given_prediction(columns: dict[str, Column], prediction: Any) -> Column | None:
    if prediction is None:
        return columns.get(PREDICTION)
    return named_column(columns, prediction, "prediction")


def named_column(columns: dict[str, Column], given: Any, what: str) -> Column:
    """A column given by its name or as an array; raises `SchemaError` for a name that is not there."""
    if not isinstance(given, str):
        return read_column(given, what)
    if given not in columns:
        raise SchemaError(f"{what}={given!r}: no such column; {or_nearest(given, columns)}")
    return columns[given]
