"""The three ways to ask: `plain` (``/predict``), `v1`, `v2`. Each decodes, asks the service, encodes."""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

__all__ = ["Answer", "Handler", "Headers"]

Headers: TypeAlias = list[tuple[bytes, bytes]]
Answer: TypeAlias = tuple[bytes, int, Headers]
"""The answer's body, the rows it is for, and headers other than content type and length."""
Handler: TypeAlias = Callable[[bytes, Headers], Awaitable[Answer]]
"""From a request's body and headers to the answer; raises `Refusal`."""
