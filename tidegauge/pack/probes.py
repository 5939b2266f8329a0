"""Rows that training did not have: what a client may send and a training table does not show.

Each row of a probe is a row of the training data with one value changed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import pandas as pd

from tidegauge.pack.inputs import Column, Training

__all__ = ["UNSEEN_TEXT", "Kind", "Probe", "probes", "whole_rows"]

UNSEEN_TEXT: Final = "a text that training did not have"
MAX_FEATURES: Final = 250  # of wider tables so many are probed, evenly spread: they tell of a kind of column
FEW_FEATURES: Final = 40  # up to here each value is tried in three rows
Kind = Literal["missing", "an unseen text", "the empty text", "a fraction", "a value beyond training's"]


@dataclass(frozen=True, slots=True)
class Probe:
    """Rows that differ from training in one column.

    Parameters
    ----------
    column
        Its name.
    kinds
        What each row has there.
    frame
        The rows, as the training frame, but for the column's type if it cannot hold the values.
    """

    column: str
    kinds: tuple[Kind, ...]
    frame: pd.DataFrame


def whole_rows(frame: pd.DataFrame) -> list[int]:
    """Positions of the first, the middle and the last row without a missing or infinite value."""
    numbers = frame.select_dtypes("number").to_numpy(dtype=np.float64, na_value=np.nan)
    whole = frame.notna().all(axis=1).to_numpy() & ~np.isinf(numbers).any(axis=1)
    found = np.flatnonzero(whole)
    if not found.size:
        return [0]
    return sorted({int(found[0]), int(found[len(found) // 2]), int(found[-1])})


def probes(training: Training) -> list[Probe]:
    """A probe for each feature, for those of a wide table's that are spread over it."""
    count = len(training.columns)
    chosen = np.unique(np.linspace(0, count - 1, min(count, MAX_FEATURES)).astype(int))
    rows = whole_rows(training.frame)
    bases = training.frame.iloc[rows if count <= FEW_FEATURES else rows[:1]]
    return [_probe(training.columns[at], training.frame, bases) for at in chosen]


def _probe(column: Column, frame: pd.DataFrame, bases: pd.DataFrame) -> Probe:
    known = frame[column.name]
    cases = list(_texts(known) if column.kind == "categorical" else _numbers(known))
    kinds = tuple(kind for kind, _ in cases for _ in range(len(bases)))
    rows = bases.iloc[list(range(len(bases))) * len(cases)].reset_index(drop=True)
    rows[column.name] = _series([value for _, value in cases for _ in range(len(bases))], known)
    return Probe(column.name, kinds, rows)


def _texts(known: "pd.Series[Any]") -> Iterator[tuple[Kind, str | None]]:
    yield "missing", None
    yield "an unseen text", UNSEEN_TEXT
    if not (known == "").any():
        yield "the empty text", ""


def _numbers(known: "pd.Series[Any]") -> Iterator[tuple[Kind, float]]:
    values = known.to_numpy(dtype=np.float64, na_value=np.nan)
    values = values[np.isfinite(values)]
    yield "missing", float("nan")
    if not values.size:
        return
    low, high = float(values.min()), float(values.max())
    whole = bool((values == np.floor(values)).all())
    if whole:
        yield "a fraction", float(np.median(values)) // 1 + 0.5
    reach = max(1.0, np.floor(high - low)) if whole else high - low or 1.0
    yield "a value beyond training's", high + reach
    yield "a value beyond training's", low - reach


def _series(cells: list[Any], known: "pd.Series[Any]") -> "pd.Series[Any]":
    """The cells in the column's type, or in float64 where that cannot hold a fraction or a missing value."""
    if isinstance(known.dtype, pd.CategoricalDtype):
        labels = set(known.dtype.categories)  # what is no category is a missing value to a category column
        return pd.Series([cell if cell in labels else None for cell in cells], dtype=known.dtype)
    if pd.api.types.is_numeric_dtype(known) or pd.api.types.is_bool_dtype(known):
        return pd.Series(cells, dtype="float32" if known.dtype == np.float32 else "float64")
    return pd.Series(cells, dtype=known.dtype)
