"""Rows as people bring them, counted: frames, arrays, lists of dicts, files."""

import warnings
from collections import Counter
from typing import Any

import numpy as np

from tidegauge.counting.counts import Accumulator, Counts
from tidegauge.data.frames import feature_columns, stream_of
from tidegauge.data.sources import chunks_of, is_path, reading_for
from tidegauge.profile.profile import Profile

__all__ = ["count_rows"]


def count_rows(profile: Profile, rows: Any, prediction: Any = None) -> Counts:
    """Count a frame, an array or a list of dicts; see `Profile.count`."""
    accumulator = Accumulator(profile)
    numeric = all(feature.kind == "numeric" for feature in profile.monitored)
    if numeric and prediction is None and isinstance(rows, np.ndarray) and rows.dtype.kind == "f":
        accumulator.add(rows)
        return accumulator.counts()
    named = prediction if isinstance(prediction, str) else None
    parts = chunks_of(rows, reading_for(profile, named)) if is_path(rows) else stream_of(rows) or (rows,)
    lost: Counter[str] = Counter()
    for chunk in parts:
        accumulator.add_columns(feature_columns(profile, chunk, prediction, lost))
    for name, values in (+lost).items():
        what = "1 value that is no number" if values == 1 else f"{values} values that are no numbers"
        warnings.warn(
            f"column {name!r} holds {what}, counted as missing: write numbers, or leave the values out",
            stacklevel=3,
        )
    return accumulator.counts()
