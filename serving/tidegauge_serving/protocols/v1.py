"""V1 prediction protocol: ``{"instances": [...]}`` to ``{"predictions": [...]}``."""

import msgspec

from tidegauge_serving.explain import explain
from tidegauge_serving.parts import encode_list, first_of, list_parts
from tidegauge_serving.protocols import Answer, Headers
from tidegauge_serving.refusal import Refusal
from tidegauge_serving.schema import Block
from tidegauge_serving.service import Service

__all__ = ["V1"]


class _Request(msgspec.Struct):
    instances: msgspec.Raw


class V1:
    """The protocol over one service."""

    name = "v1"

    def __init__(self, service: Service) -> None:
        self._service = service
        self._decoder = msgspec.json.Decoder(_Request)
        self._encode = msgspec.json.Encoder().encode

    async def __call__(self, body: bytes, headers: Headers) -> Answer:  # noqa: ARG002
        """Answer one request."""
        answered = await self._service.answer(self._block(body))
        labels = answered.predictions.labels.tolist()
        return self._encode({"predictions": labels}), len(labels), []

    async def large(self, body: bytes, headers: Headers) -> Answer:  # noqa: ARG002
        """Answer one request of a long body."""
        answered = await self._service.answer(await self._service.aside(self._large_block, body))
        labels = answered.predictions.labels
        predictions = await self._service.aside(encode_list, labels)
        return self._encode({"predictions": predictions}), len(labels), []

    def _block(self, body: bytes) -> Block:
        try:
            return self._rows(self._decoder.decode(body).instances)
        except Exception as error:  # whatever reading raises, the request caused it
            raise explain(self._service.schema, body, error, "instances") from None

    def _large_block(self, body: bytes) -> Block:
        blocks: list[Block] = []
        try:
            instances = self._decoder.decode(body).instances
            kind = first_of(instances)
            for part in list_parts(instances):
                if first_of(part) != kind:
                    return self._block(body)
                blocks.append(self._part(part, sum(map(len, blocks))))
        except Refusal:
            raise
        except Exception:  # no list, or cut inside a text
            return self._block(body)
        return Block.join(blocks)

    def _part(self, part: bytes, rows_before: int) -> Block:
        try:
            return self._rows(part)
        except msgspec.ValidationError as error:
            text = b'{"instances":%b}' % part
            raise explain(self._service.schema, text, error, "instances", rows_before) from None

    def _rows(self, instances: bytes | msgspec.Raw) -> Block:
        rows = self._service.schema.decode_rows(instances)
        if not rows:
            raise Refusal("empty_batch", "instances is empty: it must hold at least one row")
        return self._service.schema.block(rows)
