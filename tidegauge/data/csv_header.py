"""How a CSV file begins: the names of its columns, or that it is no CSV file."""

import csv
import io
import re
import warnings
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final

from tidegauge.data.csv_records import first_record
from tidegauge.errors import ProfileError, SchemaError, TidegaugeWarning
from tidegauge.telling import found, told

__all__ = ["FIRST_BYTES", "header_of", "require_csv", "require_distinct", "warn_of_no_header"]

FIRST_BYTES: Final = 16  # that tell what kind of file it is
_UTF16: Final = "is in UTF-16: write it in UTF-8"
_WRITE: Final = "write its rows as CSV or Parquet"
_OTHER_FILES: Final = {
    b"PAR1": "is a Parquet file: name it .parquet",
    b"PK\x03\x04": "is a zip archive or an Excel workbook: write it as CSV or Parquet",
    b"\xd0\xcf\x11\xe0": f"is an Excel workbook: {_WRITE}",
    b"\xff\xfe": _UTF16,
    b"\xfe\xff": _UTF16,
    b"ARROW1\0": f"is an Arrow or Feather file: {_WRITE}",
    b"Obj\x01": f"is an Avro file: {_WRITE}",
    b"SQLite format": f"is a SQLite database: {_WRITE}",
    b"\x93NUMPY": f"is an array of NumPy: {_WRITE}",
    b"\x80": f"is a pickle: {_WRITE}",
    b"\xfd7zXZ": "is packed with xz: pack it with gzip, bz2 or zstd",
    b"\x1f\x8b": "is packed twice: pack it once",
    b'{"': f"is JSON: {_WRITE}",
    b"[{": f"is JSON: {_WRITE}",
    b"<!doctype": "is a web page: look whether the download went wrong",
    b"<html": "is a web page: look whether the download went wrong",
    b"<?xml": f"is XML: {_WRITE}",
}
_OTHER_SEPARATORS: Final = {";": "';'", "\t": "tabs", "|": "'|'"}
_FIRST_RECORDS: Final = 20  # which show by what their fields are separated
_SEARCHED_BYTES: Final = 1 << 16
_QUOTED: Final = re.compile(rb'"[^"]*"')
_NUMBER: Final = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)


def require_csv(path: Path, first: bytes) -> None:
    """Raise `ProfileError` where a file's first bytes, unpacked, say that it is of another kind."""
    begin = first.lower()
    for magic, what in _OTHER_FILES.items():
        if first.startswith(magic) or begin.startswith(magic):
            raise ProfileError(f"{path} {what}")


def header_of(path: Path, data: bytes) -> tuple[tuple[str, ...], bytes, int]:
    """Return the columns' names, the header's bytes, and where the rows begin.

    A column without a name has the one that pandas gives.

    Raises
    ------
    ProfileError
        The fields are separated by something else than commas, or the first line is no header.
    SchemaError
        A name is there twice, or the header is not in UTF-8.
    """
    begin, end = first_record(data)
    header = data[begin:end].rstrip(b"\r\n")
    try:
        names = next(csv.reader(io.StringIO(header.decode(), newline="")))
    except UnicodeDecodeError:
        raise SchemaError(f"the header of {path} is not in UTF-8: write the file in that encoding") from None
    _require_header(path, names)
    _require_commas(path, data[begin:], names)
    named = tuple(name or f"Unnamed: {i}" for i, name in enumerate(names))
    require_distinct(named)
    return named, header, end


def _require_header(path: Path, names: Sequence[str]) -> None:
    if names[0].lower().startswith("sep="):
        raise ProfileError(f"{path}: its first line is a hint for Excel, {names[0]!r}: remove that line")
    if len(names) == 1 and names[0].startswith("#"):
        raise ProfileError(f"{path}: its first line is a comment, {names[0]!r}: remove it")
    if other := next((c for c in _OTHER_SEPARATORS if all(c in name for name in names)), None):
        what = (
            f"has one column, {_shown(names[0])}" if len(names) == 1 else f"has the column {_shown(names[0])}"
        )
        raise ProfileError(
            f"{path} {what}: its fields seem to be separated by {_OTHER_SEPARATORS[other]}; "
            "write it with commas"
        )


def _require_commas(path: Path, data: bytes, names: Sequence[str]) -> None:
    """Raise `ProfileError` where header and first rows hold another separator, each as often."""
    lines = _QUOTED.sub(b"", data[:_SEARCHED_BYTES]).splitlines()
    lines = lines if len(data) <= _SEARCHED_BYTES else lines[:-1]
    first = [line for line in lines if line][: _FIRST_RECORDS + 1]
    for separator, word in _OTHER_SEPARATORS.items():
        counts = {line.count(separator.encode()) for line in first}
        if len(first) > 1 and len(counts) == 1 and counts != {0}:
            name = next(name for name in names if separator in name)
            raise ProfileError(
                f"{path} has the column {_shown(name)}, and its rows hold {word} as often as its header: "
                "write it with commas, or put values that hold such a sign in quotes"
            )


def _shown(name: str) -> str:
    return told(name.replace("\t", " "))


def warn_of_no_header(path: Path, names: Sequence[str]) -> None:
    """Warn where most names are numbers, as in a file without a header, but for an array's 0, 1, 2."""
    numbers = [name for name in names if _NUMBER.fullmatch(name)]
    places = {tuple(str(i) for i in range(begin, begin + len(numbers))) for begin in (0, 1)}
    if 2 * len(numbers) < len(names) or not numbers or (len(names) > 1 and tuple(numbers) in places):
        return
    words = f"its first line gives the columns' names, and names such as {told(numbers[0])} are numbers"
    warning = TidegaugeWarning(
        "if that line is a row, write a line of names before it",
        argument=found("rows", numbers[0], words),
        where=str(path),
    )
    warnings.warn(warning, stacklevel=2)


def require_distinct(names: Collection[str]) -> None:
    """Raise `SchemaError` for a column's name that is there twice."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise SchemaError(
                "rename or drop one", argument=found("rows", name, f"column {name!r} is there twice", name)
            )
        seen.add(name)
