"""V1 prediction protocol: ``{"instances": [...]}`` to ``{"predictions": [...]}``."""

from typing import Any

import msgspec

from tidegauge_serving.explain import explain
from tidegauge_serving.protocols import Answer, Headers
from tidegauge_serving.refusal import Refusal
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
        rows = self._decode(body)
        if not rows:
            raise Refusal("empty_batch", "instances is empty: it must hold at least one row")
        answered = await self._service.answer(self._service.schema.block(rows))
        labels = answered.predictions.labels.tolist()
        return self._encode({"predictions": labels}), len(rows), []

    def _decode(self, body: bytes) -> list[tuple[Any, ...]]:
        try:
            return self._service.schema.decode_rows(self._decoder.decode(body).instances)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise explain(self._service.schema, body, error, "instances") from None
