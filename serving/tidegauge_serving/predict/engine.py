"""Where predictions run: on the event loop if that is measured fast, else batched in a worker thread."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np

from tidegauge_serving.models import Label, Model, Predictions
from tidegauge_serving.models.base import require_number, require_numbers
from tidegauge_serving.predict.batching import Batcher
from tidegauge_serving.predict.blame import refused
from tidegauge_serving.rows.refusal import Refusal
from tidegauge_serving.rows.schema import Block

__all__ = [
    "INLINE_BLOCK_SECONDS",
    "INLINE_SECONDS",
    "Engine",
    "Speed",
    "accepted_missing",
    "measure",
    "together",
]

INLINE_SECONDS: Final = 200e-6  # a model at most this slow for one row is asked on the event loop
INLINE_BLOCK_SECONDS: Final = 1e-3  # longer blocks go to the worker thread even then
_PROBE_ROWS: Final = 64
_MOST_INLINE_ROWS: Final = 64 * _PROBE_ROWS  # what was measured says nothing of a million rows
_PROBE_CALLS: Final = 15
MOST_TOGETHER: Final = 16
"""Rows of different requests that are predicted by one call on the event loop."""
Together: TypeAlias = Callable[[Sequence[tuple[float, ...]]], list[Label]]


@dataclass(frozen=True, slots=True)
class Speed:
    """A model's measured time: one row, and each further row of a block."""

    call_seconds: float
    row_seconds: float

    @property
    def inline_rows(self) -> int:
        """Rows of the largest block that is predicted on the event loop; 0 for none."""
        if self.call_seconds > INLINE_SECONDS:
            return 0
        rows = 1 + int((INLINE_BLOCK_SECONDS - self.call_seconds) / max(self.row_seconds, 1e-9))
        return min(rows, _MOST_INLINE_ROWS)


def measure(model: Model, example: Block, clock: Callable[[], float]) -> Speed:
    """Return times of the model at the example row, alone and as a block of 64: the least of several calls.

    Parameters
    ----------
    model
        The model; this is also its warm-up.
    example
        One row that it predicts.
    clock
        In seconds, as `time.perf_counter`.
    """
    many = Block.join([example] * _PROBE_ROWS)
    one_seconds = _least_seconds(model, example, clock)
    many_seconds = _least_seconds(model, many, clock)
    return Speed(one_seconds, max(0.0, many_seconds - one_seconds) / (_PROBE_ROWS - 1))


def _least_seconds(model: Model, block: Block, clock: Callable[[], float]) -> float:
    model.predict(block)  # the first call allocates
    times = []
    for _ in range(_PROBE_CALLS):
        start = clock()
        model.predict(block)
        times.append(clock() - start)
    return min(times)


def together(model: Model, example: Block) -> Together | None:
    """Return the model's way to predict several rows at once, if it changes no bit of any answer.

    A row's answer must not depend on what arrives with it: a sum may be taken in another order for several
    rows. Asked at rows around the example.
    """
    if model.one is None or model.many is None or example.texts:
        return None
    first = example.values[0]
    rows = [tuple((factor * (first + 1.0)).tolist()) for factor in np.linspace(0.5, 1.5, MOST_TOGETHER)]
    try:
        alone = [model.one(row) for row in rows]
        same = all(model.many(rows[:n]) == alone[:n] for n in range(2, MOST_TOGETHER + 1))
    except Exception:  # it need not take such rows
        return None
    return model.many if same else None


def accepted_missing(model: Model, example: Block, candidates: Sequence[bool]) -> tuple[bool, ...]:
    """Return for each feature whether the model predicts the example row without it.

    Parameters
    ----------
    model
        The model.
    example
        One row that it predicts.
    candidates
        Features to try; the others are not accepted.
    """
    found = _try_without(model, example, [at for at, asked in enumerate(candidates) if asked])
    return tuple(at in found for at in range(len(candidates)))


def _try_without(model: Model, example: Block, features: list[int]) -> set[int]:
    """One block with a row per feature; if the model raises at it, its two halves."""
    if not features:
        return set()
    try:
        labels = model.predict(Block.join([_without(example, at) for at in features])).labels
    except Exception:  # a model says in its own words that it takes no missing value
        if len(features) == 1:
            return set()
        half = len(features) // 2
        return _try_without(model, example, features[:half]) | _try_without(model, example, features[half:])
    usable = np.isfinite(labels) if labels.dtype.kind == "f" else np.ones(len(labels), bool)
    return {at for at, fine in zip(features, usable, strict=True) if fine}


def _without(example: Block, at: int) -> Block:
    values = example.values.copy()
    values[0, at] = np.nan
    texts = {key: [None] if key == at else column for key, column in example.texts.items()}
    return Block(values, texts)


class Engine:
    """Predicts, and decides where.

    Parameters
    ----------
    model
        The model.
    speed
        As measured.
    batcher
        Predicts in the worker thread.
    blame
        From rows and what the model raised at them to the refusal; it may ask the model again.
    together
        Predicts several rows of numbers on the event loop with the labels that `one` gives them, if anything.
    """

    def __init__(
        self,
        model: Model,
        speed: Speed,
        batcher: Batcher,
        blame: Callable[[Block, Exception], Refusal] | None = None,
        together: Together | None = None,
    ) -> None:
        self.inline_rows = speed.inline_rows
        self.one = model.one if self.inline_rows else None
        self._together = together
        self._model = model
        self._batcher = batcher
        self._blame = blame or (lambda _, error: refused(error))

    async def predict(self, block: Block) -> Predictions:
        """Predict a block; raises `Refusal` for rows that the model itself refuses."""
        try:
            if len(block) <= self.inline_rows:
                found = self._model.predict(block)
            else:
                found = await self._batcher.submit(block)
            require_numbers(found.labels)
        except Refusal:  # it names the value already
            raise
        except Exception as error:  # models raise whatever they like
            raise await self._batcher.run(self._blame, block, error) from error
        return found

    def predict_one(self, values: tuple[float, ...]) -> Label:
        """Predict one row of numbers at once; only where `one` is there."""
        assert self.one is not None
        try:
            label = self.one(values)
            require_number(label)  # type: ignore[arg-type]  # this way has numbers only
        except Exception as error:
            raise self._blame(Block(np.array([values], dtype=np.float64), {}), error) from error
        return label

    def predict_rows(self, rows: Sequence[tuple[float, ...]]) -> list[Label]:
        """Predict several rows of numbers at once; only where `one` is there."""
        assert self.one is not None
        found: list[Label] = []
        if self._together is None or len(rows) == 1:
            found = [self.one(row) for row in rows]
        else:
            for start in range(0, len(rows), MOST_TOGETHER):
                found += self._together(rows[start : start + MOST_TOGETHER])
        for label in found:
            require_number(label)  # type: ignore[arg-type]  # this way has numbers only
        return found

    def close(self) -> None:
        """End the worker thread."""
        self._batcher.close()
