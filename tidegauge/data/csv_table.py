"""CSV files as tables of columns: all rows decide what a column holds, and no row is made up.

The file is cut at the ends of its records (`csv_records`), so that pyarrow never sees half of one,
and the rows that it reads are compared with the records that were counted.
"""

import math
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from tidegauge.data.columns import Column, text_number
from tidegauge.data.csv_header import FIRST_BYTES, header_of, require_csv, warn_of_no_header
from tidegauge.data.csv_records import Block, record_blocks, with_blank_lines
from tidegauge.data.frames import read_column
from tidegauge.errors import ProfileError, SchemaError, TidegaugeError
from tidegauge.profile.features import written_text
from tidegauge.telling import NOT_GIVEN, found

__all__ = ["MISSING", "Kind", "Reading", "csv_columns", "csv_reading"]

BLOCK_BYTES: Final = 1 << 20
Kind: TypeAlias = Literal["empty", "whole", "number", "truth", "text", "category", "time"]

# The texts that pandas.read_csv takes as missing: models are mostly trained on what it reads.
MISSING: Final = frozenset(
    (
        *("", "NA", "N/A", "n/a", "<NA>", "#NA", "#N/A", "#N/A N/A", "NULL", "null", "None"),
        *("NaN", "nan", "-NaN", "-nan", "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN"),
    )
)
_TRUE, _FALSE = ["true", "True", "TRUE"], ["false", "False", "FALSE"]
_COMPRESSED: Final = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\x28\xb5\x2f\xfd": "zstd"}
_MAYBE_PADDED: Final = re.compile(rb'(?:^|[,\r\n"])0[0-9]')
_PADDED: Final = re.compile(r"0\d+", re.ASCII)
_QUOTE_COMMAS: Final = "quote values that hold commas"
_BOM: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Reading:
    """How the columns of a file are to be read.

    Parameters
    ----------
    kinds
        By column; one that is not named here is text.
    categories
        Texts that are categories of a column already, although they look missing (``NA``) or otherwise.
    padded
        Columns of numbers of which some are written with zeros before them, as codes are, and one such text.
    """

    kinds: Mapping[str, Kind] = field(default_factory=dict)
    categories: Mapping[str, Collection[str]] = field(default_factory=dict)
    padded: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Table:
    """An open CSV file: its columns' names, and its rows in blocks of whole records."""

    path: Path
    names: tuple[str, ...]
    blocks: Iterator[Block]


def csv_columns(path: Path, reading: Reading) -> Iterator[dict[str, Column]]:
    """Yield a CSV file's rows in order, as chunks of columns.

    Raises
    ------
    ProfileError
        The file is damaged, or a row has more or fewer fields than the header.
    SchemaError
        A name is there twice, or a column is not in UTF-8.
    """
    with _Stream(path) as stream:
        table = _opened(path, stream.read)
        rows = 0
        for block in table.blocks:
            read = _numbers_or_texts(_Rows(table, block, rows), reading)
            yield {name: _column(read.column(name), name, reading) for name in table.names}
            rows += block.records


def csv_reading(path: Path, known: Mapping[str, Kind]) -> Reading:
    """Return what each column of a CSV file holds, told from all rows; `known` ones are not looked at."""
    padded: dict[str, str] = {}
    with _Stream(path) as stream:
        table = _opened(path, stream.read)
        warn_of_no_header(path, table.names)
        kinds: dict[str, Kind] = {name: known.get(name, "empty") for name in table.names}
        open_names = [name for name in table.names if name not in known]
        rows = 0
        for block in table.blocks:
            if not open_names:
                break
            guessed = _guessed(_Rows(table, block, rows), open_names)
            numbers = [name for name in open_names if guessed[name] == "whole" and name not in padded]
            padded |= _padded(_Rows(table, block, rows), numbers)
            kinds |= {name: _joined(kinds[name], guessed[name]) for name in open_names}
            open_names = [name for name in open_names if kinds[name] != "text"]
            rows += block.records
    return Reading(kinds, padded={name: text for name, text in padded.items() if kinds[name] != "text"})


def _joined(one: Kind, other: Kind) -> Kind:
    """The kind of a column that holds both."""
    if "empty" in (one, other) or one == other:
        return other if one == "empty" else one
    return "number" if {one, other} == {"whole", "number"} else "text"


# --- the file ----------------------------------------------------------------------------------------------


class _Stream:
    """A file's bytes, unpacked: its first bytes tell how it was packed, not its name."""

    def __init__(self, path: Path) -> None:
        self._path, self._begin = path, b""

    def __enter__(self) -> "_Stream":
        import pyarrow as pa

        self._file = pa.OSFile(str(self._path), "rb")
        first = self._file.read(4)
        self._file.seek(0)
        packed = next((name for magic, name in _COMPRESSED.items() if first.startswith(magic)), None)
        self._bytes = pa.CompressedInputStream(self._file, packed) if packed else self._file
        begin = self.read(FIRST_BYTES).removeprefix(_BOM)
        require_csv(self._path, begin)
        self._begin = begin
        return self

    def __exit__(self, *_: object) -> None:
        self._bytes.close()
        self._file.close()

    def read(self, size: int) -> bytes:
        """Return at most so many bytes; raises `ProfileError` where the file is cut off or damaged."""
        begin, self._begin = self._begin, b""
        try:
            return begin + bytes(self._bytes.read(max(size - len(begin), 0)))
        except OSError as error:
            raise ProfileError(
                "it cannot be unpacked, it is cut off or damaged",
                step="write or copy it again",
                where=str(self._path),
            ) from error


def _opened(path: Path, read: Callable[[int], bytes]) -> _Table:
    """The table behind a file's bytes; its first record is the header."""
    blocks = _named(path, record_blocks(read, BLOCK_BYTES))
    for block in blocks:
        if block.records:
            names, header, begin = header_of(path, block.data)
            rows = chain([Block(block.data[begin:], block.records - 1)], blocks)
            if len(names) == 1:
                return _Table(path, names, _filled(map(with_blank_lines, rows)))
            return _Table(path, names, _without_header(path, _filled(rows), header))
    raise ProfileError(f"{path} is empty: its first line must name the columns")


def _named(path: Path, blocks: Iterator[Block]) -> Iterator[Block]:
    try:
        for block in blocks:
            if b"\0" in block.data:
                raise ProfileError(
                    "it has zero bytes, as UTF-16 and damaged files do", step="write it in UTF-8"
                )
            yield block
    except ProfileError as error:
        raise error.located(path) from error.__cause__


def _without_header(path: Path, blocks: Iterator[Block], header: bytes) -> Iterator[Block]:
    """The blocks; raises `ProfileError` where a row is the header once more."""
    again = re.compile(rb"(?:^|[\r\n])" + re.escape(header) + rb"(?:[\r\n]|$)")
    rows = 0
    for block in blocks:
        if header in block.data and again.search(block.data):
            raise ProfileError(
                f"{path}: a row after row {rows} repeats the header, as in files put one after the other: "
                "remove the line"
            )
        yield block
        rows += block.records


def _filled(blocks: Iterator[Block]) -> Iterator[Block]:
    return (block for block in blocks if block.records)


# --- rows to columns ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Rows:
    """One block of a table, and how many rows were before it."""

    table: _Table
    block: Block
    before: int


def _guessed(rows: _Rows, names: Sequence[str]) -> dict[str, Kind]:
    """What the named columns hold in these rows."""
    import pyarrow as pa

    read = _read(rows, {}, names)
    kinds = {name: _kind(rows, name, read.schema.field(name).type) for name in names}
    if b"0x" in rows.block.data.lower():  # pyarrow takes 0x1F as a whole number, nothing else here does
        for name in [name for name in names if kinds[name] == "whole"]:
            try:
                _read(rows, {name: pa.float64()}, [name])
            except pa.ArrowInvalid:
                kinds[name] = "text"
    return kinds


def _padded(rows: _Rows, names: Sequence[str]) -> dict[str, str]:
    """Of the named columns of whole numbers those with zeros in front, and the first such text."""
    import pyarrow as pa

    if not names or not _MAYBE_PADDED.search(rows.block.data):
        return {}
    read = _read(rows, dict.fromkeys(names, pa.string()), names)
    texts = {name: filter(None, read.column(name).to_pylist()) for name in names}
    found = {name: next(filter(_PADDED.fullmatch, each), None) for name, each in texts.items()}
    return {name: text for name, text in found.items() if text is not None}


def _kind(rows: _Rows, name: str, dtype: Any) -> Kind:
    from pyarrow import types

    if types.is_binary(dtype):
        raise _not_utf8(rows.table.path, name)
    if types.is_null(dtype):
        return "empty"
    if types.is_integer(dtype):
        return "whole"
    if types.is_floating(dtype):
        return "number"
    return "truth" if types.is_boolean(dtype) else "text"


def _not_utf8(path: Path, name: str) -> SchemaError:
    said = found("rows", NOT_GIVEN, f"column {name!r} of {path} is not in UTF-8", name)
    return SchemaError("write the file in that encoding", argument=said)


def _numbers_or_texts(rows: _Rows, reading: Reading) -> Any:
    """The rows, a column of numbers as texts where these have something else."""
    import pyarrow as pa

    types = _types(rows.table.names, reading.kinds)
    try:
        return _read(rows, types)
    except pa.ArrowInvalid:
        numbers = [name for name in types if reading.kinds.get(name) in ("whole", "number", "truth", "empty")]
        found = _guessed(rows, numbers) if numbers else {}
    try:
        return _read(rows, types | _types(numbers, found))
    except pa.ArrowInvalid as error:
        raise _unreadable(rows, types | _types(numbers, found)) from error


def _types(names: Sequence[str], kinds: Mapping[str, Kind]) -> dict[str, Any]:
    """pyarrow's types; a column of times is left to its guess."""
    import pyarrow as pa

    known = {"empty": pa.float64(), "whole": pa.int64(), "number": pa.float64(), "truth": pa.bool_()}
    return {
        name: known.get(kinds.get(name, "text"), pa.string()) for name in names if kinds.get(name) != "time"
    }


def _unreadable(rows: _Rows, types: dict[str, Any]) -> TidegaugeError:
    """The error of rows that pyarrow refuses: each column is tried alone. A text only has its encoding."""
    name = next((name for name in rows.table.names if not _is_readable(rows, types, name)), None)
    if name is not None and str(types.get(name)) == "string":
        return _not_utf8(rows.table.path, name)
    column = "" if name is None else f"column {name!r} "
    return ProfileError(
        f"{column}cannot be read after row {rows.before}",
        step="write the file as Parquet",
        where=str(rows.table.path),
    )


def _is_readable(rows: _Rows, types: dict[str, Any], name: str) -> bool:
    import pyarrow as pa

    try:
        _read(rows, {name: types[name]} if name in types else {}, [name])
    except pa.ArrowInvalid:
        return False
    return True


def _read(rows: _Rows, types: dict[str, Any], names: Sequence[str] = (), *, threads: bool = True) -> Any:
    """One block as a pyarrow table: all of it at once, since a boundary may be in a quoted value."""
    import pyarrow as pa

    bad: list[Any] = []
    try:
        table = _parsed(rows, types, names, bad, threads=threads)
    except pa.ArrowInvalid:
        if bad and threads:
            return _read(rows, types, names, threads=False)  # which tells the row's number
        if bad:
            raise _uneven(rows, bad[0]) from None
        raise
    if table.num_rows != rows.block.records:
        raise ProfileError(
            f"{rows.table.path}: {rows.block.records} records after row {rows.before} were read as "
            f"{table.num_rows} rows: write the file as Parquet"
        )
    return table


def _parsed(
    rows: _Rows, types: dict[str, Any], names: Sequence[str], bad: list[Any], *, threads: bool
) -> Any:
    """The same by pyarrow; rows with more or fewer fields than the header go to `bad`."""
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    def keep(row: Any) -> str:
        bad.append(row)
        return "error"

    data, columns = rows.block.data, rows.table.names
    return arrow_csv.read_csv(
        pa.BufferReader(data),
        read_options=arrow_csv.ReadOptions(
            column_names=columns, block_size=len(data) + 1, use_threads=threads
        ),
        parse_options=arrow_csv.ParseOptions(
            newlines_in_values=True, ignore_empty_lines=len(columns) > 1, invalid_row_handler=keep
        ),
        convert_options=arrow_csv.ConvertOptions(
            column_types=types,
            include_columns=names,
            null_values=sorted(MISSING),
            true_values=_TRUE,
            false_values=_FALSE,
        ),
    )


def _uneven(rows: _Rows, bad: Any) -> ProfileError:
    where = f"{rows.table.path}: row {rows.before + bad.number} has {bad.actual_columns} fields"
    if bad.actual_columns < bad.expected_columns:
        last = "write a comma for each field that is missing, or remove the row"
    else:
        last = "its last comma has nothing behind it: remove it" if bad.text.endswith(",") else _QUOTE_COMMAS
    return ProfileError(f"{where}, the header has {bad.expected_columns}: {last}")


def _column(read: Any, name: str, reading: Reading) -> Column:
    kind = reading.kinds.get(name, "text")
    if kind not in ("text", "category"):
        if not _is_text(read):
            return read_column(read, name)
        return _texts(read, MISSING) if kind == "time" else Column(_looked_up(read, _number_or_text))
    known = reading.categories.get(name, ())
    if kind == "text":
        return _texts(read, MISSING.difference(known))
    return Column(_looked_up(read, lambda text: _category(text, known)), categorical=True)


def _is_text(read: Any) -> bool:
    return str(read.type) == "string"


def _texts(read: Any, missing: Collection[str]) -> Column:
    return Column(_looked_up(read, lambda text: None if text in missing else text))


def _looked_up(read: Any, of: Callable[[str], str | float | None]) -> npt.NDArray[Any]:
    """What `of` makes of each text; it is asked once for each different one."""
    encoded = read.combine_chunks().dictionary_encode()
    encoded = encoded.combine_chunks() if hasattr(encoded, "combine_chunks") else encoded
    texts = np.array([*map(of, encoded.dictionary.to_pylist()), None], dtype=object)
    return np.asarray(texts[encoded.indices.to_numpy(zero_copy_only=False)])


def _number_or_text(text: str) -> str | float | None:
    """What a field is in a column of numbers where not all are some."""
    if text in MISSING:
        return None
    number = text_number(text)
    return text if math.isnan(number) else text in _TRUE if text in (*_TRUE, *_FALSE) else number


def _category(text: str, known: Collection[str]) -> str | None:
    """The category of a field: its text, or that of the number or truth value."""
    if text in known:
        return text
    if text in MISSING:
        return None
    return written_text(text)
