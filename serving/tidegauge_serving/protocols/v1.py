"""V1 prediction protocol: ``{"instances": [...]}`` to ``{"predictions": [...]}``."""

from typing import Any

import msgspec

from tidegauge_serving.models import Label
from tidegauge_serving.predict.service import Service
from tidegauge_serving.protocols import Answer, Headers, Single
from tidegauge_serving.protocols.answers import V1Answer
from tidegauge_serving.protocols.parameters import Parameters, named_probabilities, require_probabilities
from tidegauge_serving.rows.chunking import encode_list, first_of, list_parts
from tidegauge_serving.rows.diagnostics import diagnose
from tidegauge_serving.rows.refusal import Refusal
from tidegauge_serving.rows.schema import Block

__all__ = ["V1", "Request"]


class Request(msgspec.Struct):
    """A request; its rows are read by the model's schema."""

    instances: msgspec.Raw
    parameters: Parameters | None = None


class V1:
    """The protocol over one service."""

    name = "v1"

    def __init__(self, service: Service) -> None:
        self._service = service
        self._decoder = msgspec.json.Decoder(Request)
        self._encode = msgspec.json.Encoder().encode

    async def __call__(self, body: bytes, headers: Headers) -> Answer:  # noqa: ARG002
        """Answer one request."""
        block, asks_probabilities = self._read(body)
        answered = await self._service.answer(block)
        labels = answered.predictions.labels.tolist()
        if not asks_probabilities:
            return self._encode(V1Answer(labels)), len(labels), []
        answered.predictions.require_probabilities()
        probabilities = answered.predictions.probabilities
        more = named_probabilities(self._service, None if probabilities is None else probabilities.tolist())
        return self._encode(V1Answer(labels, **more)), len(labels), []

    async def large(self, body: bytes, headers: Headers) -> Answer:  # noqa: ARG002
        """Answer one request of a long body."""
        in_thread = self._service.in_thread
        block, asks_probabilities = await in_thread(self._read_large, body)
        answered = await self._service.answer(block)
        labels = answered.predictions.labels
        document: dict[str, Any] = {"predictions": await in_thread(encode_list, labels)}
        if asks_probabilities:
            answered.predictions.require_probabilities()
            probabilities = await in_thread(encode_list, answered.predictions.probabilities)
            document |= named_probabilities(self._service, probabilities)
        return self._encode(V1Answer(**document)), len(labels), []

    def read_one(self, body: bytes, headers: Headers) -> Single | None:  # noqa: ARG002
        """Read a request of one row without wishes."""
        if not self._service.is_quick:
            return None
        row = self._service.schema.decode_only_row(body)
        return None if row is None else (row, None)

    def write_one(self, label: Label, score: float, time_ns: int, asked: None) -> bytes:  # noqa: ARG002
        """Write the answer."""
        return self._encode(V1Answer([label]))

    def _read(self, body: bytes) -> tuple[Block, bool]:
        """The rows, and whether the request asks for probabilities."""
        try:
            request = self._decoder.decode(body)
            return self._rows(request.instances), self._asks_probabilities(request)
        except Exception as error:  # whatever reading raises, the request caused it
            raise diagnose(self._service.schema, body, error, "instances") from None

    def _read_large(self, body: bytes) -> tuple[Block, bool]:
        blocks: list[Block] = []
        try:
            request = self._decoder.decode(body)
            asks_probabilities = self._asks_probabilities(request)
            kind = first_of(request.instances)
            for part in list_parts(request.instances):
                if first_of(part) != kind:
                    return self._read(body)
                blocks.append(self._part(part, sum(map(len, blocks))))
        except Refusal:
            raise
        except Exception:  # no list, or cut inside a text
            return self._read(body)
        return Block.join(blocks), asks_probabilities

    def _asks_probabilities(self, request: Request) -> bool:
        if request.parameters is None or not request.parameters.probabilities:
            return False
        require_probabilities(self._service)
        return True

    def _part(self, part: bytes, rows_before: int) -> Block:
        try:
            return self._rows(part)
        except msgspec.ValidationError as error:
            text = b'{"instances":%b}' % part
            raise diagnose(self._service.schema, text, error, "instances", rows_before) from None

    def _rows(self, instances: bytes | msgspec.Raw) -> Block:
        rows = self._service.schema.decode_rows(instances)
        if not rows:
            raise Refusal("empty_batch", "instances is empty: it must hold at least one row")
        return self._service.schema.block(rows)
