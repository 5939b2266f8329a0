"""Files, larger than memory too, as chunks of columns: Parquet here, CSV in `tidegauge.data.csv_table`."""

import re
from base64 import b64decode
from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib.util import find_spec
from os.path import exists
from pathlib import Path
from typing import Any, Final

from tidegauge.data.columns import Column
from tidegauge.data.csv_header import require_distinct
from tidegauge.data.csv_table import Kind, Reading, csv_columns, csv_reading
from tidegauge.data.frames import read_columns
from tidegauge.errors import DataNotFound, ProfileError, SchemaError
from tidegauge.profile.features import CategoricalFeature
from tidegauge.profile.profile import Profile

__all__ = ["CHUNK_ROWS", "Reading", "chunks_of", "is_csv", "is_path", "reading_for", "reading_of"]

CHUNK_ROWS: Final = 65_536
_CSV: Final = (".csv", ".csv.gz", ".csv.bz2", ".csv.zst")
_PARQUET: Final = (".parquet", ".pq")
_PANDAS_INDEX: Final = re.compile(r"__index_level_\d+__")


def is_path(data: Any) -> bool:
    """Return whether `data` names a file."""
    return isinstance(data, str | Path)


def is_csv(data: Any) -> bool:
    """Return whether `data` names a CSV file, whose columns have no types of their own."""
    return is_path(data) and Path(data).name.lower().endswith(_CSV)


def reading_for(profile: Profile, prediction: str | None = None, time: str | None = None) -> Reading:
    """Return how to read a file whose rows a profile will count.

    Parameters
    ----------
    profile
        Says which columns hold numbers and which categories.
    prediction, time
        Names of those columns, where they are wanted.
    """
    features = {feature.name: feature for feature in profile.monitored}
    if prediction is not None and profile.prediction is not None:
        features[prediction] = profile.prediction
    kinds: dict[str, Kind] = {
        name: "category" if isinstance(feature, CategoricalFeature) else "number"
        for name, feature in features.items()
    }
    categories = {
        name: feature.codes.keys() - ({""} if feature.missing else set())
        for name, feature in features.items()
        if isinstance(feature, CategoricalFeature)
    }
    return Reading(kinds | ({} if time is None else {time: "time"}), categories)


def reading_of(path: str | Path, known: dict[str, Kind]) -> Reading:
    """Return how to read a file of which only the `known` kinds are known: from all its rows."""
    _require_readable(path)
    return csv_reading(Path(path), known) if is_csv(path) else Reading({})


def _require_readable(path: str | Path) -> None:
    if not Path(path).name.lower().endswith(_CSV + _PARQUET):
        raise ProfileError(f"its name must end with one of {', '.join(_CSV + _PARQUET)}", where=str(path))
    if find_spec("pyarrow") is None:
        step = "in a checkout pip install '.[cli]'"
        raise ProfileError("files are read with pyarrow", step=step, where=str(path))
    if not exists(path):
        step = "give the path of a CSV or Parquet file"
        raise DataNotFound("there is no such file", step=step, where=str(path))


def chunks_of(path: str | Path, reading: Reading | None = None) -> Iterator[dict[str, Column]]:
    """Yield a file's rows in order, as chunks of columns; every call reads the file again.

    A file without rows gives at most chunks of length 0. In CSV, empty fields and the usual marks (``NA``,
    ``NaN``, ``None``) are missing; a column that holds numbers and other texts is a column of texts. The
    index that pandas leaves in Parquet files is no column.

    Parameters
    ----------
    path
        The file.
    reading
        How a CSV file's columns are read; None: as all its rows tell.

    Raises
    ------
    ProfileError
        Neither CSV nor Parquet, or damaged; or pyarrow is not installed.
    SchemaError
        A column's name is there twice.
    DataNotFound
        There is no such file.
    OSError
        The file cannot be opened.
    """
    _require_readable(path)
    if is_csv(path):
        return _read(path, csv_columns(Path(path), reading or reading_of(path, {})))
    return _read(path, _parquet_chunks(str(path)))


def _read(path: str | Path, chunks: Iterator[dict[str, Column]]) -> Iterator[dict[str, Column]]:
    from pyarrow import ArrowException

    try:
        yield from chunks
    except (ProfileError, SchemaError, OSError):
        raise
    except (ArrowException, ValueError) as error:
        raise ProfileError(f"{path} cannot be read: {error}") from error


def _dictionaries(metadata: Mapping[bytes, bytes]) -> set[str]:
    """Columns that were dictionaries in Arrow; Parquet itself does not note that of numbers."""
    from pyarrow import BufferReader, ipc

    if (noted := metadata.get(b"ARROW:schema")) is None:
        return set()
    schema = ipc.read_schema(BufferReader(b64decode(noted)))
    return {each.name for each in schema if str(each.type).startswith("dictionary")}


def _parquet_chunks(path: str) -> Iterator[dict[str, Column]]:
    from pyarrow import Table
    from pyarrow.parquet import ParquetFile

    # without the read-ahead cache, which keeps all that was read until the file is closed
    with ParquetFile(path, pre_buffer=False) as file:
        names = file.schema_arrow.names
        require_distinct(names)
        noted = file.schema_arrow.pandas_metadata or {}
        index = {name for name in noted.get("index_columns", ()) if isinstance(name, str)}
        of_pandas = noted.get("columns", ())
        categories = {each["name"] for each in of_pandas if each["pandas_type"] == "categorical"}
        categories |= _dictionaries(file.metadata.metadata or {})
        columns = [name for name in names if not _PANDAS_INDEX.fullmatch(name)]
        for batch in file.iter_batches(batch_size=CHUNK_ROWS, columns=columns):
            chunk = read_columns(Table.from_batches([batch]))
            for name in categories & chunk.keys():
                chunk[name] = replace(chunk[name], categorical=True)
            yield {name: replace(column, index=name in index) for name, column in chunk.items()}
