"""Frames, arrays and lists of dicts to columns.

pandas, polars and pyarrow objects are known by the methods they have; none of the three is imported.
"""

import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tidegauge.data.columns import Column, feature_values, require_taken, unread
from tidegauge.errors import SchemaError, TidegaugeWarning
from tidegauge.nearest import or_nearest
from tidegauge.profile.features import Feature, NumericFeature
from tidegauge.profile.profile import Profile
from tidegauge.protocol.names import PREDICTION
from tidegauge.telling import NOT_GIVEN, Argument, found, told

__all__ = ["RowReader", "named_column", "not_one_a_row", "read_column", "read_columns", "stream_of", "twice"]

_RECORDS_AT_ONCE: Final = 65_536
_EXACT: Final = 2**53  # up to here float64 holds every whole number
_RECORDS: Final = (
    "in a list each row must name its values, {'x': 1, 'y': 2}; of rows without names make an array, "
    "numpy.array(rows), and pass feature_names"
)

# --- rows to columns ---------------------------------------------------------------------------------------


def read_columns(rows: Any, names: Sequence[str] | None = None) -> dict[str, Column]:
    """Return columns by name, all of one length.

    Parameters
    ----------
    rows
        pandas or polars frame, Arrow table or batch, mapping of columns, list of dicts, array of shape
        ``(n, len(names))``, or a stream of frames and batches, which is read to its end.
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
        said = found("rows", rows, "a polars LazyFrame has no rows yet")
        raise SchemaError("pass frame.collect()", argument=said)
    if (parts := stream_of(rows)) is not None:
        return _joined([read_columns(part) for part in parts])
    if isinstance(rows, Mapping):
        pairs: Iterable[tuple[Any, Any]] = rows.items()
    elif hasattr(rows, "iloc") and hasattr(rows, "columns"):
        pairs = _pandas_columns(rows)
    elif hasattr(rows, "get_columns"):
        pairs = ((series.name, series) for series in rows.get_columns())
    elif hasattr(rows, "column_names") and hasattr(rows, "itercolumns"):
        pairs = zip(rows.column_names, rows.itercolumns(), strict=True)
    elif isinstance(rows, Sequence) and not isinstance(rows, str | bytes):
        pairs = _record_columns(rows, names or ())
    else:
        raise SchemaError(
            "they must be a frame, an array of shape (n, features), a list of dicts "
            "or the path of a CSV or Parquet file",
            argument=found("rows", rows, f"rows are {told(rows)}"),
        )
    return _checked(pairs)


def stream_of(rows: Any) -> Iterator[Any] | None:
    """Yield the parts of rows that come in parts; None for rows that are whole.

    Parts are frames, Arrow batches or, of an iterator that gives dicts, lists of these.
    """
    if _is_frame(rows) or isinstance(rows, np.ndarray | Mapping | str | bytes):
        return None
    if hasattr(rows, "__arrow_c_stream__") or hasattr(rows, "to_batches"):
        return _arrow_batches(rows)
    if isinstance(rows, Sequence):
        return iter(rows) if len(rows) and _is_frame(rows[0]) else None
    return _parts(rows) if isinstance(rows, Iterator) else None


def _arrow_batches(rows: Any) -> Iterator[Any]:
    """Batches of a reader or a data set of pyarrow, a relation of DuckDB and what else streams Arrow."""
    if hasattr(rows, "__arrow_c_stream__"):
        from pyarrow import RecordBatchReader

        yield from RecordBatchReader.from_stream(rows)
    else:
        yield from rows.to_batches()


def _is_frame(rows: Any) -> bool:
    return any(hasattr(rows, name) for name in ("iloc", "get_columns", "itercolumns"))


def _parts(rows: Iterator[Any]) -> Iterator[Any]:
    records: list[Any] = []
    for row in rows:
        if _is_frame(row):
            yield row
            continue
        records.append(row)
        if len(records) == _RECORDS_AT_ONCE:
            yield records
            records = []
    if records:
        yield records


def _joined(parts: Sequence[dict[str, Column]]) -> dict[str, Column]:
    """Parts one after the other; all must have the same columns."""
    if not parts:
        return {}
    for part in parts:
        if part.keys() != parts[0].keys():
            names = [", ".join(map(repr, each)) for each in (part, parts[0])]
            raise SchemaError(
                f"a part of the rows has the columns {names[0]}; the first part has {names[1]}: "
                "all parts must have the same columns"
            )
    return {name: _chained([part[name] for part in parts]) for name in parts[0]}


def _chained(columns: Sequence[Column]) -> Column:
    kinds = {column.values.dtype.kind for column in columns}
    mixed = len(kinds) > 1 and not kinds <= set("iuf")  # a truth value is no 1 where it is a category
    mixed |= len(kinds) > 1 and not all(_floats_hold(column.values) for column in columns)
    values = [column.values.astype(object) if mixed else column.values for column in columns]
    return Column(np.concatenate(values), any(column.categorical for column in columns), columns[0].index)


def _pandas_columns(frame: Any) -> Iterator[tuple[Any, Any]]:
    yield from ((name, frame.iloc[:, i]) for i, name in enumerate(frame.columns))
    for name in frame.index.names:
        if isinstance(name, str) and name and name not in frame.columns:
            level = read_column(frame.index.get_level_values(name).to_series(), name)
            yield name, replace(level, index=True)


def _array_columns(array: npt.NDArray[Any], names: Sequence[str] | None) -> dict[str, Column]:
    if array.ndim != 2:
        said = found("rows", array.shape, f"an array of shape {array.shape}")
        raise SchemaError("it must be (n, features)", argument=said)
    if names is None:
        raise SchemaError(
            "an array has no names of features",
            step=("pass ", Argument("feature_names", ["sqft", "age"]), ", one for each column"),
        )
    if len(names) != array.shape[1]:
        words = f"an array of shape {array.shape} with {len(names)} feature names"
        raise SchemaError("one for each column is needed", argument=found("feature_names", names, words))
    return _checked((name, array[:, i]) for i, name in enumerate(names))


def _record_columns(records: Sequence[Any], names: Sequence[str]) -> list[tuple[str, npt.NDArray[Any]]]:
    for index, record in enumerate(records):
        if not isinstance(record, Mapping):
            said = found("rows", record, f"row {index} is {told(record)}", str(index))
            raise SchemaError(_RECORDS, argument=said)
    keys = dict.fromkeys(name for record in records for name in record) if records else names
    return [(key, _object_array([record.get(key) for record in records])) for key in keys]


def _checked(pairs: Iterable[tuple[Any, Any]]) -> dict[str, Column]:
    columns: dict[str, Column] = {}
    for key, values in pairs:
        name = str(key)
        if name in columns:
            raise twice(name)
        columns[name] = read_column(values, name)
    _require_one_length(columns)
    return columns


def twice(name: str) -> SchemaError:
    """Return the error of a column that is there twice."""
    said = found("rows", name, f"column {name!r} is there twice", name)
    return SchemaError("rename or drop one", argument=said)


def _require_one_length(columns: Mapping[str, Column]) -> None:
    first = next(iter(columns), "")
    for name, column in columns.items():
        if len(column) != len(columns[first]):
            words = f"column {name!r} has length {len(column)}, column {first!r} has {len(columns[first])}"
            said = found("rows", len(column), words, name)
            raise SchemaError("all columns must be of the same rows", argument=said)


def read_column(values: Any, name: str) -> Column:
    """Return one column, of whatever holds it; raises `SchemaError` where it is not one value a row."""
    dtype = getattr(values, "dtype", None)
    if isinstance(values, Column):
        return values
    if isinstance(values, np.ma.MaskedArray):
        array = _filled(values)
    elif isinstance(values, np.ndarray):
        array = values
    elif dtype is not None and hasattr(values, "to_numpy"):
        array = _series_values(values, dtype)
    elif hasattr(values, "type") and hasattr(values, "null_count"):
        return _arrow_column(values)
    elif isinstance(values, Iterable):
        array = _object_array(list(values))
    else:
        raise _no_column(name, values, f"column {name!r} is {told(values)}")
    if array.ndim != 1:
        raise _no_column(name, array.shape, f"column {name!r} has shape {array.shape}")
    return Column(array, str(dtype).lower().startswith(("category", "categorical", "enum")))


def _no_column(name: str, value: object, words: str) -> SchemaError:
    return SchemaError("one value a row is needed", argument=found("rows", value, words, name))


def _filled(values: Any) -> npt.NDArray[Any]:
    """A masked array with its masked values missing."""
    if values.dtype.kind == "M":
        return np.asarray(values.filled(np.datetime64("NaT")))
    if values.dtype.kind in "iu":
        return _whole_numbers(values.filled(0), np.ma.getmaskarray(values))
    if values.dtype.kind == "f":
        return np.asarray(values.astype(np.promote_types(values.dtype, np.float32)).filled(np.nan))
    array = values.data.astype(object)
    array[np.ma.getmaskarray(values)] = None
    return np.asarray(array)


def _whole_numbers(numbers: npt.NDArray[Any], missing: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
    """Whole numbers with gaps: as floats where these are exact, else as objects with None."""
    if not missing.any():
        return numbers
    if _floats_hold(numbers):
        floats = numbers.astype(np.float64)
        floats[missing] = np.nan
        return floats
    objects = numbers.astype(object)
    objects[missing] = None
    return objects


def _floats_hold(numbers: npt.NDArray[Any]) -> bool:
    """Whether no number loses digits as a float64."""
    if numbers.dtype.kind not in "iu" or not numbers.size:
        return True
    return int(numbers.min()) >= -_EXACT and int(numbers.max()) <= _EXACT


def _series_values(series: Any, dtype: Any) -> npt.NDArray[Any]:
    """A pandas or polars series as an array; nulls become NaN, NaT or None."""
    if isinstance(dtype, np.dtype):
        return np.asarray(series.to_numpy())
    if not hasattr(dtype, "kind"):
        return _polars_values(series, dtype)
    kind = dtype.kind
    if str(dtype).startswith("category"):  # to_numpy makes floats of whole numbers with gaps
        return np.asarray(series.astype(object).to_numpy())
    if kind == "b":
        return np.asarray(
            series.to_numpy(dtype=object, na_value=None) if series.hasnans else series.to_numpy(dtype=bool)
        )
    if kind in "iu":
        whole = "int64" if kind == "i" else "uint64"
        return _whole_numbers(series.to_numpy(dtype=whole, na_value=0), series.isna().to_numpy())
    if kind == "f":
        wanted = "float32" if getattr(dtype, "itemsize", 8) == 4 else "float64"
        return np.asarray(series.to_numpy(dtype=wanted, na_value=np.nan))
    if kind == "M":
        return np.asarray(series.to_numpy(dtype="datetime64[us]"))
    return np.asarray(series.to_numpy(dtype=object))


def _polars_values(series: Any, dtype: Any) -> npt.NDArray[Any]:
    if "128" in str(dtype) or dtype.is_decimal() or dtype.is_nested():  # NumPy has no such values
        return _object_array(series.to_list())
    if dtype.is_integer():
        return _whole_numbers(series.fill_null(0).to_numpy(), series.is_null().to_numpy())
    return np.asarray(series.to_numpy())


def _arrow_column(values: Any) -> Column:
    """An array of pyarrow, whole or in chunks."""
    kind = str(values.type)
    if kind.startswith("dictionary"):
        plain = _arrow_column(values.cast(values.type.value_type))
        return replace(plain, values=np.asarray(plain.values, dtype=object), categorical=True)
    if values.null_count and kind.startswith(("int", "uint")):
        numbers = values.fill_null(0).to_numpy(zero_copy_only=False)
        return Column(_whole_numbers(numbers, values.is_null().to_numpy(zero_copy_only=False)))
    array = np.asarray(values.to_numpy(zero_copy_only=False))
    return Column(array.astype(bool) if kind.startswith("bool") and not values.null_count else array)


def _object_array(values: list[Any]) -> npt.NDArray[Any]:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


# --- a profile's columns -----------------------------------------------------------------------------------


class RowReader:
    """Reads rows as a profile's cells are counted from, part by part: one way for counting and replay.

    Parameters
    ----------
    profile, prediction
        As `Profile.count` takes them.

    Attributes
    ----------
    rows
        Rows read so far.
    """

    def __init__(self, profile: Profile, prediction: Any = None) -> None:
        self.rows = 0
        self._profile, self._prediction = profile, prediction
        self._unread: Counter[str] = Counter()

    def read(self, rows: Any) -> list[npt.NDArray[Any]]:
        """Return floats and codes of the monitored features, in order; the prediction's only if it is given.

        Raises
        ------
        SchemaError
            A feature has no column, a value is not of its feature's type, or the shape is another.
        """
        profile = self._profile
        columns = read_columns(rows, self.names_of(rows))
        _require_features(profile, columns)
        taken = [self._taken(columns[feature.name], feature) for feature in profile.features]
        given = _given_prediction(columns, self._prediction) if profile.prediction is not None else None
        if given is not None and profile.prediction is not None:
            taken.append(self._taken(given, profile.prediction))
            if len({len(values) for values in taken}) > 1:
                words = f"{len(given)} predictions for {len(taken[0])} rows"
                said = found("prediction", len(given), words)
                raise SchemaError("one a row is needed", argument=said)
        self.rows += len(taken[0])
        return taken

    def names_of(self, rows: Any) -> tuple[str, ...]:
        """Return names of an array's columns: the features, and the prediction if it has one more."""
        profile = self._profile
        if isinstance(rows, np.ndarray) and rows.ndim == 2 and rows.shape[1] == len(profile.names):
            return profile.names
        return tuple(feature.name for feature in profile.features)

    def _taken(self, column: Column, feature: Feature) -> npt.NDArray[Any]:
        values = feature_values(column, feature)
        require_taken(column, feature, self.rows)
        if isinstance(feature, NumericFeature):
            self._unread[feature.name] += unread(column, values)
        return values

    def warn(self) -> None:
        """Warn of values that were read as missing, where the profile knows no type to refuse them by."""
        for name, values in (+self._unread).items():
            what = "1 value that is no number" if values == 1 else f"{values} values that are no numbers"
            warning = TidegaugeWarning(
                "counted as missing",
                argument=found("rows", values, f"column {name!r} holds {what}", name),
                step="write numbers, or leave the values out",
            )
            warnings.warn(warning, stacklevel=4)


def _require_features(profile: Profile, columns: Mapping[str, Column]) -> None:
    missing = [feature.name for feature in profile.features if feature.name not in columns]
    if missing:
        more = f" and {len(missing) - 1} more" if missing[1:] else ""
        said = found("rows", NOT_GIVEN, f"rows have no column {missing[0]}{more}", missing[0])
        near = or_nearest(missing[0], columns)
        raise SchemaError("each feature of the profile needs its column", argument=said, step=near)


def _given_prediction(columns: dict[str, Column], prediction: Any) -> Column | None:
    if prediction is None:
        return columns.get(PREDICTION)
    return named_column(columns, prediction, "prediction")


def not_one_a_row(name: str, values: int, rows: int) -> SchemaError:
    """Return the error of a column with more or fewer values than rows."""
    said = found(name, values, f"{name} has {values} values for {rows} rows")
    return SchemaError("one a row is needed", argument=said)


def named_column(columns: dict[str, Column], given: Any, what: str) -> Column:
    """Return a column given by its name or as an array; raises `SchemaError` for a name that is not there."""
    if not isinstance(given, str):
        return read_column(given, what)
    if given not in columns:
        raise SchemaError("no such column", argument=what, value=given, step=or_nearest(given, columns))
    return columns[given]
