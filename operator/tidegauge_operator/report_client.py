"""The aggregators' reports, over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import aiohttp

from tidegauge.errors import WireError
from tidegauge.report import Report

__all__ = ["NoReport", "ReportClient"]

REQUEST_SECONDS: Final = 5.0
MOST_BYTES: Final = 8 << 20
AT_ONCE: Final = 32


class NoReport(Exception):
    """There is no report to be had, with the reason."""


class ReportClient:
    """Reads reports, only so many at once, so that a thousand models are no thousand connections."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session
        self._free = asyncio.Semaphore(AT_ONCE)

    async def report(self, model: str, urls: Sequence[str]) -> Report:
        """The report of a model, joined over its aggregators' replicas.

        Raises
        ------
        NoReport
            One of them does not answer, or with something else.
        """
        async with self._free:
            parts = [await self._one(model, url) for url in urls]
        try:
            return Report.join(parts)
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
                if (answer.content_length or 0) > MOST_BYTES:
                    raise NoReport(f"the aggregator's report has {answer.content_length} bytes")
                return Report.from_dict(await answer.json())
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise NoReport(f"the aggregator does not answer: {type(error).__name__}") from error
        except (WireError, ValueError) as error:
            raise NoReport(f"the aggregator answers with something else than a report: {error}") from error
