"""Settings, handlers and session of Kopf."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
import kopf

from tidegauge_operator.children.labels import MANAGED_BY, SELECTOR
from tidegauge_operator.kube.client import Credentials
from tidegauge_operator.kube.kinds import MODELS
from tidegauge_operator.kube.watches import RETRY_SECONDS, WATCHED

__all__ = ["IDENTITY", "operator_registry", "operator_settings", "traced_session"]

# Else Kopf asks for the user's name, which a container's user may not have, and fails.
IDENTITY: Final[Any] = MANAGED_BY
PAGE: Final = 100  # objects of one answer, so that a long list is never in memory as a whole
# An API server may be away, or refuse one kind, for an hour before Kopf ends.
_PATIENCE: Final = (1, 1, 2, 3, *([5] * 12), *([RETRY_SECONDS] * 120))


class _NoStorage(kopf.DiffBaseStorage):
    """Nothing is stored or compared: else each event costs a deep copy of its object."""

    def build(self, **_: Any) -> Any:
        return {}

    def fetch(self, **_: Any) -> None:
        return None

    def store(self, **_: Any) -> None:
        return None


def operator_settings(single_namespaces: bool) -> kopf.OperatorSettings:
    """Return settings with which Kopf keeps no state in the cluster and posts nothing."""
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.persistence.finalizer = "tidegauge.io/none"  # by default Kopf takes another operator's off
    settings.persistence.diffbase_storage = _NoStorage()
    settings.scanning.disabled = single_namespaces  # definitions and namespaces cannot be watched then
    settings.watching.server_timeout = 300
    settings.watching.client_timeout = 330
    settings.watching.chunk_size = PAGE
    settings.networking.request_timeout = 60
    settings.networking.error_backoffs = _PATIENCE
    settings.process.ultimate_exiting_timeout = None  # else Kopf may kill the process: the informer ends it
    for kind in WATCHED:
        if kind is not MODELS:
            settings.watching.label_selectors[kind.group, kind.version, kind.plural] = SELECTOR
    return settings


def operator_registry(
    login: Callable[..., Awaitable[kopf.AiohttpSession]], handle: Callable[..., Awaitable[None]]
) -> kopf.OperatorRegistry:
    """Return a registry with one handler for the login, and one for the events of all kinds."""
    registry = kopf.OperatorRegistry()
    kopf.on.login(registry=registry)(login)
    for kind in WATCHED:
        kopf.on.event(kind.group, kind.version, kind.plural, registry=registry)(handle)
    return registry


def traced_session(given: Credentials, answered: Callable[[str, bool, int], object]) -> kopf.AiohttpSession:
    """Return a session that reports each answer: its path, whether it is a watch, its HTTP status."""
    prefix = urlsplit(given.server).path.rstrip("/")

    async def report(
        _: aiohttp.ClientSession, __: SimpleNamespace, request: aiohttp.TraceRequestEndParams
    ) -> None:
        url = request.url
        answered(url.path.removeprefix(prefix), "watch" in url.query, request.response.status)

    trace = aiohttp.TraceConfig()
    trace.on_request_end.append(report)
    info = kopf.ConnectionInfo(
        server=given.server,
        ca_path=given.authority,
        certificate_path=given.certificate,
        private_key_path=given.key,
        scheme="Bearer" if given.token else None,
        token=given.token,
        insecure=not given.verify,
    )
    connector = aiohttp.TCPConnector(limit=0, ssl=info.as_ssl_context())
    session = aiohttp.ClientSession(
        connector=connector, headers=info.as_http_headers(), trace_configs=[trace]
    )
    return kopf.AiohttpSession(server=given.server, aiohttp_session=session)
