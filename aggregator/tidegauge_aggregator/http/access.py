"""The bearer token of the write path."""

from __future__ import annotations

import hmac
from pathlib import Path

from tidegauge.kit.refusal import Refusal
from tidegauge.kit.watched_file import WatchedFile, parse_token

__all__ = ["TokenGate"]


class TokenGate:
    """Lets a write pass that carries the token; lets every write pass when no token file is set."""

    def __init__(self, token_file: Path | None) -> None:
        self._file = WatchedFile(token_file, parse_token) if token_file else None

    def refresh(self) -> None:
        """Look whether the token was changed."""
        if self._file is not None:
            self._file.refresh()

    def check(self, authorization: bytes | None) -> None:
        """Raise a `Refusal` unless the header `Authorization` carries the token."""
        if self._file is None:
            return
        scheme, _, token = (authorization or b"").partition(b" ")
        if scheme.lower() != b"bearer" or not token:
            raise Refusal(401, "no_token", "this write needs the header 'Authorization: Bearer TOKEN'")
        if not hmac.compare_digest(token.strip(), self._file.value):
            raise Refusal(403, "wrong_token", "the bearer token is not the one of this aggregator")
