"""Micro-batching: rows of many requests in one call, and nobody fails for another's row."""

import asyncio
import threading
from collections.abc import Callable

import numpy as np
import pytest
from tidegauge_serving.models import Predictions
from tidegauge_serving.predict.batching import Batcher
from tidegauge_serving.predict.blame import Blame
from tidegauge_serving.predict.engine import INLINE_SECONDS, Engine, Speed, accepted_missing, measure
from tidegauge_serving.rows.refusal import Refusal
from tidegauge_serving.rows.schema import Block


class SlowModel:
    """Adds 1; waits for the gate in each call, and refuses negative numbers."""

    one = many = None

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.calls: list[int] = []
        self.threads: set[str] = set()

    def predict(self, block: Block) -> Predictions:
        self.threads.add(threading.current_thread().name)
        self.calls.append(len(block))
        assert self.gate.wait(10)
        if (block.values < 0).any():
            raise ValueError("negative")
        return Predictions(block.values[:, 0] + 1)


def block(*values: float) -> Block:
    return Block(np.array(values, dtype=float).reshape(-1, 1), {})


def run(check: Callable[[SlowModel, Batcher], object], rows: int = 8, wait: float = 0.0) -> None:
    async def main() -> None:
        model = SlowModel()
        batcher = Batcher(model.predict, rows, wait)
        try:
            await check(model, batcher)
        finally:
            batcher.close()

    asyncio.run(main())


def test_requests_that_come_together_are_predicted_together() -> None:
    async def check(model: SlowModel, batcher: Batcher) -> None:
        found = await asyncio.gather(*(batcher.submit(block(i, 10 * i)) for i in range(4)))
        assert [p.labels.tolist() for p in found] == [[1, 1], [2, 11], [3, 21], [4, 31]]
        assert model.calls == [8]

    run(check)


def test_rows_gather_while_a_call_runs_and_a_batch_keeps_its_size() -> None:
    async def check(model: SlowModel, batcher: Batcher) -> None:
        model.gate.clear()
        first = batcher.submit(block(*range(8)))
        later = [batcher.submit(block(i, i, i)) for i in range(5)]
        await asyncio.sleep(0)
        model.gate.set()
        await first
        found = await asyncio.gather(*later)
        assert [p.labels.tolist() for p in found] == [[i + 1] * 3 for i in range(5)]
        assert model.calls == [8, 6, 6, 3]

    run(check)


def test_a_request_larger_than_a_batch_is_predicted_alone() -> None:
    async def check(model: SlowModel, batcher: Batcher) -> None:
        found = await asyncio.gather(batcher.submit(block(*range(20))), batcher.submit(block(5)))
        assert [len(p.labels) for p in found] == [20, 1]
        assert model.calls == [20, 1]

    run(check)


def test_a_row_that_the_model_refuses_fails_only_its_own_request() -> None:
    async def check(model: SlowModel, batcher: Batcher) -> None:  # noqa: ARG001
        found = await asyncio.gather(
            batcher.submit(block(1)),
            batcher.submit(block(-1)),
            batcher.submit(block(2)),
            return_exceptions=True,
        )
        assert found[0].labels.tolist() == [2]
        assert isinstance(found[1], ValueError)
        assert found[2].labels.tolist() == [3]

    run(check)


def test_the_event_loop_goes_on_while_a_slow_model_runs() -> None:
    async def check(model: SlowModel, batcher: Batcher) -> None:
        model.gate.clear()
        future = batcher.submit(block(1))
        for _ in range(100):
            await asyncio.sleep(0.001)
        assert not future.done()
        model.gate.set()
        assert (await future).labels.tolist() == [2]
        assert model.threads == {"predict_0"}

    run(check)


def test_a_client_that_went_away_harms_nobody() -> None:
    async def check(model: SlowModel, batcher: Batcher) -> None:
        model.gate.clear()
        gone, there = batcher.submit(block(1)), batcher.submit(block(2))
        await asyncio.sleep(0.01)
        gone.cancel()
        model.gate.set()
        assert (await there).labels.tolist() == [3]

    run(check)


def test_a_fast_model_is_asked_on_the_loop_and_its_large_blocks_in_the_thread() -> None:
    async def check(model: SlowModel, batcher: Batcher) -> None:
        engine = Engine(model, Speed(call_seconds=INLINE_SECONDS / 2, row_seconds=100e-6), batcher)
        assert engine.inline_rows == 10
        await engine.predict(block(*range(10)))
        assert model.threads == {threading.current_thread().name}
        await engine.predict(block(*range(11)))
        assert "predict_0" in model.threads
        slow = Engine(model, Speed(call_seconds=INLINE_SECONDS * 2, row_seconds=0.0), batcher)
        assert slow.inline_rows == 0
        fastest = Engine(model, Speed(call_seconds=1e-6, row_seconds=0.0), batcher)
        assert fastest.inline_rows == 4_096, "what was measured says nothing of a million rows"

    run(check, rows=64)


def test_the_model_s_own_refusal_is_the_client_s_fault() -> None:
    async def check(model: SlowModel, batcher: Batcher) -> None:
        for speed in (Speed(1e-6, 1e-6), Speed(1.0, 1.0)):
            with pytest.raises(Refusal, match="negative") as caught:
                await Engine(model, speed, batcher).predict(block(-1))
            assert caught.value.reason == "model_refused"

    run(check)


class Lonely:
    """Refuses negative numbers; each call waits a moment for a second one to come in beside it."""

    one = many = None

    def __init__(self) -> None:
        self.calls = 0
        self.threads: set[str] = set()
        self.overlapped = threading.Event()
        self._inside = threading.Semaphore(1)

    def predict(self, block: Block) -> Predictions:
        self.calls += 1
        self.threads.add(threading.current_thread().name)
        alone = self._inside.acquire(blocking=False)
        if not alone:
            self.overlapped.set()
        self.overlapped.wait(0.01)
        if alone:
            self._inside.release()
        if (block.values < 0).any():
            raise ValueError("negative")
        return Predictions(block.values[:, 0])


@pytest.mark.parametrize("refused", [[(-1.0,)], [(-1.0,), (-2.0,)], [(*range(20), -3.0)]])
def test_the_search_for_a_refused_value_never_overlaps_a_prediction(refused: list[tuple[float, ...]]) -> None:
    async def main() -> None:
        model = Lonely()
        batcher = Batcher(model.predict, 8, 0.0)
        engine = Engine(model, Speed(1.0, 1.0), batcher, Blame(model.predict, block(1), ["x"]))
        asked = [*(block(*values) for values in refused), *(block(i) for i in range(30))]
        found = await asyncio.gather(*map(engine.predict, asked), return_exceptions=True)
        more = asyncio.gather(*(engine.predict(block(i)) for i in range(5)))
        assert all("feature 'x' is -" in str(each) for each in found[: len(refused)])
        assert [len(each.labels) for each in [*found[len(refused) :], *await more]] == [1] * 35
        assert not model.overlapped.is_set()
        assert model.threads == {"predict_0"}
        assert model.calls > 10
        batcher.close()

    asyncio.run(main())


def test_speed_is_measured_by_the_given_clock() -> None:
    now = [0.0]

    class Model(SlowModel):
        def predict(self, block: Block) -> Predictions:
            now[0] += 0.01 + 0.001 * len(block)
            return super().predict(block)

    speed = measure(Model(), block(1), lambda: now[0])
    assert speed.call_seconds == pytest.approx(0.011)
    assert speed.row_seconds == pytest.approx(0.001)


def test_a_model_is_asked_which_values_may_be_missing() -> None:
    class Model:
        one = many = None

        def predict(self, block: Block) -> Predictions:
            if np.isnan(block.values[:, 1]).any():
                raise ValueError("no second value")
            return Predictions(block.values[:, 0] * 0 + block.values[:, 2] ** 0)

    example = Block(np.ones((1, 4)), {})
    assert accepted_missing(Model(), example, [True] * 4) == (False, False, True, True)
    assert accepted_missing(Model(), example, [False, False, True, False]) == (False, False, True, False)
