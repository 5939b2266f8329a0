"""A value that is no number, in a column of numbers: refused by name, or told of where no type is known."""

import warnings
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from tidegauge import Profile, SchemaError, replay

PROFILE = Profile.fit({"x": np.arange(100.0), "c": ["a", "b"] * 50}, prediction=np.arange(100.0))


def without_types(profile: Profile) -> Profile:
    """The profile as it was made before types were kept."""
    document = profile.to_dict()
    for feature in (*document["features"], document["prediction"]):
        del feature["type"]
    return Profile.from_dict(document)


UNTYPED = without_types(PROFILE)


def columns(x: list[Any]) -> dict[str, Any]:
    return {"x": x, "c": ["a"] * len(x), "prediction": [1.0] * len(x)}


def counted(profile: Profile, rows: Any) -> None:
    profile.count(rows)


def replayed(profile: Profile, rows: Any) -> None:
    replay(profile, rows, rows_per_pane=50_000)


both_ways = pytest.mark.parametrize("look", [counted, replayed])


@both_ways
@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("many", "the text 'many'"),
        ("", "the text ''"),
        ("1,5", "the text '1,5'"),
        ("12", "the text '12'"),
        (True, "a truth value: it must be a number, which it was in training; write 1 or 0"),
        (np.True_, "a truth value"),
        (Fraction(1, 3), "'1/3': it must be a number"),
    ],
)
def test_a_value_of_another_type_is_refused_by_name(
    look: Callable[[Profile, Any], None], value: Any, words: str
) -> None:
    with pytest.raises(SchemaError, match=f"feature 'x' of row 2 is {words}"):
        look(PROFILE, columns([1.0, None, value, value]))


@both_ways
def test_a_text_for_a_number_is_refused_in_frames_of_all_makers_and_in_the_prediction(
    look: Callable[[Profile, Any], None],
) -> None:
    texts = columns(["1.5", "2.5"])
    truths = columns([True, False])
    for rows in (texts, truths):
        for frame in (pd.DataFrame(rows), pl.DataFrame(rows), pa.table(rows)):
            with pytest.raises(SchemaError, match="feature 'x' of row 0 is"):
                look(PROFILE, frame)
    nullable = pd.DataFrame(columns([True, None])).astype({"x": "boolean"})
    with pytest.raises(SchemaError, match="feature 'x' of row 0 is a truth value"):
        look(PROFILE, nullable)
    with pytest.raises(SchemaError, match="feature 'prediction' of row 1 is the text 'high'"):
        look(PROFILE, {"x": [1.0, 2.0], "c": ["a", "b"], "prediction": [1.0, "high"]})


@both_ways
@pytest.mark.parametrize("value", [7, np.int8(3), Decimal("1.5"), None, float("nan"), pd.NA, Decimal("NaN")])
@pytest.mark.parametrize("profile", [PROFILE, UNTYPED], ids=["typed", "untyped"])
def test_numbers_and_missing_values_pass_in_silence(
    look: Callable[[Profile, Any], None], value: Any, profile: Profile
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        look(profile, columns([1.0, value]))


@pytest.mark.slow
@both_ways
@pytest.mark.parametrize("field", ["?", "1,5", "true", "0x1F", "1_000"])
def test_a_files_row_is_named_in_any_chunk(
    look: Callable[[Profile, Any], None], field: str, tmp_path: Path
) -> None:
    rows = pd.DataFrame(columns([str(i) for i in range(150_000)]))
    rows.loc[9, "x"] = None
    rows.loc[[140_000, 140_001], "x"] = field
    rows.to_csv(tmp_path / "rows.csv", index=False)
    with pytest.raises(SchemaError, match=r"feature 'x' of row 140000 is (the text|a truth)"):
        look(PROFILE, tmp_path / "rows.csv")


def test_texts_of_numbers_are_numbers_in_a_file_beside_truth_values(tmp_path: Path) -> None:
    profile = Profile.fit({"x": [True, False, True]})
    (tmp_path / "rows.csv").write_text("x\ntrue\n0\n\nTRUE\n1\n")
    counts = profile.count(tmp_path / "rows.csv")
    assert counts.cells.tolist() == profile.count({"x": [True, 0, None, True, 1.0]}).cells.tolist()


def test_the_type_is_the_widest_that_training_held() -> None:
    parts = [{"x": [1], "t": ["a"]}, {"x": [True], "t": [1.0]}, {"x": [0.5], "t": [None]}]
    profile = Profile.fit(iter([pd.DataFrame(part) for part in parts]), categorical=["t"])
    assert [feature.type for feature in profile.features] == ["boolean", "category"]
    typed = {"i": [1, 2], "f": [1, 2.5], "b": [True, None], "s": ["a", None], "none": [None, None]}
    with pytest.warns(UserWarning, match="has no values"):
        found = [feature.type for feature in Profile.fit(typed).features]
    assert found == ["integer", "number", "boolean", "text", None]


def test_a_csv_file_says_no_types_of_its_numbers(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("x,t,c\n1,true,a\n2.5,false,b\n")
    profile = Profile.fit(tmp_path / "x.csv")
    assert [feature.type for feature in profile.features] == [None, None, "text"]
    assert profile.count({"x": ["1", "2.5"], "t": [1, 0], "c": ["a", "b"]}).missing.tolist() == [0, 0, 0]


def test_texts_that_were_numbers_in_training_by_request_know_no_type() -> None:
    rows = {"x": [1.0, "many", 3.0]}
    profile = Profile.fit(rows, dtypes={"x": "float64"})
    assert profile.feature("x").type is None
    with pytest.warns(UserWarning, match="1 value that is no number"):
        assert profile.count(rows).cells.tolist() == profile.feature("x").counts.tolist()


# --- profiles that know no types ---------------------------------------------------------------------------


@both_ways
@pytest.mark.parametrize("value", ["many", "", "1,5", "1_000", "$12"])
def test_a_text_for_a_number_without_a_type_counts_as_missing_with_a_warning(
    look: Callable[[Profile, Any], None], value: str
) -> None:
    with pytest.warns(UserWarning, match="column 'x' holds 2 values that are no numbers: counted as missing"):
        look(UNTYPED, columns([1.0, value, None, value]))


def test_one_text_for_a_number_is_warned_of_too_and_under_the_predictions_name() -> None:
    with pytest.warns(UserWarning, match="column 'prediction' holds 1 value that is no number"):
        UNTYPED.count({"x": [1.0, 2.0], "c": ["a", "b"], "prediction": [1.0, "high"]})


@pytest.mark.parametrize("value", ["12", " 3.5 ", "true", True])
def test_without_a_type_texts_of_numbers_and_truths_are_numbers(value: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert UNTYPED.count(columns([1.0, value])).missing[0] == 0


@pytest.mark.slow
@both_ways
def test_a_file_read_in_many_chunks_is_told_of_once(
    look: Callable[[Profile, Any], None], tmp_path: Path
) -> None:
    rows = pd.DataFrame(columns([str(i) for i in range(200_000)]))
    rows.loc[[7, 100_000, 199_999], "x"] = "?"
    rows.loc[9, "x"] = None
    rows.to_csv(tmp_path / "rows.csv", index=False)
    with pytest.warns(UserWarning, match="3 values that are no numbers") as caught:
        look(UNTYPED, tmp_path / "rows.csv")
    ours = [
        each for each in caught if issubclass(each.category, UserWarning)
    ]  # not what other tests left open
    assert len(ours) == 1, [str(each.message) for each in ours]


def test_types_are_no_part_of_the_hash() -> None:
    assert UNTYPED == PROFILE
    assert UNTYPED.count(columns([1.0])) + PROFILE.count(columns([2.0])) == PROFILE.count(columns([1.0, 2.0]))
    assert [f.type for f in Profile.from_bytes(PROFILE.to_bytes()).monitored] == ["number", "text", "number"]


def test_columns_of_different_lengths_are_named() -> None:
    with pytest.raises(SchemaError, match=r"column 'c' has length 1, column 'x' has 2: all"):
        PROFILE.count({"x": [1, 2], "c": ["a"]})


def test_parts_with_other_columns_are_shown_without_brackets() -> None:
    parts = [pd.DataFrame({"x": [1.0], "c": ["a"]}), pd.DataFrame({"x": [1.0], "d": ["a"]})]
    with pytest.raises(
        SchemaError, match=r"has the columns 'x', 'd'; the first part has 'x', 'c': all"
    ) as caught:
        Profile.fit(iter(parts))
    assert "[" not in str(caught.value)
