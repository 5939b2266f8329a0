"""The three ways to ask: `plain` (``/predict``), `v1`, `v2`. Each decodes, asks the service, encodes."""

from typing import Protocol, TypeAlias

__all__ = ["Answer", "Handler", "Headers"]

Headers: TypeAlias = list[tuple[bytes, bytes]]
Answer: TypeAlias = tuple[bytes, int, Headers]
"""The answer's body, the rows it is for, and headers other than content type and length."""


class Handler(Protocol):
    """From a request's body and headers to the answer; raises `Refusal`."""

    async def __call__(self, body: bytes, headers: Headers) -> Answer:
        """Answer one request on the event loop."""

    async def large(self, body: bytes, headers: Headers) -> Answer:
        """Answer one whose body takes long to read: in a thread, in parts that leave the loop its turns."""
