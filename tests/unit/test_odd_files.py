"""Files and frames as the world has them: read right, or refused or warned of by name, never in silence."""

import bz2
import datetime
import gzip
import warnings
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tidegauge import Profile, ProfileError, SchemaError
from tidegauge.data.sources import chunks_of
from tidegauge.pack.inputs import load_table

ROWS = "x,y\n1,2\n3,4\n"


def fitted(tmp_path: Path, data: bytes | str, **options: Any) -> Profile:
    path = tmp_path / "rows.csv"
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return Profile.fit(path, **options)


# --- what is no CSV file -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (ROWS.encode("utf-16"), "is in UTF-16: write it in UTF-8"),
        (ROWS.encode("utf-16-le"), "has zero bytes, as UTF-16"),
        (b"x,c\n1,a\n2,b\0c\n", "has zero bytes, as UTF-16 and damaged files do"),
        (b"ARROW1\0\0abc", "is an Arrow or Feather file"),
        (b"Obj\x01\x04avro", "is an Avro file"),
        (b"SQLite format 3\0", "is a SQLite database"),
        (b"\x80\x04\x95", "is a pickle"),
        (b"\x93NUMPY\x01\0", "is an array of NumPy"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "is an Excel workbook"),
        (b"\xfd7zXZ\0", "is packed with xz: pack it with gzip"),
        (gzip.compress(gzip.compress(ROWS.encode(), mtime=0), mtime=0), "is packed twice: pack it once"),
        ('{"x": 1, "y": 2}\n{"x": 2, "y": 3}\n', "is JSON"),
        ('[{"x": 1}]', "is JSON"),
        ("<!DOCTYPE html><p>Not found\n", "is a web page"),
        ("<?xml version='1.0'?>\n", "is XML"),
        ("sep=,\nx,y\n1,2\n", "is a hint for Excel, 'sep=': remove that line"),
        ("sep=;\nx;y\n1;2\n", "is a hint for Excel, 'sep=;'"),
        ("# made on Monday\nx,y\n1,2\n", "is a comment, '# made on Monday': remove it"),
        ("x;y\n1;2\n", "separated by ';'"),
        ("x\ty\n1,5\t2,5\n", "has one column, 'x y': its fields seem to be separated by tabs"),
        ("a;b,c;d\n1;2,5;3\n", "has the column 'a;b': its fields seem to be separated by ';'"),
        ("a|b,c|d\n1|2,5|3\n", "separated by '|'".replace("|", r"\|")),
        ("Preis (EUR, netto);menge\n12,5;0\n7,5;1\n", "rows hold ';' as often as its header"),
        ("a;b,c\n1;2,3\n4;5,6\n", "the column 'a;b', and its rows hold ';'"),
        ("a|b,c\n1|2,3\n4|5,6\n", r"rows hold '\|' as often"),
        ("a\tb,c\td,e\n1\t2,3\t4,5\n", "the column 'a b', and its rows hold tabs"),
        ('"x, y";z\n"1\n2,3";4\n', "separated by ';'"),
        (ROWS + ROWS, "a row after row 0 repeats the header, as in files put one after the other"),
        (ROWS.replace("\n", "\r\n") * 2, "repeats the header"),
        ("x,y\n1,2\n   \n3,4\n", "row 2 has 1 fields, the header has 2"),
    ],
)
def test_what_is_no_csv_file_is_told_what_it_is(data: bytes | str, words: str, tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match=words):
        fitted(tmp_path, data)


@pytest.mark.slow
def test_a_header_far_from_the_begin_is_found_again(tmp_path: Path) -> None:
    rows = "".join(f"{i % 9},{i / 7}\n" for i in range(200_000))
    with pytest.raises(ProfileError, match=r"a row after row \d{5,} repeats the header"):
        fitted(tmp_path, "x,y\n" + rows + "x,y\n")
    assert fitted(tmp_path, "x,y\n" + rows + "1,2").rows == 200_001


@pytest.mark.parametrize(
    "data",
    [
        ROWS,
        "\ufeff" + ROWS,
        ROWS.replace("\n", "\r"),
        ROWS.rstrip("\n"),
        "\n\n" + ROWS.replace("\n", "\n\n"),
        gzip.compress(b"x,y\n1,2\n", mtime=0) + gzip.compress(b"3,4\n", mtime=0),
        bz2.compress(b"x,y\n1,2\n") + bz2.compress(b"3,4\n"),
        pa.compress(ROWS.encode(), codec="zstd", asbytes=True),
    ],
)
def test_csv_rows_are_read_alike_from_every_spelling(data: bytes | str, tmp_path: Path) -> None:
    assert fitted(tmp_path, data) == Profile.fit({"x": [1.0, 3.0], "y": [2.0, 4.0]})


@pytest.mark.parametrize(
    ("header", "names"),
    [
        ('\ufeff"x, a","y"', ("x, a", "y")),
        ('"say ""x""",y', ('say "x"', "y")),
        ('"a;b",c', ("a;b", "c")),
        ("ORCID,ARROW1", ("ORCID", "ARROW1")),
        ("[mm],{y}", ("[mm]", "{y}")),
        ("<5,>5", ("<5", ">5")),
        ("#,n", ("#", "n")),
        ("separate,y", ("separate", "y")),
        ("größe,温度", ("größe", "温度")),
    ],
)
def test_names_that_only_look_odd_are_names(header: str, names: tuple[str, ...], tmp_path: Path) -> None:
    assert fitted(tmp_path, f"{header}\n1,2\n3,4\n").names == names


@pytest.mark.parametrize(
    "data",
    [
        "a|b,c\n1,2\n3,4\n",
        "note;,y\n;x;,1\nx;,2\n",
        'a;b,c\n"1;2",3\n"4;5",6\n',
        "note,y\na;b,1\nc;d,2\n",
        "a;b,c\n",
    ],
)
def test_csv_fields_of_other_signs_are_left_alone(data: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(data)
    assert all(len(chunk) == 2 for chunk in chunks_of(path))


@pytest.mark.parametrize("line", ["0.13,2,2.26", "5.1,3.5,setosa", "7", "-1e3,.5", "3,1,2"])
def test_a_first_line_of_numbers_is_asked_about(line: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(f"{line}\n{line}1\n{line}2\n")
    first = line.split(",")[0]
    with pytest.warns(UserWarning, match=f"names such as '{first}' are numbers: if that line is a row"):
        Profile.fit(path)
    with pytest.warns(UserWarning, match="write a line of names before it"):
        load_table(path)


@pytest.mark.parametrize("line", ["0,1,2", "1,2,3,4", "y,0,1,2", "p,0.5,mean,sd", "x1,2x,3 mm"])
def test_names_that_number_an_array_or_are_few_are_names(line: str, tmp_path: Path) -> None:
    rows = "".join(",".join(str(i + k + 5) for k in range(line.count(",") + 1)) + "\n" for i in range(3))
    assert fitted(tmp_path, f"{line}\n{rows}").names == tuple(line.split(","))


def test_a_value_that_is_the_name_of_the_only_column_is_a_value(tmp_path: Path) -> None:
    assert fitted(tmp_path, "colour\nred\ncolour\nred\n").rows == 3


# --- numbers and times as people write them ----------------------------------------------------------------

WRITTEN = {
    "thousands": ["1 500", "2 500 000", "12\u00a0300", "7\u202f000", "1'500"],
    "a unit": ["12 kg", "7 kg", "9kg"],
    "degrees": ["12.5°C", "-7 °C"],
    "currency": ["12 EUR", "7,50 €", "USD 12"],
    "brackets": ["(12)", "7", "(3.5)"],
    "sign behind": ["12-", "7"],
    "Fortran": ["1.5D3", "2.5d-3"],
    "thousands by a letter": ["3k", "1.5k", "250 K"],
    "millions by a letter": ["1.2M", "7 M", "3mio"],
    "underscores": ["1_000", "25_000_000", "7_500.25"],
    "another minus": ["\u221212", "7"],
    "other digits": ["\uff11\uff12", "\uff17"],
    "Arabic digits": ["\u0661\u0662", "\u0667"],
}


@pytest.mark.parametrize("texts", WRITTEN.values(), ids=WRITTEN)
def test_numbers_as_people_write_them_are_warned_of(texts: list[str], tmp_path: Path) -> None:
    frame = pd.DataFrame({"n": (texts * 5)[:10], "y": range(10)})
    frame.to_csv(tmp_path / "n.csv", index=False)
    for rows in (frame, tmp_path / "n.csv"):
        with pytest.warns(UserWarning, match=r"column 'n' looks like numbers .* write them as in 1234.5"):
            Profile.fit(rows)


@pytest.mark.parametrize(
    "texts",
    [
        ["1st", "2nd", "3rd"],
        ["747A", "12B"],
        ["5XL", "3XL"],
        ["10-12", "20-30"],
        ["555 1234", "555 9876"],
        ["A 100", "B 200"],
        ["1/2", "3/4"],
        ["v1.2", "v1.3"],
        ["12:30", "8:15"],
        ["x", "y"],
    ],
)
def test_names_with_digits_are_no_numbers(texts: list[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Profile.fit({"n": texts * 3}).feature("n").kind == "categorical"


TIMES = [
    *("2024-W05", "2024-W05-1", "2024Q1", "2024-Q1", "2024-01", "5 Jan 2024", "06-Feb-2024", "Jan 5, 2024"),
    *("January 2024", "01/02/24", "20240105T120000Z", "10/Oct/2000:13:55:36 -0700", "31.01.2024 12:00"),
]


@pytest.mark.parametrize("text", TIMES)
def test_times_as_texts_are_asked_about(text: str, tmp_path: Path) -> None:
    data = f'x,y\n"{text}",1\n"{text}",2\n'
    with pytest.raises(
        SchemaError, match="column 'x' holds times as texts: no feature may be a time; exclude it"
    ):
        fitted(tmp_path, data)
    assert fitted(tmp_path, data, categorical=["x"]).feature("x").kind == "categorical"


@pytest.mark.parametrize("others", [["unknown"], ["n.a.", "open"], ["0000"]])
def test_times_beside_other_texts_are_warned_of(others: list[str]) -> None:
    texts = [*others, "2024-01-05", "2024-01-06", "2024-02-07"]
    with pytest.warns(UserWarning, match=r"'x' mixes times as texts \('2024-01-05'\) with others"):
        Profile.fit({"x": texts})


@pytest.mark.parametrize("texts", [["1.2.3", "1.2.4"], ["2024", "2025 model"], ["May", "June"], ["Q1", "Q2"]])
def test_texts_that_are_no_times_are_not_asked_about(texts: list[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Profile.fit({"x": texts})


@pytest.mark.parametrize("codes", ["007\n0123", "08005550\n12345", "00\n01"])
def test_zeros_in_front_of_a_number_are_told_of_before_they_are_lost(codes: str, tmp_path: Path) -> None:
    path = tmp_path / "codes.csv"
    path.write_text("zip\n" + codes + "\n")
    with pytest.warns(UserWarning, match=r"'zip' has numbers with zeros in front \('0\d+'\)"):
        Profile.fit(path)
    for options in ({"categorical": ["zip"]}, {"dtypes": {"zip": "float64"}}):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            Profile.fit(path, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("numbers", ["0\n0.5", "0\n10", "100\n0", "0e3\n1"])
def test_a_zero_is_no_zero_in_front(numbers: str, tmp_path: Path) -> None:
    assert fitted(tmp_path, f"n\n{numbers}\n").feature("n").kind == "numeric"


# --- times of rows -----------------------------------------------------------------------------------------

SECONDS = 1_711_800_000 + 10 * np.arange(600)
VALUES = np.arange(600.0) % 7


def with_times(times: Any) -> Profile:
    return Profile.fit({"t": times, "x": VALUES}, time="t")


AT = pd.to_datetime(SECONDS, unit="s", utc=True)


@pytest.mark.parametrize(
    "times",
    [
        SECONDS.astype(float),
        [str(second) for second in SECONDS],
        AT,
        AT.tz_convert("America/New_York"),
        AT.tz_localize(None).to_numpy("M8[ns]"),
        AT.tz_localize(None).to_numpy("M8[s]"),
        [at.isoformat() for at in AT.tz_convert("Asia/Kolkata")],
        [(at if i % 2 else at.tz_convert("Europe/Berlin")).isoformat() for i, at in enumerate(AT)],
        [at.to_pydatetime() for at in AT],
        pa.array(AT),
        pl.Series(AT.tz_localize(None).to_numpy()),
        [f"{at:%Y-%m-%dT%H:%M:%S},0Z" for at in AT],
        [Decimal(int(second)) for second in SECONDS],
    ],
)
def test_the_same_times_in_every_form_give_the_same_profile(times: Any) -> None:
    assert with_times(times) == with_times(SECONDS)


def test_an_hour_that_comes_twice_is_two_hours() -> None:
    """The night in which summer time ends: with zones its rows are told apart."""
    berlin = pd.date_range("2024-10-26 22:00", periods=600, freq="1min", tz="UTC").tz_convert("Europe/Berlin")
    assert with_times(berlin) == with_times(berlin.tz_convert("UTC"))
    assert with_times([at.isoformat() for at in berlin]) == with_times(berlin)


@pytest.mark.parametrize(
    ("times", "words"),
    [
        (SECONDS * 1000, "divide milliseconds by 1,000"),
        (SECONDS * 10**6, "after the year 9999"),
        (SECONDS * 10**9, "after the year 9999"),
        ([str(s * 1000) for s in SECONDS], "after the year 9999"),
        (["2024-03-30 12:00 CEST"] * 600, "row 0 has the time '2024-03-30 12:00 CEST'"),
        (["2016-12-31T23:59:60Z"] * 600, "row 0 has the time"),
        (["01/05/2024 12:00"] * 600, "row 0 has the time"),
        (["2024-01-05T12:00:00Z", "2024-01-05T12:00:00"] * 300, "'2024-01-05T12:00:00' has none; give all"),
        ([AT[0].to_pydatetime(), AT[1].to_pydatetime().replace(tzinfo=None)] * 300, "has none"),
    ],
)
def test_times_that_cannot_be_meant_are_refused(times: Any, words: str) -> None:
    with pytest.raises(SchemaError, match=words):
        with_times(times)


def test_dates_before_1677_are_read_and_days_beside_times_pass() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with_times(["1500-01-01"] * 600)
        with_times(np.array(["1500-01-01"] * 600, dtype="M8[s]"))
        with_times(["2024-01-05", "2024-01-06T12:00:00+00:00"] * 300)


# --- frames of other makers --------------------------------------------------------------------------------


def parquet(table: pa.Table, folder: Path) -> Path:
    pq.write_table(table, folder / "t.parquet", row_group_size=2)
    return folder / "t.parquet"


def test_a_dictionary_of_numbers_is_categorical_in_memory_and_in_its_file(tmp_path: Path) -> None:
    table = pa.table({"c": pa.array([1, 2, 1, None]).dictionary_encode(), "x": [1.0, 2.0, 3.0, 4.0]})
    profile = Profile.fit(table)
    assert profile.feature("c").kind == "categorical"
    for rows in (parquet(table, tmp_path), table.to_pandas(), pl.from_arrow(table)):
        assert profile.count(rows).cells.tolist() == profile.count(table).cells.tolist()
    assert Profile.fit(parquet(table, tmp_path)) == profile


def test_row_groups_that_begin_with_nothing_keep_their_columns_types(tmp_path: Path) -> None:
    table = pa.table({"b": [None, None, True, False], "i": [None, None, 1, 2], "s": [None, None, "a", "b"]})
    profile = Profile.fit(parquet(table, tmp_path))
    assert profile == Profile.fit(table)
    assert [feature.type for feature in profile.features] == ["boolean", "number", "text"]
    assert profile.count(parquet(table, tmp_path)).missing.tolist() == [2, 2, 2]


def test_categories_without_a_row_are_no_categories() -> None:
    frame = pd.DataFrame({"c": pd.Categorical(["a", "b", "a"], categories=["z", "b", "a"])})
    assert Profile.fit(frame) == Profile.fit({"c": ["a", "b", "a"]})


@pytest.mark.parametrize(
    ("values", "same"),
    [
        (np.ma.masked_array([1, 2, 3], mask=[0, 1, 0]), [1, None, 3]),
        (np.ma.masked_array([1.5, 2.5], mask=[1, 0]), [None, 2.5]),
        (np.ma.masked_array([True, False], mask=[1, 0]), [None, False]),
        (np.ma.masked_array(["a", "b"], mask=[1, 0]), [None, "b"]),
        (pd.arrays.SparseArray([0, 0, 1]), [0, 0, 1]),
        (pa.array(["a", "b"], pa.string_view()), ["a", "b"]),
        (pa.RunEndEncodedArray.from_arrays([2, 3], ["a", "b"]), ["a", "a", "b"]),
        (pa.array([Decimal("1.5"), None], pa.decimal256(40, 2)), [1.5, None]),
        (pa.array([1.5, None], pa.float16()), np.array([1.5, np.nan], np.float32)),
        ([Decimal("1.5"), Decimal("NaN")], [1.5, None]),
    ],
)
def test_a_masked_or_encoded_column_is_what_it_stands_for(values: Any, same: Any) -> None:
    assert Profile.fit({"x": values}) == Profile.fit({"x": same})


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: pd.DataFrame({"c": pd.to_timedelta([1, 2], unit="s")}), "durations"),
        (lambda: pd.DataFrame({"c": [object(), object()]}), "objects that have no text of their own"),
        (
            lambda: pl.DataFrame({"c": pl.Series([object()], dtype=pl.Object)}),
            "objects that have no text of their own",
        ),
        (lambda: pa.table({"c": [[1], [2, 3]]}), "lists or the like"),
        (lambda: pa.table({"c": [{"a": 1}, {"a": 2}]}), "lists or the like"),
        (lambda: pd.DataFrame({"c": [np.array([1]), np.array([2])]}), "lists or the like"),
        (lambda: pd.DataFrame({"c": [datetime.date(2024, 1, 1), "a", 1]}), "times"),
        (lambda: pa.table({"c": pa.array([datetime.time(1, 2)])}), "times of day"),
        (lambda: pl.DataFrame({"c": [b"a"]}), "bytes"),
    ],
)
def test_what_no_feature_holds_is_refused_by_name(make: Callable[[], Any], words: str) -> None:
    with pytest.raises(SchemaError, match=f"column 'c' holds {words}: .*exclude"):
        Profile.fit(make())


@pytest.mark.parametrize("values", [[{"a": 1}, {"a": 2}], [[1, 2], [3]]])
def test_nested_columns_of_polars_are_named_as_such(values: list[Any]) -> None:
    with pytest.raises(SchemaError, match="'x' holds lists or the like"):
        Profile.fit(pl.DataFrame({"x": values}))


def test_an_array_column_of_polars_is_named_as_such() -> None:
    with pytest.raises(SchemaError, match="'x' holds lists or the like"):
        Profile.fit(pl.DataFrame({"x": pl.Series([[1, 2], [3, 4]], dtype=pl.Array(pl.Int64, 2))}))


@pytest.mark.parametrize("text", ["1\u00a0000", "12\u202f500", "-1\u00a0000,5"])
def test_a_number_is_quoted_without_the_escapes_of_python(text: str) -> None:
    with pytest.warns(UserWarning, match=f"'{' '.join(text.split())}'"):
        Profile.fit({"x": [text] * 3})
