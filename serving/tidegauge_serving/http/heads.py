"""Heads of requests that were read before."""

from dataclasses import dataclass
from typing import Final

from tidegauge_serving.protocols import Headers, Route

__all__ = ["Heads", "Known"]

MOST_BYTES: Final = 2048
MOST_HEADS: Final = 512


@dataclass(frozen=True, slots=True)
class Known:
    """What the parser found in a head: the route, the header fields and the body's length."""

    route: Route
    headers: Headers
    length: int


class Heads:
    """Heads that lead to the short way, by their bytes: at most 512 of 2 KiB.

    Attributes
    ----------
    get
        What is known of a head; None if nothing. A mapping's own method: it is called for every request.
    """

    def __init__(self) -> None:
        self._known: dict[bytes, Known] = {}
        self.get = self._known.get

    def __len__(self) -> int:
        return len(self._known)

    def learn(self, head: bytes, route: Route, headers: Headers, length: int) -> None:
        """Keep what the parser found, if these bytes are the head that it read.

        Parameters
        ----------
        head
            All bytes from the request's first one to the first empty line; the parser may have begun
            before or after them.
        route, headers, length
            What it found.
        """
        if not _is_whole(head) or len(head) > MOST_BYTES:
            return
        if len(self._known) >= MOST_HEADS:  # each head may be another one, as with an id in each
            self._known.clear()
        self._known[head] = Known(route, headers, length)


def _is_whole(head: bytes) -> bool:
    """Whether a parser that begins at the first byte ends at the last one, however it reads line breaks."""
    return (
        head.startswith(b"POST /") and head.endswith(b"\r\n\r\n") and head.count(b"\n") == head.count(b"\r\n")
    )
