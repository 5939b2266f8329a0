"""Rows as people bring them, counted: frames, arrays, lists of dicts, files."""

from typing import Any

import numpy as np

from tidegauge.counting.counts import Accumulator, Counts
from tidegauge.data.frames import RowReader, stream_of
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
    reader = RowReader(profile, prediction)
    for part in parts:
        accumulator.add_columns(reader.read(part))
    reader.warn()
    return accumulator.counts()
