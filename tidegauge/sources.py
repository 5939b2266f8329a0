"""CSV and Parquet files, larger than memory too, as chunks of columns. Only here pyarrow is imported."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np

from tidegauge.errors import ProfileError, SchemaError
from tidegauge.features import CategoricalFeature, category_text
from tidegauge.frames import Column, read_columns
from tidegauge.profile import Profile

__all__ = ["CHUNK_ROWS", "categories_of", "chunks_of", "is_csv", "is_path"]

CHUNK_ROWS: Final = 65_536
_CSV_BLOCK_BYTES: Final = 1 << 20  # pyarrow reads about two dozen ahead
_CSV: Final = (".csv", ".csv.gz", ".csv.bz2", ".csv.zst")
_PARQUET: Final = (".parquet", ".pq")
_COLUMN_NUMBER: Final = re.compile(r"CSV column #(\d+)")
_FRACTION: Final = re.compile(r"-?(0|[1-9]\d*)\.\d+")
_OTHER_SEPARATOR: Final = re.compile(r"[;\t|]")
_PANDAS_INDEX: Final = re.compile(r"__index_level_\d+__")

Categories = Mapping[str, Collection[str]]


def is_path(data: Any) -> bool:
    """Whether `data` names a file."""
    return isinstance(data, str | Path)


def is_csv(data: Any) -> bool:
    """Whether `data` names a CSV file, whose columns have no types of their own."""
    return is_path(data) and Path(data).name.lower().endswith(_CSV)


def categories_of(profile: Profile, prediction: str | None = None) -> dict[str, Collection[str]]:
    """The categories that a profile knows, by column; `prediction` is the name of that column."""
    found: dict[str, Collection[str]] = {
        feature.name: feature.codes
        for feature in profile.monitored
        if isinstance(feature, CategoricalFeature)
    }
    if prediction is not None and isinstance(profile.prediction, CategoricalFeature):
        found[prediction] = profile.prediction.codes
    return found


def chunks_of(path: str | Path, categories: Categories | None = None) -> Iterator[dict[str, Column]]:
    """A file's rows in order, as chunks of columns; every call reads the file anew.

    A file without rows gives at most chunks of length 0. In CSV, empty fields and the usual marks (``NA``,
    ``NaN``, ``null``) are missing; a column that holds numbers and other texts is a column of texts. The
    index that pandas leaves in Parquet files is no column.

    Parameters
    ----------
    path
        The file.
    categories
        Columns of a CSV file that hold categories, whatever they look like (``07030``, ``12:30``), each with
        those that are known already.

    Raises
    ------
    ProfileError
        Neither CSV nor Parquet, or damaged; or pyarrow is not installed.
    SchemaError
        A column's name is there twice.
    OSError
        The file cannot be opened.
    """
    name = Path(path).name.lower()
    if find_spec("pyarrow") is None:
        raise ProfileError(f"{path}: files are read with pyarrow: in a checkout pip install '.[cli]'")
    if is_csv(path):
        return _categorised(_read(path, _csv_batches(str(path), categories or {})), categories or {})
    if name.endswith(_PARQUET):
        return _read(path, _parquet_batches(str(path)))
    raise ProfileError(f"{path}: its name must end with one of {', '.join(_CSV + _PARQUET)}")


def _categorised(chunks: Iterator[dict[str, Column]], categories: Categories) -> Iterator[dict[str, Column]]:
    for chunk in chunks:
        for name in categories.keys() & chunk.keys():
            chunk[name] = _category_column(chunk[name], categories[name])
        yield chunk


def _category_column(column: Column, known: Collection[str]) -> Column:
    texts = {text: _category(text, known) for text in set(column.values.tolist())}
    values = np.empty(len(column), dtype=object)
    values[:] = [texts[text] for text in column.values.tolist()]
    return Column(values, categorical=True)


def _category(text: str | None, known: Collection[str]) -> str | None:
    """The category that a field of a CSV file stands for: its text, or that of the number or truth value."""
    if text is None or text in known:
        return text
    if text.lower() in ("true", "false"):
        return text.capitalize()
    return category_text(float(text)) if _FRACTION.fullmatch(text) else text


def _read(path: str | Path, batches: Iterator[Any]) -> Iterator[dict[str, Column]]:
    from pyarrow import ArrowException, Table

    try:
        for batch in batches:
            yield read_columns(Table.from_batches([batch]))
    except (SchemaError, OSError):
        raise
    except (ArrowException, ValueError) as error:
        raise ProfileError(f"{path} cannot be read: {error}") from error


def _parquet_batches(path: str) -> Iterator[Any]:
    from pyarrow.parquet import ParquetFile

    # without the read-ahead cache, which keeps all that was read until the file is closed
    with ParquetFile(path, pre_buffer=False) as file:
        names = file.schema_arrow.names
        require_distinct(names)
        columns = [name for name in names if not _PANDAS_INDEX.fullmatch(name)]
        yield from file.iter_batches(batch_size=CHUNK_ROWS, columns=columns)


def _csv_batches(path: str, texts: Iterable[str]) -> Iterator[Any]:
    types = _csv_types(path, texts)
    with _open_csv(path, types) as reader:
        yield from reader


def _csv_types(path: str, texts: Iterable[str]) -> dict[str, Any]:
    """Types that hold for the whole file: numbers are float64, and what no number can be is text.

    pyarrow decides on a column's type by the file's first block only, so the file is read once to see.
    """
    import pyarrow as pa

    with _open_csv(path, {}) as reader:
        schema = reader.schema
    require_distinct(schema.names)
    _require_csv(path, schema)
    types = {f.name: pa.float64() for f in schema if pa.types.is_integer(f.type) or pa.types.is_null(f.type)}
    types |= {name: pa.string() for name in texts if name in schema.names}
    while True:
        try:
            with _open_csv(path, types) as reader:
                for _ in reader:
                    pass
            return types
        except pa.ArrowInvalid as error:
            match = _COLUMN_NUMBER.search(str(error))
            name = schema.names[int(match[1])] if match else None
            if name is None or types.get(name) == pa.string():
                raise
            types[name] = pa.string()


def _require_csv(path: str, schema: Any) -> None:
    from pyarrow.types import is_binary

    if len(schema.names) == 1 and (other := _OTHER_SEPARATOR.search(schema.names[0])):
        raise ProfileError(
            f"{path} has one column, {schema.names[0]!r}: its fields seem to be separated by {other[0]!r}; "
            "write it with commas"
        )
    if strange := next((field.name for field in schema if is_binary(field.type)), None):
        raise SchemaError(f"column {strange!r} of {path} is not in UTF-8: write the file in that encoding")


def _open_csv(path: str, types: dict[str, Any]) -> Any:
    from pyarrow import csv

    return csv.open_csv(
        path,
        read_options=csv.ReadOptions(block_size=_CSV_BLOCK_BYTES),
        convert_options=csv.ConvertOptions(column_types=types, strings_can_be_null=True),
    )


def require_distinct(names: Iterable[str]) -> None:
    """Raise `SchemaError` for a column's name that is there twice."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise SchemaError(f"column {name!r} is there twice: rename or drop one")
        seen.add(name)
