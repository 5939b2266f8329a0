"""Limits on a client's sizes and times."""

from dataclasses import dataclass

__all__ = ["Limits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of one request, the same on every connection.

    Parameters
    ----------
    body_bytes
        Largest declared length of a body.
    head_bytes
        Largest head: request target, field names and values, and 4 bytes for each field. Trailers count too.
    fields
        Most header fields.
    head_seconds
        Longest time from a head's first byte to its last.
    body_seconds, body_bytes_per_second
        A body may take `body_seconds`, and one second more for each `body_bytes_per_second` that came.
    idle_seconds
        How long a connection stays open between two requests, and before the first.
    linger_seconds
        How long what a refused client still sends is thrown away. Closing at once would reset the answer.
    check_seconds
        Time between two looks at the times above.
    """

    body_bytes: int
    head_bytes: int = 16 << 10
    fields: int = 100
    head_seconds: float = 10.0
    body_seconds: float = 10.0
    body_bytes_per_second: int = 16 << 10
    idle_seconds: float = 75.0
    linger_seconds: float = 5.0
    check_seconds: float = 1.0

    def body_allowance(self, received: int) -> float:
        """Return seconds that a body may have taken when `received` bytes of it are here."""
        return self.body_seconds + received / self.body_bytes_per_second

    @property
    def head_rule(self) -> str:
        """What a head that is too large is answered."""
        rule = f"at most {self.head_bytes} bytes and {self.fields} fields are taken"
        return f"the request's header fields are too large: {rule}"

    def body_rule(self, size: int) -> str:
        """Return what a declared length of `size` bytes is answered where it is too large."""
        return f"a body of {size} bytes: at most {self.body_bytes} are taken"
