"""The rows of a CSV file are those that Python's csv module reads, wherever a block ends."""

import bz2
import csv
import gzip
import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegauge import Profile, ProfileError, SchemaError
from tidegauge.data import csv_table
from tidegauge.data.csv_records import record_blocks
from tidegauge.data.csv_table import MISSING, Reading, csv_columns, csv_reading

RANDOM = np.random.default_rng(3)
TEXTS = st.text(alphabet='",\n\rax0. é;', max_size=12)
TABLES = st.lists(st.lists(TEXTS, min_size=3, max_size=3), min_size=1, max_size=12)


def written(rows: list[list[str]], line_end: str, header: str = "a,b,c") -> bytes:
    out = io.StringIO(newline="")
    line_ends = any({"\r", "\n"} & set(text) for row in rows for text in row)  # the module forgets some
    quoting = csv.QUOTE_ALL if line_ends else csv.QUOTE_MINIMAL
    csv.writer(out, lineterminator=line_end, quoting=quoting).writerows(rows)
    return (header + line_end + out.getvalue()).encode()


def by_csv_module(data: bytes) -> list[list[str]]:
    return [row for row in csv.reader(io.StringIO(data.decode(), newline="")) if row]


def by_us(path: Path, kinds: dict[str, Any] | None = None) -> list[list[Any]]:
    chunks = csv_columns(path, Reading(kinds or {}))
    return [
        list(row)
        for chunk in chunks
        for row in zip(*(each.values.tolist() for each in chunk.values()), strict=True)
    ]


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(rows=TABLES, size=st.integers(1, 40), line_end=st.sampled_from(["\n", "\r\n", "\r"]))
def test_rows_are_those_of_the_csv_module_at_every_block_size(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]], size: int, line_end: str
) -> None:
    path = tmp_path_factory.mktemp("csv") / "x.csv"
    data = written(rows, line_end)
    path.write_bytes(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_table, "BLOCK_BYTES", size)
        found = by_us(path)
    expected = [[None if text in MISSING else text for text in row] for row in by_csv_module(data)[1:]]
    assert found == expected


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(text=st.text(alphabet='",\n\ra', max_size=30), size=st.integers(1, 9))
def test_blocks_are_cut_where_records_end_also_with_quotes_out_of_place(text: str, size: int) -> None:
    try:
        blocks = list(record_blocks(io.BytesIO(text.encode()).read, size))
    except ProfileError:
        with pytest.raises(csv.Error):
            list(csv.reader(io.StringIO(text, newline=""), strict=True))
        return
    pieces = [by_csv_module(block.data) for block in blocks]
    assert [row for piece in pieces for row in piece] == by_csv_module(text.encode())
    assert [len(piece) for piece in pieces] == [block.records for block in blocks]


@pytest.mark.slow
@pytest.mark.parametrize("length", [1, 37, 200])
def test_two_line_notes_over_many_blocks_are_all_there(tmp_path: Path, length: int) -> None:
    path = tmp_path / "notes.csv"
    notes = [f'{"w" * (i % length)}\nsecond {i % 3}, "quoted"' for i in range(30_000)]
    path.write_bytes(written([[str(i), "x", note] for i, note in enumerate(notes)], "\n", "id,kind,note"))
    profile = Profile.fit(path, exclude=["id", "note"])
    assert (profile.rows, csv_reading(path, {}).kinds["id"]) == (30_000, "whole")
    found = [row[2] for row in by_us(path)]
    assert found == notes


@pytest.mark.slow
def test_a_value_may_be_larger_than_a_block(tmp_path: Path) -> None:
    large = "line\n" * 700_000
    path = tmp_path / "large.csv"
    path.write_bytes(written([["1", large, "x"], ["2", "y", large], ["3", "", ""]], "\r\n"))
    assert by_us(path) == [["1", large, "x"], ["2", "y", large], ["3", None, None]]


def test_inches_are_no_quotes(tmp_path: Path) -> None:
    path = tmp_path / "inches.csv"
    path.write_text('size,n\n5" pipe,1\n"5"" pipe",2\n3" x 4",3\n')
    assert by_us(path) == [['5" pipe', "1"], ['5" pipe', "2"], ['3" x 4"', "3"]]


def test_a_quote_that_is_not_closed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "open.csv"
    path.write_text('a,b\n1,"x\n2,y\n3,z\n')
    with pytest.raises(ProfileError, match=r"open.csv: the last record has a quote that is not closed"):
        Profile.fit(path)


def test_rows_that_the_reader_would_make_up_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A block that ends within a value, as before: the second count finds it."""
    path = tmp_path / "x.csv"
    path.write_text("a,b\n1,2\n3,4\n5,6\n")
    real = csv_table.record_blocks
    monkeypatch.setattr(
        csv_table,
        "record_blocks",
        lambda *of: (type(block)(block.data, block.records + 1) for block in real(*of)),
    )
    with pytest.raises(ProfileError, match="4 records after row 0 were read as 3 rows"):
        Profile.fit(path)


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_blank_lines_are_no_rows(tmp_path: Path, line_end: str) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(line_end.join(["", "a,b", "", "1,2", "", "", "3,4", "", ""]).encode())
    assert Profile.fit(path).rows == 2


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(
    ("lines", "rows", "missing"),
    [
        (["a", "x", "", "y", ""], 3, 1),
        (["a", "", "x", "", ""], 3, 2),
        (["", "", "a", "x", '""', "", "y"], 4, 2),
        (["a", '"x', "", 'y"', "", "z", ""], 3, 1),
        (["a", "1", "", "2.5", "NA", ""], 4, 2),
    ],
)
def test_in_a_file_of_one_column_a_blank_line_is_a_missing_value(
    tmp_path: Path, line_end: str, lines: list[str], rows: int, missing: int
) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(line_end.join(lines).encode())
    profile = Profile.fit(path)
    assert (profile.rows, profile.features[0].missing) == (rows, missing)


@pytest.mark.parametrize("block_bytes", [1, 7, 1 << 20])
@pytest.mark.parametrize("values", [["a", None, "b", None], [None, "a"], [1.5, None, 2.0], [True, None]])
@pytest.mark.parametrize("writer", ["pandas", "polars", "Arrow"])
def test_a_csv_column_with_gaps_is_read_as_it_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writer: str, values: list[object], block_bytes: int
) -> None:
    monkeypatch.setattr(csv_table, "BLOCK_BYTES", block_bytes)
    path = tmp_path / "x.csv"
    if writer == "pandas":
        pd.DataFrame({"a": values}).to_csv(path, index=False)
    elif writer == "polars":
        pl.DataFrame({"a": values}).write_csv(path)
    else:
        pyarrow.csv.write_csv(pa.table({"a": values}), path)
    profile = Profile.fit(path)
    assert (profile.rows, profile.features[0].missing) == (len(values), values.count(None))


def test_a_header_may_have_quotes_commas_and_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes('\ufeff"a, b","c\nd","rain [mm]"\n1,2,3\n'.encode())
    assert Profile.fit(path).names == ("a, b", "c\nd", "rain [mm]")


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        ("1 2 3", "whole"),
        ("1 NA 2.5", "number"),
        (".5 5. 1e5 +1 -inf", "number"),
        ("True <NA> false", "truth"),
        ("True 1", "text"),
        ("0x1F 0x2A", "text"),
        ("1_000 2", "text"),
        ("12:30 12:45", "text"),
        ("2020-01-01 2020-01-02", "text"),
        ("18446744073709551616 1", "number"),
        ("NA None null", "empty"),
    ],
)
@pytest.mark.parametrize("size", [1, 1000])
def test_what_a_column_holds_is_told_from_all_its_rows(
    tmp_path: Path, column: str, kind: str, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_table, "BLOCK_BYTES", size)
    path = tmp_path / "x.csv"
    path.write_text("\n".join(["x,y", *(f"{text},1" for text in column.split())]))
    assert csv_reading(path, {}).kinds["x"] == kind


@pytest.mark.parametrize("name", ["x.csv", "x.csv.gz"])
@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, bytes], ids=["gzip", "bz2", "plain"])
def test_how_a_file_is_packed_is_told_by_its_first_bytes(tmp_path: Path, name: str, pack: Any) -> None:
    (tmp_path / name).write_bytes(pack(b"a,b\n1,2\n") + (b"" if pack is bytes else pack(b"3,4\n")))
    assert Profile.fit(tmp_path / name).rows == (1 if pack is bytes else 2)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (gzip.compress(b"a,b\n" + RANDOM.bytes(9999), mtime=0)[:-9], "cut off or damaged"),
        ("a,b\n1,2\n".encode("utf-16"), "is in UTF-16: write it in UTF-8"),
        ("a,b\n1,2\n".encode("utf-16-le"), "zero bytes, as UTF-16"),
        ("größe,b\n1,2\n".encode("latin-1"), "the header of .* is not in UTF-8"),
        ("a,b\n1,2\n3,größe\n".encode("latin-1"), "column 'b' of .* is not in UTF-8"),
        (b"PAR1....PAR1", "is a Parquet file: name it .parquet"),
        (b"PK\x03\x04....", "Excel workbook"),
        (b"a,b\n1,2\n1,2,\n", "row 2 has 3 fields, the header has 2: its last comma"),
        (b"a,b\n1,2\n1,2\n1\n", "row 3 has 1 fields, the header has 2"),
        (b"", "is empty: its first line must name the columns"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_what_to_do(
    tmp_path: Path, data: bytes, message: str
) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(data)
    with pytest.raises((ProfileError, SchemaError), match=message) as caught:
        Profile.fit(path)
    assert str(path) in str(caught.value)


def test_rows_are_numbered_over_all_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_table, "BLOCK_BYTES", 10)
    path = tmp_path / "x.csv"
    path.write_text("a,b\n" + '1,"two\nlines"\n' * 50 + "1,2,3\n")
    with pytest.raises(ProfileError, match="row 51 has 3 fields"):
        Profile.fit(path)


@pytest.mark.parametrize(
    ("row", "fields", "step"),
    [
        ("1,2", 2, "write a comma for each field that is missing, or remove the row"),
        ("   ", 1, "write a comma for each field that is missing, or remove the row"),
        ("1,2,3,4", 4, "quote values that hold commas"),
        ("1,2,3,", 4, "its last comma has nothing behind it: remove it"),
    ],
)
def test_an_uneven_row_is_refused_with_the_step_that_helps(
    tmp_path: Path, row: str, fields: int, step: str
) -> None:
    (tmp_path / "x.csv").write_text(f"a,b,c\n1,2,3\n{row}\n4,5,6\n")
    with pytest.raises(ProfileError, match=f"row 2 has {fields} fields, the header has 3: {step}"):
        Profile.fit(tmp_path / "x.csv")
