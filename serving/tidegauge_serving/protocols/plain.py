"""``POST /predict``: one row by names, answered with its prediction and drift score."""

from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from tidegauge_serving.models import Label
from tidegauge_serving.predict.service import Service
from tidegauge_serving.protocols import Answer, Headers, Single
from tidegauge_serving.protocols.answers import PredictAnswer
from tidegauge_serving.protocols.parameters import Parameters, named_probabilities, require_probabilities
from tidegauge_serving.rows.diagnostics import diagnose

__all__ = ["Plain", "Wish"]

_PARAMETERS: Final = b'"parameters"'
"""A body without these bytes wishes for nothing, and need not be read for that."""


class Wish(msgspec.Struct):
    """What a request asks for beside its row."""

    parameters: Parameters | None = None


class Plain:
    """The protocol over one service."""

    name = "predict"

    def __init__(self, service: Service) -> None:
        self._service = service
        self._features = len(service.schema.names)
        self._second, self._prefix = -1, ""
        self._wish = msgspec.json.Decoder(Wish)
        self._encode = msgspec.json.Encoder().encode

    async def __call__(self, body: bytes, headers: Headers) -> Answer:  # noqa: ARG002
        """Answer one request."""
        if _PARAMETERS in body and self._asks_probabilities(body):
            return await self._answer_probabilities(self._decode(body))
        return self._answer(*await self._service.answer_row(self._decode(body)))

    async def large(self, body: bytes, headers: Headers) -> Answer:  # noqa: ARG002
        """Answer one request of a long body."""
        row = await self._service.in_thread(self._decode, body)
        if _PARAMETERS in body and self._asks_probabilities(body):
            return await self._answer_probabilities(row)
        return self._answer(*await self._service.answer_row(row))

    def read_one(self, body: bytes, headers: Headers) -> Single | None:  # noqa: ARG002
        """Read a request without wishes."""
        if not self._service.is_quick or _PARAMETERS in body:
            return None
        return self._decode(body), None

    def write_one(self, label: Label, score: float, time_ns: int, asked: None = None) -> bytes:  # noqa: ARG002
        """Write the answer."""
        return self._encode(self._answer_of(label, score, time_ns))

    def _answer(self, label: Label, score: float, time_ns: int) -> Answer:
        return self.write_one(label, score, time_ns), 1, []

    def _answer_of(self, label: Label, score: float, time_ns: int, **more: Any) -> PredictAnswer:
        return PredictAnswer(label, score, self._timestamp(time_ns), self._features, **more)

    def _asks_probabilities(self, body: bytes) -> bool:
        try:
            parameters = self._wish.decode(body).parameters
        except Exception as error:  # whatever reading raises, the request caused it
            raise diagnose(self._service.schema, body, error, "features") from None
        if parameters is None or not parameters.probabilities:
            return False
        require_probabilities(self._service)
        return True

    async def _answer_probabilities(self, row: tuple[Any, ...]) -> Answer:
        service = self._service
        answered = await service.answer(service.schema.block([row]))
        answered.predictions.require_probabilities()
        label = answered.predictions.labels.tolist()[0]
        probabilities = answered.predictions.probabilities
        first = None if probabilities is None else probabilities[0].tolist()
        more = named_probabilities(service, first)
        answer = self._answer_of(label, float(answered.scores[0]), service.now_ns(), **more)
        return self._encode(answer), 1, []

    def _timestamp(self, time_ns: int) -> str:
        """RFC 3339 with microseconds; its part down to the second is made once a second."""
        second, rest = divmod(time_ns, 1_000_000_000)
        if second != self._second:
            self._second = second
            self._prefix = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        return f"{self._prefix}.{rest // 1000:06d}Z"

    def _decode(self, body: bytes) -> tuple[Any, ...]:
        try:
            return self._service.schema.decode_row(body)
        except Exception as error:  # whatever reading raises, the request caused it
            raise diagnose(self._service.schema, body, error, "features") from None
