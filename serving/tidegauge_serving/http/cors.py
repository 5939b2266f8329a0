"""Answers for browsers: which pages of other origins may ask this server (CORS). Off unless it is set."""

from collections.abc import Collection, Mapping
from typing import Any, Final

from tidegauge_serving.http.fast_path import App, Receive, Send
from tidegauge_serving.protocols import Headers

__all__ = ["Cors"]

ANY: Final = "*"
_PREFLIGHT: Final[Headers] = [
    (b"access-control-allow-methods", b"GET, HEAD, POST"),
    (b"access-control-max-age", b"600"),
]
_VARY: Final = (b"vary", b"Origin")
_EXPOSED: Final = (b"access-control-expose-headers", b"inference-header-content-length")


class Cors:
    """ASGI callable that tells a browser whether a page may read the answers.

    Parameters
    ----------
    app
        Answers all requests but a browser's question before one.
    origins
        Origins that may ask, ``https://shop.example``; ``*`` is any. Credentials are never allowed.
    """

    def __init__(self, app: App, origins: Collection[str]) -> None:
        self._app = app
        self._origins = frozenset(origin.encode() for origin in origins)
        self._any = ANY in origins
        self._vary: Headers = [] if self._any else [_VARY]  # a cache must keep the answers apart

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Answer one request."""
        named = dict(scope["headers"])
        granted = self._granted(named)
        if granted and scope["method"] == "OPTIONS" and b"access-control-request-method" in named:
            await self._allow(granted, named.get(b"access-control-request-headers", b""), send)
            return
        more = self.more_headers(scope["headers"])

        async def send_with(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *more]}
            await send(message)

        await self._app(scope, receive, send_with)

    def more_headers(self, headers: Headers) -> Headers:
        """Return the further headers of an answer, by those of its request."""
        granted = self._granted(dict(headers))
        return [*granted, *([_EXPOSED] if granted else []), *self._vary]

    async def _allow(self, granted: Headers, asked: bytes, send: Send) -> None:
        """Answer a browser's question before it sends a request with these headers."""
        headers = [*granted, *_PREFLIGHT, (b"access-control-allow-headers", asked), *self._vary]
        await send({"type": "http.response.start", "status": 204, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    def _granted(self, named: Mapping[bytes, bytes]) -> Headers:
        """The header that lets the page of a request read the answer; none for pages of other origins."""
        origin = named.get(b"origin", b"")
        if not origin or not (self._any or origin in self._origins):
            return []
        return [(b"access-control-allow-origin", b"*" if self._any else origin)]
