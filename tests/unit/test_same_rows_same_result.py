"""The same rows give the same counts: every way to make a profile with every way to bring rows."""

import csv
import gzip
import io
import math
import warnings
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sklearn.dummy import DummyRegressor

from tidegauge import Profile, SchemaError
from tidegauge.data.csv_table import MISSING
from tidegauge.pack.inputs import load_table, training_rows
from tidegauge.pack.trial import fit_profile

pytestmark = pytest.mark.slow

Values = dict[str, list[Any]]
MARKS = ["NA", "None", "<NA>", "null"]
PLAIN = [
    "12:30",
    "12:45:00",
    "a\nb",
    'say "x", y',
    "red",
    "Zürich",
    "1,5",
    "1.0",
    "1",
    "True",
    " x ",
    "\ufeff",
]
NAMES = st.sampled_from(["rain [mm]", "flow [l/min]", "rain [/h]", "k,g", 'in "x"', "größe"])


def column(
    values: st.SearchStrategy[Any], rows: int, *, missing: bool = True
) -> st.SearchStrategy[list[Any]]:
    one = st.one_of(st.none(), values) if missing else values
    return st.lists(one, min_size=rows, max_size=rows).filter(lambda found: found.count(None) < rows)


@st.composite
def tables(draw: Any, texts: list[str]) -> Values:
    rows = draw(st.integers(2, 12))
    kinds = {
        "float": st.floats(allow_nan=False),
        "float_whole": st.sampled_from([1.0, 2.0, 1e16, -0.0]),
        "integer": st.integers(-5, 5),
        "id": st.integers(2**53 - 2, 2**63 - 1),
        "truth": st.booleans(),
        "decimal": st.sampled_from([Decimal("1.50"), Decimal("2.25")]),
        "text": st.sampled_from(texts),
    }
    table = {
        name: draw(column(values, rows, missing=draw(st.booleans())))
        for name, values in kinds.items()
        if draw(st.booleans()) or name == "text"
    }
    return {draw(NAMES) if i == 0 else name: values for i, (name, values) in enumerate(table.items())}


# --- the ways to bring rows --------------------------------------------------------------------------------


def arrow(table: Values) -> Any:
    return pa.table({name: pa.array(values) for name, values in table.items()})


def by_csv_module(table: Values, folder: Path) -> Path:
    out = io.StringIO(newline="")
    writer = csv.writer(out, quoting=csv.QUOTE_ALL)
    writer.writerow(table)
    writer.writerows(zip(*table.values(), strict=True))
    (folder / "module.csv.gz").write_bytes(gzip.compress(b"\xef\xbb\xbf" + out.getvalue().encode()))
    return folder / "module.csv.gz"


def by_pandas(table: Values, folder: Path) -> Path:
    pandas(table).to_csv(folder / "pandas.csv", index=False)
    return folder / "pandas.csv"


def by_polars(table: Values, folder: Path) -> Path:
    pl.DataFrame(table, strict=False).write_csv(folder / "polars.csv")
    return folder / "polars.csv"


def parquet(table: Values, folder: Path) -> Path:
    pyarrow.parquet.write_table(arrow(table), folder / "x.parquet", row_group_size=3)
    return folder / "x.parquet"


def pandas(table: Values, _: Any = None) -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series(values) for name, values in table.items()})


def halves(table: Values) -> list[Values]:
    half = (len(next(iter(table.values()))) + 1) // 2
    return [{name: v[part] for name, v in table.items()} for part in (slice(0, half), slice(half, None))]


FILES: dict[str, Callable[[Values, Path], Any]] = {
    "csv of the module": by_csv_module,
    "csv of pandas": by_pandas,
    "csv of polars": by_polars,
}
TYPED: dict[str, Callable[[Values, Path], Any]] = {
    "parquet": parquet,
    "pandas": pandas,
    "pandas, nullable": lambda table, _: pandas(table).convert_dtypes(),
    "pandas, of Arrow": lambda table, _: arrow(table).to_pandas(types_mapper=pd.ArrowDtype),
    "pandas, category": lambda table, _: pandas(table).astype(
        {name: "category" for name, values in table.items() if any(isinstance(v, str) for v in values)}
    ),
    "pandas, of objects": lambda table, _: pd.DataFrame(table, dtype=object),
    "polars": lambda table, _: pl.DataFrame(table, strict=False),
    "table": lambda table, _: arrow(table),
    "batch": lambda table, _: arrow(table).combine_chunks().to_batches()[0],
    "mapping of Arrow": lambda table, _: {name: pa.array(values) for name, values in table.items()},
    "mapping of lists": lambda table, _: table,
    "mapping of arrays": lambda table, _: {
        name: np.array(values, dtype=object) for name, values in table.items()
    },
    "dicts": lambda table, _: [
        dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)
    ],
    "reader": lambda table, _: pa.RecordBatchReader.from_batches(
        arrow(table).schema, arrow(table).to_batches(max_chunksize=3)
    ),
    "frames": lambda table, _: [pandas(half) for half in halves(table)],
    "stream of dicts": lambda table, _: iter(TYPED["dicts"](table, Path())),
    "stream of batches": lambda table, _: iter(arrow(table).to_batches(max_chunksize=2)),
}


REUSED = [name for name in (*TYPED, *FILES) if "reader" not in name and "stream" not in name]


def packed(path: Path) -> Profile:
    """The profile that `pack` makes of a training file, whatever the model answers."""
    training = training_rows(DummyRegressor(), load_table(path))
    return fit_profile(training, "float64", np.zeros(len(training.frame)), 1024)


# A CSV file has no types, but the bundle made of it has: its profile takes typed rows of these types alone.
PACKED: dict[str, tuple[Callable[[Values, Path], Any], dict[str, Callable[[Values, Path], Any]]]] = {
    "packed of parquet": (parquet, TYPED | FILES),
    "packed of csv": (by_csv_module, FILES),
}


def fitted(rows: Any) -> Profile:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Profile.fit(rows)


def assert_counted_as_reference(profile: Profile, rows: Any, pair: str) -> None:
    counts = profile.count(rows)
    assert counts.rows == profile.rows, pair
    for feature in profile.features:
        found = counts.feature(feature.name)
        where = f"{pair}: {feature.name}"
        assert found.cells.tolist() == feature.counts.tolist(), where
        assert found.missing == feature.missing, where


SLOW = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow], "phases": [Phase.generate]}


def assert_all_pairs_agree(table: Values, folder: Path) -> None:
    ways = TYPED | FILES
    kept = {name: ways[name](table, folder) for name in REUSED}
    for made, make in ways.items():
        profile = fitted(make(table, folder))
        for brought, bring in ways.items():
            rows = kept[brought] if brought in kept else bring(table, folder)
            assert_counted_as_reference(profile, rows, f"{made} -> {brought}")
    for made, (write, brings) in PACKED.items():
        profile = packed(write(table, folder))
        for brought, bring in brings.items():
            rows = kept[brought] if brought in kept else bring(table, folder)
            assert_counted_as_reference(profile, rows, f"{made} -> {brought}")


@settings(max_examples=6, **SLOW)
@given(table=tables(PLAIN))
def test_training_rows_are_counted_as_the_reference_for_all_pairs(
    table: Values, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert_all_pairs_agree(table, tmp_path_factory.mktemp("pairs"))


@pytest.mark.soak
@settings(max_examples=200, **SLOW)
@given(table=tables(PLAIN))
def test_training_rows_are_counted_as_the_reference_for_all_pairs_at_length(
    table: Values, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert_all_pairs_agree(table, tmp_path_factory.mktemp("pairs"))


@settings(max_examples=5, **SLOW)
@given(table=tables([*PLAIN, *MARKS]))
def test_a_text_that_reads_as_missing_is_kept_by_those_who_know_it(
    table: Values, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A file cannot say whether ``NA`` is a text: a profile of typed data can, else it is missing."""
    folder = tmp_path_factory.mktemp("marks")
    for made, make in TYPED.items():
        profile = fitted(make(table, folder))
        for brought, bring in (TYPED | FILES).items():
            assert_counted_as_reference(profile, bring(table, folder), f"{made} -> {brought}")
    unmarked = {n: [None if v in MISSING else v for v in values] for n, values in table.items()}
    if all(any(v is not None for v in values) for values in unmarked.values()):
        for made, make in FILES.items():
            profile = fitted(make(table, folder))
            for brought, bring in FILES.items():
                assert_counted_as_reference(profile, bring(table, folder), f"{made} -> {brought}")
            for brought, bring in TYPED.items():
                assert_counted_as_reference(profile, bring(unmarked, folder), f"{made} -> {brought}")


def test_whole_numbers_beyond_64_bits_are_numbers_everywhere(tmp_path: Path) -> None:
    table = {"x": [2**64, 2**65, -(2**70), None, 7]}
    ways = [*(FILES[name](table, tmp_path) for name in ("csv of the module", "csv of pandas"))]
    ways += [table, pd.DataFrame(table, dtype=object), pl.DataFrame(table, schema={"x": pl.Int128})]
    ways += [TYPED["dicts"](table, tmp_path)]
    for made in ways:
        profile = fitted(made)
        assert profile.features[0].kind == "numeric"
        for brought in ways:
            assert_counted_as_reference(profile, brought, f"{made} -> {brought}")


def test_dates_as_texts_are_asked_about_in_every_form(tmp_path: Path) -> None:
    table = {"day": ["2020-01-01", "2020-01-02", None], "x": [1.0, 2.0, 3.0]}
    ways = {**TYPED, **FILES}
    del ways["pandas, category"]  # which says that they are names
    for name, way in ways.items():
        with pytest.raises(SchemaError, match=r"'day' holds times as texts: .*; exclude"):
            Profile.fit(way(table, tmp_path))
        profile = Profile.fit(way(table, tmp_path), categorical=["day"])
        for brought, bring in ways.items():
            assert_counted_as_reference(profile, bring(table, tmp_path), f"{name} -> {brought}")


def test_numbers_written_for_people_are_warned_of_in_every_form(tmp_path: Path) -> None:
    columns = {
        "1,5 0,25": "with a comma",
        "1,200 3,400.50": "with a comma",
        "1.200,50 7": "with a comma",
        "12% 7.5%": "with a percent sign",
        "$12 $1,200": "with the sign of a currency",
        "12 € 7 €": None,
        "0x1F 0x2A": "in hexadecimal",
    }
    for texts, how in columns.items():
        table: Values = {"x": texts.split(" ") * 3 if how else ["12 €", "7 €", "8 €"], "n": [1, 2, 3] * 2}
        table["n"] = list(range(len(table["x"])))
        for way in (*TYPED.values(), *FILES.values()):
            rows = way(table, tmp_path)
            if isinstance(rows, pd.DataFrame) and str(rows.x.dtype) == "category":
                continue
            with pytest.warns(UserWarning, match=f"'x' looks like numbers {how or 'with the sign'}"):
                Profile.fit(rows)
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                Profile.fit(way(table, tmp_path), categorical=["x"])


@pytest.mark.parametrize(
    "texts", [["12:30", "8:15"], ["A1", "B2"], ["1.2.3", "1.2.4"], ["555-1234"], ["a,b"]]
)
def test_texts_that_are_no_numbers_are_not_warned_of(texts: list[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Profile.fit({"x": texts * 3})


def test_the_index_that_to_csv_writes_is_left_out_with_a_word(tmp_path: Path) -> None:
    frame = pd.DataFrame({"x": [1.5, 2.5, 2.5]})
    frame.to_csv(tmp_path / "x.csv")
    for rows in (tmp_path / "x.csv", pd.read_csv(tmp_path / "x.csv")):
        with pytest.warns(UserWarning, match="column 'Unnamed: 0' had no name .* index=False"):
            profile = Profile.fit(rows)
        assert profile == Profile.fit(frame)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert Profile.fit(rows, exclude=["Unnamed: 0"]) == profile
            assert Profile.fit(rows, feature_names=["Unnamed: 0", "x"]).names == ("Unnamed: 0", "x")


def test_a_comma_behind_every_line_is_a_column_without_a_name(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("a,b,\n1,2,\n3,4,\n")
    with pytest.warns(UserWarning, match="'Unnamed: 2' had no name"):
        assert Profile.fit(tmp_path / "x.csv").names == ("a", "b")


def test_a_named_index_is_no_feature_but_can_be_the_time(tmp_path: Path) -> None:
    times = pd.date_range("2024-01-01", periods=300, freq="1min", name="at")
    frame = pd.DataFrame({"x": np.arange(300.0), "c": pd.Series([1, 2, 3] * 100, dtype="category")})
    frame.index = times
    frame.to_parquet(tmp_path / "x.parquet")
    for rows in (frame, tmp_path / "x.parquet"):
        profile = Profile.fit(rows, time="at")
        assert profile.names == ("x", "c")
        assert profile.feature("c").kind == "categorical", "whole numbers as categories, in Parquet too"
        assert profile.feature("x").design_effect is not None
        assert profile.names == Profile.fit(rows).names


def test_the_same_text_is_one_category_as_number_and_as_text() -> None:
    profile = Profile.fit({"x": ["1.0", "a", "true"]})
    counts = profile.count({"x": [1.0, "1.0", "a", True, math.nan]})
    assert counts.feature("x").cells[-1] == 1, "only the truth value is another text"
    assert counts.missing.tolist() == [1]
