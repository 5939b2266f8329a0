"""Whose fault it is that a model raised: the input's, and which value's, or the server's own."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tidegauge.errors import BundleError
from tidegauge_serving.models import Predictions
from tidegauge_serving.models.base import require_numbers
from tidegauge_serving.rows.refusal import Refusal, model_failed
from tidegauge_serving.rows.schema import Block

__all__ = ["Blame", "refused"]


class Blame:
    """Finds the value that a model does not take, by asking it again.

    The model failed by itself if it fails at its own example too, or answers when it is asked once more.

    Parameters
    ----------
    predict
        The model's.
    example
        One row that it answered when it was loaded.
    names
        The features' names.
    """

    def __init__(self, predict: Callable[[Block], Predictions], example: Block, names: Sequence[str]) -> None:
        self._predict = predict
        self._example = example
        self._names = names

    def __call__(self, block: Block, error: Exception) -> Refusal:
        """The refusal of a block at which the model raised `error`."""
        if isinstance(error, Refusal):
            return error
        if isinstance(error, BundleError | MemoryError) or self._fails(self._example):
            return model_failed(error)
        row = self._failing_row(block)
        if row is None:
            return model_failed(error)
        at = self._failing_feature(row)
        words = _words(error)
        if at is None:
            return Refusal(
                "model_refused", f"the model refused this input{words or ': it takes no such row'}"
            )
        return Refusal("model_refused", f"feature {self._names[at]!r} {_value(row, at)}{words}")

    def _fails(self, block: Block) -> bool:
        try:
            require_numbers(self._predict(block).labels)
        except Exception:  # models raise whatever they like
            return True
        return False

    def _failing_row(self, block: Block) -> Block | None:
        """A row at which the model raises, found by halves; None if it answers now."""
        while len(block) > 1:
            half = len(block) // 2
            block = block[:half] if self._fails(block[:half]) else block[half:]
        return block if self._fails(block) else None

    def _failing_feature(self, row: Block) -> int | None:
        """The feature whose value alone, in the example, makes the model raise; found by halves."""
        features = list(range(len(self._names)))
        while len(features) > 1:
            half = len(features) // 2
            parts = (features[:half], features[half:])
            found = next((part for part in parts if self._fails(self._mixed(row, part))), None)
            if found is None:
                return None
            features = found
        return features[0]

    def _mixed(self, row: Block, features: Sequence[int]) -> Block:
        """The example with the row's values of some features."""
        values = self._example.values.copy()
        values[0, features] = row.values[0, features]
        texts = {at: (row if at in features else self._example).texts[at] for at in self._example.texts}
        return Block(values, texts)


def refused(error: Exception) -> Refusal:
    """Return the refusal for what a model raised, where it cannot be asked again.

    ``ValueError`` and ``TypeError`` are its answer to the input; anything else is its failure.
    """
    if isinstance(error, Refusal):
        return error
    if isinstance(error, BundleError) or not isinstance(error, ValueError | TypeError):
        return model_failed(error)
    return Refusal("model_refused", f"the model refused this input{_words(error)}")


def _value(row: Block, at: int) -> str:
    value: Any = row.texts[at][0] if at in row.texts else float(row.values[0, at])
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return "is missing, and the model refused the row"
    shown = f"{value:g}" if isinstance(value, float) else repr(str(value)[:100])
    return f"is {shown}, which the model refused"


def _words(error: Exception) -> str:
    """The model's own words, where it raised what Python has for a wrong value."""
    return f": {' '.join(str(error).split())[:300]}" if isinstance(error, ValueError | TypeError) else ""
