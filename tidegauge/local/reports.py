"""Reports fetched from aggregators over HTTP."""

from dataclasses import dataclass
from typing import Any, Final

import httpx

from tidegauge.errors import ResourceError, WireError
from tidegauge.kit.refusal import message_of
from tidegauge.protocol.names import AGGREGATOR_PORT
from tidegauge.report.model import Report
from tidegauge.telling import found, told

__all__ = ["ShardsReport", "fetch_shards"]

_TIMEOUT_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardsReport:
    """A model's report, and of how many of its shards it is.

    Parameters
    ----------
    report
        Joined. With a shard missing it is never Stable: what that shard would say is not known.
    asked, of
        Shards that answered, and shards that there are.
    """

    report: Report
    asked: int
    of: int

    @property
    def caution(self) -> str | None:
        """Return a caution and the next step if not every shard was asked."""
        if self.asked >= self.of:
            return None
        all_of_them = "give all their addresses (--aggregator-url once per shard)"
        return f"{self.asked} of {self.of} shards asked: {all_of_them}"


def fetch_shards(urls: list[str], model: str | None = None, stack: str = "") -> ShardsReport:
    """Return the report of a model, joined over the aggregators of its shards.

    Parameters
    ----------
    urls
        One address per shard.
    model
        The model's name; it may be left out where there is only one.
    stack
        Id of the local stack that must be the one that answers.

    Raises
    ------
    ResourceError
        An aggregator does not answer, is another stack's, or has no report of that model.
    WireError
        An answer is no report, or they do not fit together.
    """
    documents = [_fetch(url, model, stack) for url in urls]
    reports = [Report.from_dict(document) for document in documents]
    shards = [_shard(document) for document in documents]
    asked, of = len({index for index, _ in shards}), max((of for _, of in shards), default=1)
    return ShardsReport(report=Report.join(reports, max(0, of - asked)), asked=asked, of=of)


def _shard(document: Any) -> tuple[int, int]:
    """Which of how many shards answered; the only one, where the aggregator does not say."""
    shard = document.get("shard") or {"index": 0, "of": 1}
    try:
        return int(shard["index"]), int(shard["of"])
    except (KeyError, TypeError, ValueError) as error:
        said = found("shard", shard, f'a report\'s "shard" is {told(shard)}')
        raise WireError("it must have index and of", argument=said) from error


def _fetch(url: str, model: str | None, stack: str) -> Any:
    try:
        answer = httpx.get(
            f"{url.rstrip('/')}/v1/report", params={"model": model} if model else {}, timeout=_TIMEOUT_SECONDS
        )
    except httpx.InvalidURL as error:
        raise ResourceError(f"{url}: {_NO_ADDRESS}") from error
    except httpx.UnsupportedProtocol as error:
        raise ResourceError(f"{url}: {_NO_ADDRESS}") from error
    except httpx.HTTPError as error:
        raise ResourceError(f"{url}: no aggregator answers there; {_NEXT}") from error
    document, failed = _document(answer), answer.status_code != httpx.codes.OK
    if document is None or (failed and (message_of(document) is None or _which(document))):
        raise ResourceError(f"{url}: what answers there is no aggregator{_which(document)}; {_NEXT}")
    if failed:
        raise ResourceError(f"{url}: {message_of(document)}")
    if stack and document.get("stack") != stack:
        raise ResourceError(f"{url}: the aggregator that answers there is not of this stack")
    return document


_NEXT: Final = "`tidegauge up BUNDLE` starts one, --aggregator-url or --dir names another"
_NO_ADDRESS: Final = f"an aggregator's address looks like http://127.0.0.1:{AGGREGATOR_PORT}"


def _document(answer: httpx.Response) -> dict[str, Any] | None:
    """The JSON object of an answer, None where it is something else."""
    try:
        document = answer.json()
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def _which(document: dict[str, Any] | None) -> str:
    """Name the model server by its word for a path that it does not have; an aggregator has another."""
    found = (document or {}).get("reason") == "not_found"
    return f" but a model server (aggregators listen on {AGGREGATOR_PORT} by default)" if found else ""
