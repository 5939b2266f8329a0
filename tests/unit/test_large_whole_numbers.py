"""Whole numbers beyond 2**53 stay the categories that they are, whatever holds the rows."""

import csv
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tidegauge import Profile

Ids = list[int | None]
SIGNED = [0, 1, -5, 2**53 - 1, 2**53, 2**53 + 1, 2**60 + 1, 2**60 + 3, -(2**53) - 1, -(2**60) - 1, 2**63 - 1]
UNSIGNED = [0, 1, 2**53 + 1, 2**53 + 2, 2**60 + 1, 2**63 - 1, 2**63 + 1, 2**64 - 1]


def width(ids: Ids) -> str:
    return "uint64" if any(each is not None and each >= 2**63 for each in ids) else "int64"


def arrow(ids: Ids) -> Any:
    return pa.array(ids, type=width(ids))


def numbers(ids: Ids) -> np.ndarray[Any, Any]:
    return np.array([0 if each is None else each for each in ids], dtype=width(ids))


def csv_file(ids: Ids, folder: Path) -> Path:
    with (folder / "x.csv").open("w", newline="") as out:
        csv.writer(out, quoting=csv.QUOTE_ALL).writerows([["i"], *([each] for each in ids)])
    return folder / "x.csv"


def parquet(ids: Ids, folder: Path) -> Path:
    pyarrow.parquet.write_table(pa.table({"i": arrow(ids)}), folder / "x.parquet", row_group_size=3)
    return folder / "x.parquet"


def batches(ids: Ids) -> list[Any]:
    return pa.table({"i": arrow(ids)}).to_batches(max_chunksize=2)


def nullable(ids: Ids) -> "pd.Series[Any]":
    return pd.Series(pd.array(ids, dtype="UInt64" if width(ids) == "uint64" else "Int64"))


WAYS: dict[str, Callable[[Ids, Path], Any]] = {
    "csv": csv_file,
    "parquet": parquet,
    "pandas, of objects": lambda ids, _: pd.DataFrame({"i": ids}, dtype=object),
    "pandas, nullable": lambda ids, _: pd.DataFrame({"i": nullable(ids)}),
    "pandas, of Arrow": lambda ids, _: pa.table({"i": arrow(ids)}).to_pandas(types_mapper=pd.ArrowDtype),
    "pandas, category": lambda ids, _: pd.DataFrame(
        {"i": pd.Categorical(ids, categories=pd.Index(np.unique(numbers(ids))))}
    ),
    "polars": lambda ids, _: (
        pl.DataFrame({"i": pl.Series(ids, dtype=pl.UInt64)})
        if width(ids) == "uint64"
        else pl.DataFrame({"i": pl.Series(ids, dtype=pl.Int64)})
    ),
    "polars, 128 bits": lambda ids, _: pl.DataFrame({"i": pl.Series(ids, dtype=pl.Int128)}),
    "polars, decimals": lambda ids, _: (
        pl.DataFrame({"i": pl.Series(ids).cast(pl.Decimal(38, 0))})
        if width(ids) == "int64"
        else pl.DataFrame({"i": pl.Series(ids, dtype=pl.UInt64)})
    ),
    "table": lambda ids, _: pa.table({"i": arrow(ids)}),
    "dictionary": lambda ids, _: pa.table({"i": arrow(ids).dictionary_encode()}),
    "batches": lambda ids, _: iter(batches(ids)),
    "masked": lambda ids, _: {"i": np.ma.MaskedArray(numbers(ids), mask=[each is None for each in ids])},
    "lists": lambda ids, _: {"i": ids},
    "dicts": lambda ids, _: [{"i": each} for each in ids],
}


def fitted(rows: Any) -> Profile:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Profile.fit(rows, categorical=["i"])


def assert_same_categories(ids: Ids, folder: Path) -> None:
    texts = {str(each) for each in ids if each is not None}
    for made, make in WAYS.items():
        profile = fitted(make(ids, folder))
        assert set(profile.features[0].categories) == texts, made
        for brought, bring in WAYS.items():
            found = profile.count(bring(ids, folder)).feature("i")
            assert found.cells.tolist() == profile.features[0].counts.tolist(), f"{made} -> {brought}"
            assert found.missing == ids.count(None), f"{made} -> {brought}"


@pytest.mark.slow
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data(), values=st.sampled_from([SIGNED, UNSIGNED]), gaps=st.booleans())
def test_ids_are_the_same_categories_for_all_pairs(
    data: st.DataObject, values: list[int], gaps: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    one: st.SearchStrategy[int | None] = st.sampled_from([*values, *([None] if gaps else [])])
    ids = data.draw(st.lists(one, min_size=1, max_size=9).filter(any))
    assert_same_categories(ids, tmp_path_factory.mktemp("ids"))


@pytest.mark.slow
@pytest.mark.parametrize(
    "ids",
    [
        [2**60 + 1, 2**60 + 3, 2**60 + 1, None],
        [2**53 + 1, 2**53, 2**53 - 1],
        [-(2**60) - 1, -(2**60) - 3, None],
        [2**64 - 1, 2**64 - 2, 2**63, None, 0],
    ],
)
def test_neighbouring_ids_are_told_apart(ids: Ids, tmp_path: Path) -> None:
    assert_same_categories(ids, tmp_path)


def test_parts_of_signed_and_unsigned_numbers_keep_their_digits() -> None:
    parts = [pd.DataFrame({"i": np.array([2**60 + 1, 2**60 + 3], dtype)}) for dtype in ("int64", "uint64")]
    assert fitted(parts).features[0].counts.tolist() == [2, 2, 0]


def test_a_part_with_gaps_does_not_merge_the_ids_of_another() -> None:
    whole = pa.table({"i": pa.array([2**60 + 1, 2**60 + 3])})
    gaps = pa.table({"i": pa.array([7, None])})
    assert fitted(iter([whole, gaps])).features[0].counts.tolist() == [1, 1, 1, 0]


def test_small_whole_numbers_with_gaps_stay_the_type_that_pandas_gives() -> None:
    for rows in (pl.DataFrame({"i": [1, None, 3]}), pd.DataFrame({"i": [1, None, 3]})):
        assert Profile.fit(rows).features[0].type == "number"


def test_whole_numbers_without_gaps_are_integers_in_polars_too() -> None:
    assert Profile.fit(pl.DataFrame({"i": [1, 2, 3]})).features[0].type == "integer"
    assert Profile.fit(pl.DataFrame({"t": [True, False, True]})).features[0].type == "boolean"


@pytest.mark.parametrize(
    "ids",
    [
        [2**60 + 1 + 2 * (k % 5) for k in range(1024)],
        [2**53 + 1, 2**53 + 3],
        [-(2**61) - 7, 5, None],
        [2**64 - 1, 2**63 + 1],
        [int(each) | 1 for each in np.random.default_rng(3).integers(2**60, 2**63, 3000)],
    ],
)
def test_ids_that_floats_round_are_warned_of_at_any_number_of_rows(ids: Ids, tmp_path: Path) -> None:
    for name in ("csv", "parquet", "polars", "pandas, nullable", "masked", "lists"):
        if name == "csv" and width(ids) == "uint64":
            continue  # pyarrow reads them as floats, digits and all
        with pytest.warns(UserWarning, match=r"'i' looks like an identifier .*, exclude=\['i'\]"):
            Profile.fit(WAYS[name](ids, tmp_path))
        fitted(WAYS[name](ids, tmp_path))


@pytest.mark.parametrize(
    "numbers", [[2**53, 2**53 - 1], [2**60, 2**62, 3 * 2**60], [5, None], [2**64, 2**65]]
)
def test_large_numbers_that_floats_hold_are_no_identifiers(numbers: Ids) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Profile.fit({"i": numbers})
