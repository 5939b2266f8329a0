"""The aggregators' reports, over HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import aiohttp

from tidegauge.errors import WireError
from tidegauge.report import Report

__all__ = ["NoReport", "ReportClient", "Told"]

REQUEST_SECONDS: Final = 5.0
MOST_BYTES: Final = 8 << 20
CHUNK_BYTES: Final = 1 << 16
AT_ONCE: Final = 32


class NoReport(Exception):
    """There is no report to be had, with the reason."""


@dataclass(frozen=True, slots=True)
class Told:
    """A report, and why a part of it is missing; empty where it is whole."""

    report: Report
    silence: str = ""


class ReportClient:
    """Reads reports, only so many at once, so that a thousand models are no thousand connections."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session
        self._free = asyncio.Semaphore(AT_ONCE)

    async def report(self, model: str, urls: Sequence[str]) -> Told:
        """The report of a model, joined over those of its aggregators' replicas that answer.

        Raises
        ------
        NoReport
            None of them answers, or their answers do not fit together.
        """
        parts, silent = [], []
        async with self._free:
            for url in urls:
                try:
                    parts.append(await self._one(model, url))
                except NoReport as reason:
                    silent.append(str(reason))
        if not parts:
            raise NoReport(silent[0])
        silence = f"{len(silent)} of {len(urls)} aggregators: {silent[0]}" if silent else ""
        try:
            return Told(Report.join(parts, len(silent)), silence)
        except WireError as error:
            raise NoReport(f"the aggregators' reports do not fit together: {error}") from error

    async def _one(self, model: str, url: str) -> Report:
        timeout = aiohttp.ClientTimeout(total=REQUEST_SECONDS)
        try:
            async with self._session.get(
                f"{url}/v1/report", params={"model": model}, timeout=timeout
            ) as answer:
                if answer.status == 404:
                    raise NoReport("the aggregator has not heard of the model yet: no pod has sent counts")
                if answer.status != 200:
                    raise NoReport(f"the aggregator answers with status {answer.status}")
                return Report.from_dict(json.loads(await _body(answer)))
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise NoReport(f"the aggregator does not answer: {type(error).__name__}") from error
        except (WireError, ValueError) as error:
            raise NoReport(f"the aggregator answers with something else than a report: {error}") from error


async def _body(answer: aiohttp.ClientResponse) -> bytes:
    """All of an answer, counted as it comes: not every answer says how long it is."""
    body = bytearray()
    async for chunk in answer.content.iter_chunked(CHUNK_BYTES):
        body += chunk
        if len(body) > MOST_BYTES:
            raise NoReport(f"the aggregator's report has more than {MOST_BYTES} bytes")
    return bytes(body)
