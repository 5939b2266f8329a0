"""The way to an aggregator: HTTP by urllib3, one kept connection per shard."""

from pathlib import Path
from typing import Final

import urllib3

from tidegauge.kit.watched_file import WatchedFile, parse_token
from tidegauge_sidecar.sender import Answer

__all__ = ["TIMEOUT_SECONDS", "HttpTransport"]

TIMEOUT_SECONDS: Final = 5.0
_ANSWER_BYTES: Final = 2048


class HttpTransport:
    """PUTs to one aggregator.

    Parameters
    ----------
    url
        The aggregator's address, ``http://host:port`` or ``https://...``, with or without a path.
    token_file
        File with the bearer token, looked at for every request, so that a new token is taken up at once.
    """

    def __init__(self, url: str, token_file: Path | None = None) -> None:
        self._url = url.rstrip("/")
        self._token_file = token_file
        self._token: WatchedFile[bytes] | None = None
        self._pool = urllib3.PoolManager(
            num_pools=1,
            maxsize=1,
            timeout=urllib3.Timeout(connect=TIMEOUT_SECONDS, read=TIMEOUT_SECONDS),
            retries=False,
        )

    def put(self, path: str, body: bytes) -> Answer:
        """PUT `body`; status 0 when nobody answered."""
        try:
            response = self._pool.request(
                "PUT",
                self._url + path,
                body=body,
                headers=self._headers(),
                redirect=False,
                preload_content=False,
            )
            try:
                text = response.read(_ANSWER_BYTES).decode("utf-8", "replace")
                response.drain_conn()
            finally:
                response.release_conn()
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:  # the last two of the token file
            return Answer(0, f"{type(error).__name__}: {error}")
        return Answer(response.status, " ".join(text.split()))

    def _headers(self) -> dict[str, str]:
        headers = {"Content-Type": "application/octet-stream"}
        if self._token_file is not None:
            headers["Authorization"] = f"Bearer {self._current_token(self._token_file).decode('latin-1')}"
        return headers

    def _current_token(self, file: Path) -> bytes:
        """The token now; the last good one while the file is empty or away, for it may be being replaced."""
        if self._token is None:
            self._token = WatchedFile(file, parse_token)
        self._token.refresh()
        return self._token.value
