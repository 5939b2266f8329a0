"""The aggregators' reports, over HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import aiohttp

from tidegauge.errors import WireError
from tidegauge.report.model import Report

__all__ = ["JoinedReport", "ReportClient", "ReportError"]

REQUEST_SECONDS: Final = 5.0
MOST_BYTES: Final = 8 << 20
CHUNK_BYTES: Final = 1 << 16
AT_ONCE: Final = 32
_UNHEARD_OF: Final = (
    "the aggregator does not know the model yet: no pod has sent counts (read a pod's log: kubectl logs "
    "POD -c drift-sidecar; see that no NetworkPolicy keeps it from the aggregator)"
)


class ReportError(Exception):
    """An aggregator has no report to read, with the reason."""


@dataclass(frozen=True, slots=True)
class JoinedReport:
    """A report, why a part is missing, and of how many shards; empty and 0 where it is whole."""

    report: Report
    silence: str = ""
    silent_shards: int = 0


class ReportClient:
    """Reads reports, a limited number at once: a thousand shards are not a thousand connections."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session
        self._free = asyncio.Semaphore(AT_ONCE)

    async def report(self, model: str, urls: Sequence[str]) -> JoinedReport:
        """Read the report of a model, joined over those of its aggregators' replicas that answer.

        Raises
        ------
        ReportError
            None of them answers, or their answers do not fit together.
        """
        answers = await asyncio.gather(*(self._asked(model, i, url) for i, url in enumerate(urls)))
        parts = [answer for answer in answers if isinstance(answer, Report)]
        silent = [str(answer) for answer in answers if isinstance(answer, ReportError)]
        if not parts:
            raise ReportError(silent[0])
        silence = f"{len(silent)} of {len(urls)} aggregators: {silent[0]}" if silent else ""
        try:
            return JoinedReport(Report.join(parts, len(silent)), silence, len(silent))
        except WireError as error:
            raise ReportError(f"the aggregators' reports do not fit together: {error}") from error

    async def _asked(self, model: str, shard: int, url: str) -> Report | ReportError:
        """Return one replica's report, or why there is none."""
        async with self._free:
            try:
                return await self._one(model, url)
            except ReportError as reason:
                return reason
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                return ReportError(
                    f"the aggregator does not answer: {type(error).__name__} {_step(model, shard)}"
                )

    async def _one(self, model: str, url: str) -> Report:
        timeout = aiohttp.ClientTimeout(total=REQUEST_SECONDS)
        try:
            async with self._session.get(
                f"{url}/v1/report", params={"model": model}, timeout=timeout
            ) as answer:
                if answer.status == 404:
                    raise ReportError(_UNHEARD_OF)
                if answer.status != 200:
                    raise ReportError(f"the aggregator answers with status {answer.status}")
                return Report.from_dict(json.loads(await _body(answer)))
        except (WireError, ValueError) as error:
            raise ReportError(f"the aggregator answers with something else than a report: {error}") from error


def _step(model: str, shard: int) -> str:
    log = f"kubectl logs {model}-aggregator-{shard}"
    return f"(read its log: {log}; see that no NetworkPolicy keeps the operator from it)"


async def _body(answer: aiohttp.ClientResponse) -> bytes:
    """Read all of an answer, counted as it comes: not every answer has a length."""
    body = bytearray()
    async for chunk in answer.content.iter_chunked(CHUNK_BYTES):
        body += chunk
        if len(body) > MOST_BYTES:
            raise ReportError(f"the aggregator's report has more than {MOST_BYTES} bytes")
    return bytes(body)
