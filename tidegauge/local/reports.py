"""Reports fetched from aggregators over HTTP."""

from typing import Final

import httpx

from tidegauge.errors import ResourceError
from tidegauge.report import Report

__all__ = ["fetch_report"]

_TIMEOUT_SECONDS: Final = 10.0


def fetch_report(urls: list[str], model: str | None = None) -> Report:
    """The report of a model, joined over the aggregators of its shards.

    Parameters
    ----------
    urls
        One address per shard.
    model
        The model's name; it may be left out where there is only one.

    Raises
    ------
    ResourceError
        An aggregator does not answer, or has no report of that model.
    WireError
        An answer is no report, or they do not fit together.
    """
    return Report.join([_fetch(url, model) for url in urls])


def _fetch(url: str, model: str | None) -> Report:
    try:
        answer = httpx.get(
            f"{url.rstrip('/')}/v1/report", params={"model": model} if model else {}, timeout=_TIMEOUT_SECONDS
        )
        document = answer.json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise ResourceError(f"{url}: no aggregator answers there ({error})") from error
    if answer.status_code != httpx.codes.OK:
        raise ResourceError(f"{url}: {_message(document)}")
    return Report.from_dict(document)


def _message(document: object) -> str:
    error = document.get("error") if isinstance(document, dict) else None
    return str(error.get("message")) if isinstance(error, dict) else str(document)
