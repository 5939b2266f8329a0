"""A value that is no number counts as missing in a column of numbers, and the caller hears of it once."""

import warnings
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tidegauge import Profile, SchemaError

PROFILE = Profile.fit({"x": np.arange(100.0), "c": ["a", "b"] * 50}, prediction=np.arange(100.0))


def columns(x: list[Any]) -> dict[str, Any]:
    return {"x": x, "c": ["a"] * len(x), "prediction": [1.0] * len(x)}


@pytest.mark.parametrize("value", ["many", "", "1,5", "1_000", "$12"])
def test_a_text_that_spells_no_number_is_told(value: str) -> None:
    with pytest.warns(UserWarning, match="column 'x' holds 2 values that are no numbers, counted as missing"):
        counts = PROFILE.count(columns([1.0, value, None, value]))
    assert counts.missing.tolist() == [3, 0, 0]


def test_of_one_value_it_is_told_too_and_of_the_prediction_under_its_name() -> None:
    with pytest.warns(UserWarning, match="column 'prediction' holds 1 value that is no number"):
        PROFILE.count({"x": [1.0, 2.0], "c": ["a", "b"], "prediction": [1.0, "high"]})


@pytest.mark.parametrize("value", ["12", " 3.5 ", "true", True, 7, None, float("nan"), pd.NA, Decimal("NaN")])
def test_numbers_texts_of_numbers_truths_and_missing_values_pass_in_silence(value: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        counts = PROFILE.count(columns([1.0, value]))
    missing = value is None or value is pd.NA or value != value
    assert counts.missing[0] == missing


def test_a_file_read_in_many_chunks_is_told_of_once(tmp_path: Path) -> None:
    rows = pd.DataFrame(columns([str(i) for i in range(200_000)]))
    rows.loc[[7, 100_000, 199_999], "x"] = "?"
    rows.loc[9, "x"] = None
    rows.to_csv(tmp_path / "rows.csv", index=False)
    with pytest.warns(UserWarning, match="3 values that are no numbers") as caught:
        counts = PROFILE.count(tmp_path / "rows.csv")
    assert len(caught) == 1
    assert counts.missing[0] == 4


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
