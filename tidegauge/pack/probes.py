"""Rows that training did not have: what a client may send and a training table does not show.

Each row of a probe is a row of the training data with one value changed.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from tidegauge.pack.inputs import Column, Training

__all__ = ["UNSEEN_TEXT", "Kind", "Probe", "probes", "whole_rows"]

UNSEEN_TEXT: Final = "a text that training did not have"
MAX_FEATURES: Final = 250  # of wider tables so many are probed, evenly spread: they tell of a kind of column
FEW_FEATURES: Final = 40  # up to here each value is tried in three rows
MOST_FREQUENT: Final = (
    8  # values of training whose neighbours are tried, beside the least, middle and largest
)
FAR: Final = (1e20, 1e30, -1e30)  # their squares are past float32's range
PAST_FLOAT32: Final = 1e39
Kind = Literal[
    "missing",
    "an unseen text",
    "the empty text",
    "a fraction",
    "a value beyond training's",
    "a value beside one of training's",
    "a value between two of training's",
    "one of the model's parameters or a value beside it",
    "a value far beyond training's",
    "a value past float32's range",
]


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
    """Return positions of the first, the middle and the last row without a missing or infinite value."""
    numbers = frame.select_dtypes("number").to_numpy(dtype=np.float64, na_value=np.nan)
    whole = frame.notna().all(axis=1).to_numpy() & ~np.isinf(numbers).any(axis=1)
    found = np.flatnonzero(whole)
    if not found.size:
        return [0]
    return sorted({int(found[0]), int(found[len(found) // 2]), int(found[-1])})


def probes(training: Training, parameters: Sequence[float] = ()) -> list[Probe]:
    """Return a probe for each feature, for those of a wide table's that are spread over it.

    Parameters
    ----------
    training
        The rows that the probes begin with.
    parameters
        Numbers that the model was made with: one may be a threshold or a missing value.
    """
    count = len(training.columns)
    chosen = np.unique(np.linspace(0, count - 1, min(count, MAX_FEATURES)).astype(int))
    few = count <= FEW_FEATURES
    rows = whole_rows(training.frame)
    bases = training.frame.iloc[rows if few else rows[:1]]
    frequent = MOST_FREQUENT if few else 1
    return [_probe(training.columns[at], training.frame, bases, frequent, parameters) for at in chosen]


def _probe(
    column: Column, frame: pd.DataFrame, bases: pd.DataFrame, frequent: int, parameters: Sequence[float]
) -> Probe:
    known = frame[column.name]
    cases = list(_texts(known) if column.kind == "categorical" else _numbers(known))
    tried = [(kind, value, at) for kind, value in cases for at in range(len(bases))]
    if column.kind == "numeric" and column.type != "boolean":
        rare = _rare_numbers(known, frequent, parameters)
        tried += [(kind, value, at % len(bases)) for at, (kind, value) in enumerate(rare)]
    rows = bases.iloc[[at for *_, at in tried]].reset_index(drop=True)
    rows[column.name] = _series([value for _, value, _ in tried], known)
    return Probe(column.name, tuple(kind for kind, *_ in tried), rows)


def _texts(known: "pd.Series[Any]") -> Iterator[tuple[Kind, str | None]]:
    yield "missing", None
    yield "an unseen text", UNSEEN_TEXT
    if not (known == "").any():
        yield "the empty text", ""


def _numbers(known: "pd.Series[Any]") -> Iterator[tuple[Kind, float]]:
    values = _finite(known)
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


def _finite(known: "pd.Series[Any]") -> npt.NDArray[np.float64]:
    values = known.to_numpy(dtype=np.float64, na_value=np.nan)
    finite: npt.NDArray[np.float64] = values[np.isfinite(values)]
    return finite


def _rare_numbers(
    known: "pd.Series[Any]", frequent: int, parameters: Sequence[float]
) -> list[tuple[Kind, float]]:
    """Numbers that float64 tells from their neighbours or squares, and float32 does not."""
    values = _finite(known)
    if not values.size:
        return []
    far = _each("a value far beyond training's", FAR)
    if known.dtype == np.float32:  # which holds none of the others
        return far
    found = np.unique(values)
    marks, held = _marks(values, frequent), _within(parameters, found)
    middles = (found[:-1] + found[1:]) * 0.5  # trees have their thresholds there
    middles = middles[np.isin(found[:-1], marks)]
    return [
        *_each("a value beside one of training's", _beside(marks)),
        *_each("one of the model's parameters or a value beside it", [*held, *_beside(held)]),
        *_each("a value between two of training's", [*middles, *np.nextafter(middles, np.inf)]),
        *far,
        ("a value past float32's range", PAST_FLOAT32),
    ]


def _each(kind: Kind, values: Iterable[float]) -> list[tuple[Kind, float]]:
    return [(kind, float(value)) for value in values]


def _beside(marks: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    near = marks + 1e-9 * np.abs(marks)
    return np.concatenate([np.nextafter(marks, np.inf), np.nextafter(marks, -np.inf), near])


def _within(parameters: Sequence[float], found: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.unique([each for each in parameters if found[0] <= each <= found[-1]])


def _marks(values: npt.NDArray[np.float64], frequent: int) -> npt.NDArray[np.float64]:
    """Some values of training: those that are there most often, the least, the middle and the largest."""
    found, counts = np.unique(values, return_counts=True)
    often = found[np.argsort(-counts, kind="stable")[:frequent]]
    if frequent == 1:
        return often
    middle = np.sort(values)[len(values) // 2]
    return np.unique([*often[np.isin(often, found[counts > 1])], found[0], middle, found[-1]])


def _series(cells: list[Any], known: "pd.Series[Any]") -> "pd.Series[Any]":
    """The cells in the column's type, or in float64 where that cannot hold a fraction or a missing value."""
    if isinstance(known.dtype, pd.CategoricalDtype):
        labels = set(known.dtype.categories)  # what is no category is a missing value to a category column
        return pd.Series([cell if cell in labels else None for cell in cells], dtype=known.dtype)
    if pd.api.types.is_numeric_dtype(known) or pd.api.types.is_bool_dtype(known):
        return pd.Series(cells, dtype="float32" if known.dtype == np.float32 else "float64")
    return pd.Series(cells, dtype=known.dtype)
