"""One model ready to answer: predict, score, leave the rows in the log.

Protocols decode before it and encode after it.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt

from tidegauge.counting.row_score import RowScorer
from tidegauge.profile.profile import CategoricalFeature, NumericFeature, Profile
from tidegauge_serving.models import Label, Predictions
from tidegauge_serving.predict.capture import Capture
from tidegauge_serving.predict.engine import Engine
from tidegauge_serving.predict.metrics import ServingMetrics, prediction_histogram
from tidegauge_serving.predict.startup import Loaded
from tidegauge_serving.rows.chunking import SHORT_LIST
from tidegauge_serving.rows.schema import Block, Value

__all__ = ["Answered", "Clock", "Service"]

_T = TypeVar("_T")
_NAN: Final = float("nan")
_PLATFORMS: Final = {  # PROJECT_FORMAT, as the Open Inference Protocol writes them
    "onnx": "onnx_onnxv1",
    "skops": "sklearn_skops",
    "joblib": "sklearn_joblib",
    "xgboost": "xgboost_booster",
    "lightgbm": "lightgbm_booster",
}
Clock = Callable[[], int]  # nanoseconds since the epoch


@dataclass(frozen=True, slots=True)
class Answered:
    """A block's predictions and drift scores, already in the log."""

    predictions: Predictions
    scores: npt.NDArray[np.float64]


class Service:
    """A model, ready.

    Parameters
    ----------
    name
        The model's name in URLs.
    loaded
        The bundle, checked and warmed up.
    engine
        Predicts.
    capture
        The log's writer, or None while nothing is logged.
    metrics
        Counts.
    threshold
        Drift scores above it count as high.
    sample_rate
        Share of rows that go into the log.
    random
        Uniform numbers in [0, 1), for sampling.
    now_ns
        Wall clock in nanoseconds.
    """

    def __init__(
        self,
        name: str,
        loaded: Loaded,
        engine: Engine,
        capture: Capture | None,
        metrics: ServingMetrics,
        *,
        threshold: float,
        sample_rate: float,
        random: Callable[[], float],
        now_ns: Clock,
    ) -> None:
        self.name = name
        self.schema = loaded.schema
        self.metrics = metrics
        metrics.model = name
        self.now_ns = now_ns
        self.classes = loaded.manifest.model.classes
        self.has_probabilities = loaded.has_probabilities
        self.label_datatype = loaded.label_datatype
        self.platform = _PLATFORMS[loaded.manifest.model.format]
        self.example = loaded.manifest.example["features"]
        profile = loaded.profile
        self._engine = engine
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="large-bodies")
        self._score = RowScorer(profile).score
        self._score_rows = RowScorer(profile).score_matrix
        self._capture = capture
        self._threshold = threshold
        self._sample_rate = sample_rate
        self._random = random
        self._prediction_number = _prediction_number(profile)
        self.is_quick = engine.one is not None and not self.schema.categorical
        metrics.predictions = prediction_histogram(profile)
        if capture is not None:
            metrics.capture_counts = lambda: (capture.appended, capture.dropped)
            metrics.log_bytes = capture.log_bytes

    def close(self) -> None:
        """Let go of the worker threads and of the log."""
        self._worker.shutdown(wait=False, cancel_futures=True)
        self._engine.close()
        if self._capture is not None:
            self._capture.close()

    async def in_thread(self, work: Callable[..., _T], *arguments: Any) -> _T:
        """Do what takes long in a thread, one such work at a time: the event loop goes on meanwhile."""
        return await asyncio.get_running_loop().run_in_executor(self._worker, work, *arguments)

    async def answer_row(self, row: tuple[Value, ...]) -> tuple[Label, float, int]:
        """Return prediction, drift score and time in nanoseconds of one decoded row.

        As with `answer`, `commit` must be called before the answer leaves.
        """
        if not self.is_quick:
            answered = await self.answer(self.schema.block([row]))
            return answered.predictions.labels.tolist()[0], float(answered.scores[0]), self.now_ns()
        return self.answer_at_once(row)

    def answer_at_once(self, row: tuple[Value, ...]) -> tuple[Label, float, int]:
        """Return prediction, drift score and time in nanoseconds of one decoded row.

        The row is not in the log yet: `commit` must be called before the answer leaves. So the rows of all
        requests that arrive in one turn of the event loop share one commit.
        """
        values = _with_nan(row)
        return *self._counted(values, self._engine.predict_one(values)), self.now_ns()

    def answer_rows(self, rows: Sequence[tuple[Value, ...]]) -> list[tuple[Label, float] | Exception]:
        """Return prediction and drift score of each row of several requests.

        Its error where the model has one.

        As with `answer_at_once`, `commit` must be called before the answers leave.
        """
        each = [_with_nan(row) for row in rows]
        try:
            labels: Sequence[Label | None] = self._engine.predict_rows(each)
        except Exception:  # of one of them: none fails for another
            labels = [None] * len(each)
        return [self._answered(values, label) for values, label in zip(each, labels, strict=True)]

    def _answered(self, values: tuple[float, ...], label: Label | None) -> tuple[Label, float] | Exception:
        """A row's answer, or what it fails with; the row is predicted alone if it has no label yet."""
        try:
            return self._counted(values, self._engine.predict_one(values) if label is None else label)
        except Exception as error:
            return error

    def _counted(self, values: tuple[float, ...], label: Label) -> tuple[Label, float]:
        """The prediction with the drift score; the row is counted, and staged for the log."""
        score = self._score(values)
        self._record_row(values, label, score)
        return label, score

    def commit(self) -> None:
        """Bring the rows that were answered into the log. Never raises."""
        if self._capture is not None:
            self._capture.commit(self.now_ns())

    async def answer(self, block: Block) -> Answered:
        """Predict a block, count it and leave it in the log, where `commit` brings it at the latest."""
        if self.is_quick and len(block) == 1 and not self.has_probabilities:
            label, score, _ = await self.answer_row(tuple(block.values[0].tolist()))
            return Answered(Predictions(np.array([label])), np.array([score]))
        predictions = await self._engine.predict(block)
        if block.values.size <= SHORT_LIST:
            scores, numbers = self._score_rows(block.values), self._numbers(predictions)
            self._record(block.values, scores, numbers)
        else:
            scores = await self._record_large(block.values, predictions)
        return Answered(predictions, scores)

    async def _record_large(
        self, values: npt.NDArray[np.float64], predictions: Predictions
    ) -> npt.NDArray[np.float64]:
        """Score a large block in a thread; count and log it in parts on the loop, which owns the log."""
        scores = await self.in_thread(self._score_rows, values)
        numbers = await self.in_thread(self._numbers, predictions)
        step = max(1, SHORT_LIST // values.shape[1])
        for start in range(0, len(values), step):
            part = slice(start, start + step)
            self._record(values[part], scores[part], None if numbers is None else numbers[part])
            await asyncio.sleep(0)
        return scores

    def _record(
        self,
        values: npt.NDArray[np.float64],
        scores: npt.NDArray[np.float64],
        numbers: npt.NDArray[np.float64] | None,
    ) -> None:
        metrics = self.metrics
        metrics.rows += len(values)
        metrics.high_rows += int((scores > self._threshold).sum())
        metrics.scores.observe_many(scores)
        if metrics.predictions is not None and numbers is not None:
            metrics.predictions.observe_many(numbers)
        if self._capture is not None:
            rows = values if numbers is None else np.column_stack((values, numbers))
            self._append(self._capture, rows)

    def _record_row(self, values: tuple[float, ...], label: Label, score: float) -> None:
        metrics = self.metrics
        metrics.rows += 1
        metrics.scores.observe(score)
        if score > self._threshold:
            metrics.high_rows += 1
        number = self._prediction_number
        if number is not None:
            value = number(label)
            values = (*values, value)
            if metrics.predictions is not None:
                metrics.predictions.observe(value)
        if self._capture is not None:
            if self._sample_rate < 1.0 and self._random() >= self._sample_rate:
                metrics.unsampled_rows += 1
            else:
                self._capture.stage(values)

    def _append(self, capture: Capture, rows: npt.NDArray[np.float64]) -> None:
        if self._sample_rate < 1.0:
            taken = np.array([self._random() < self._sample_rate for _ in range(len(rows))])
            self.metrics.unsampled_rows += len(rows) - int(taken.sum())
            rows = rows[taken]
        if len(rows):
            capture.append_rows(rows, self.now_ns())

    def _numbers(self, predictions: Predictions) -> npt.NDArray[np.float64] | None:
        """The predictions as the log holds them, None where the profile has no prediction."""
        number = self._prediction_number
        if number is None:
            return None
        if number is float:
            return predictions.labels.astype(np.float64)
        return np.array([number(label) for label in predictions.labels.tolist()])


def _prediction_number(profile: Profile) -> Callable[[Any], float] | None:
    prediction = profile.prediction
    if isinstance(prediction, NumericFeature):
        return float
    return prediction.code if isinstance(prediction, CategoricalFeature) else None


def _with_nan(row: tuple[Value, ...]) -> tuple[float, ...]:
    """A row of numbers, missing ones as NaN."""
    if None not in row:
        return row  # type: ignore[return-value]
    return tuple(_NAN if value is None else value for value in row)  # type: ignore[misc]
