"""The three ways to ask: `plain` (``/predict``), `v1`, `v2`. Each decodes, asks the service, encodes.

It imports `models`, `predict`, `rows`; of the library `protocol`; from outside `msgspec`, `numpy`.
Pure, save for the service that it asks.
"""

from typing import Any, Protocol, TypeAlias

__all__ = ["Answer", "Handler", "Headers", "Route", "Single"]

Headers: TypeAlias = list[tuple[bytes, bytes]]
Answer: TypeAlias = tuple[bytes, int, Headers]
"""The answer's body, the rows it is for, and headers other than content type and length."""
Single: TypeAlias = tuple[tuple[Any, ...], Any]
"""A request's only row, and what its answer needs to know of the request."""


class Handler(Protocol):
    """From a request's body and headers to the answer; raises `Refusal`."""

    async def __call__(self, body: bytes, headers: Headers) -> Answer:
        """Answer one request on the event loop."""

    async def large(self, body: bytes, headers: Headers) -> Answer:
        """Answer one whose body takes long to read: in a thread, in parts that leave the loop its turns."""

    def read_one(self, body: bytes, headers: Headers) -> Single | None:
        """Read a request of one row that a quick model takes; None for any other, which is called."""

    def write_one(self, label: Any, score: float, time_ns: int, asked: Any) -> bytes:
        """Write the answer of such a request as JSON: prediction, drift score, when, what `read_one` gave."""


Route: TypeAlias = tuple[str, Handler]
"""A protocol's name and its handler."""
