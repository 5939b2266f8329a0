"""Events from Kopf, which is restarted whenever it ends.

Kopf ends every task of its event loop when it ends, so it has a thread and a loop of its own. It ends when
one watch gets an unexpected answer. For example, an API server that has restarted answers 404 for a custom
resource until it has read its definition again. Then Kopf is started again; the queue and the known state of
the cluster stay. A refused watch (403) is tried again by Kopf itself, which leaves all other watches open.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Coroutine, Sequence
from types import SimpleNamespace
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import aiohttp
import kopf

from tidegauge.kit.backoff import Backoff
from tidegauge_operator.children.labels import MANAGED_BY
from tidegauge_operator.kube.client import Credentials
from tidegauge_operator.kube.kinds import CHILDREN, MODELS, PODS, Kind

__all__ = ["SELECTOR", "Watches", "watched_paths"]

Document = dict[str, Any]
Note = Callable[[str | None, Document], Awaitable[None]]
T = TypeVar("T")

logger = logging.getLogger(__name__)

SELECTOR: Final = f"app.kubernetes.io/managed-by={MANAGED_BY}"
PAGE: Final = 100  # objects of one answer, so that a long list is never in memory as a whole
ENDING_SECONDS: Final = 1.0
OPENING_SECONDS: Final = 15.0
LOOK_SECONDS: Final = 1.0
BURST_SECONDS: Final = 0.02
_BACKOFF: Final = Backoff(first_seconds=1.0, most_seconds=30.0, jitter=0.0)
# An API server may be away, or refuse one kind, for an hour before Kopf ends.
_PATIENCE: Final = (1, 1, 2, 3, *([5] * 12), *([30] * 120))
# Kopf would else ask for its user's name, which a container's bare number does not have, and end.
_IDENTITY: Final[Any] = MANAGED_BY
_WATCHED: Final = (MODELS, PODS, *(kind for kind in CHILDREN if kind.watched))


class Watches:
    """The watches of all kinds.

    Parameters
    ----------
    namespaces
        Namespaces they serve; empty for all.
    credentials
        How the API server is reached; asked for in the loop that made this.
    note
        Called with each event in the loop that made this: its type (None for a listed object), its object.
    opened
        Called in that loop when one more watch is open and its first list was passed on; `True` if it
        began with a list, so that deletions may have been missed.
    count_error
        Called when Kopf ended, and when a watch is refused.
    wanted
        The paths whose watches should be open now; called in another thread.
    """

    def __init__(
        self,
        namespaces: Sequence[str],
        credentials: Callable[[], Coroutine[Any, Any, Credentials]],
        note: Note,
        opened: Callable[[bool], None],
        count_error: Callable[[str], None],
        wanted: Callable[[], set[str]],
    ) -> None:
        self._wanted = wanted
        self._open: set[str] = set()
        self._answered = False
        self._namespaces, self._credentials = namespaces, credentials
        self._note, self._opened, self._count_error = note, opened, count_error
        self._home = asyncio.get_running_loop()
        self._stop = threading.Event()
        self._end: Callable[[], object] = lambda: None
        self._listed: set[str] = set()
        self._asked: set[str] = set()
        self._refused: set[str] = set()
        self._failures = 0
        self._told: deque[tuple[str | None, Document]] = deque()
        self._arrived = asyncio.Event()

    async def run(self) -> None:
        """Watch until `stop`."""
        passing_on = asyncio.create_task(self._pass_on())
        try:
            await asyncio.to_thread(self._serve)
        finally:
            passing_on.cancel()

    async def _pass_on(self) -> None:
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._told:
                event, document = self._told.popleft()
                try:
                    await self._note(event, document)
                except Exception:  # one object that is not understood must not hide all others
                    self._count_error("EventNotUnderstood")
                    logger.exception("an event could not be taken note of")

    def stop(self) -> None:
        """End the watches for good."""
        self._stop.set()
        self._end()

    def renew(self) -> None:
        """Open the watches again, because new kinds are known."""
        self._end()

    def closed(self) -> set[str]:
        """Return the paths that should be watched and are not yet."""
        return self._wanted() - self._open

    # --- in the thread ----------------------------------------------------------------------------------

    def _serve(self) -> None:
        while not self._stop.is_set():
            try:
                asyncio.run(self._watch())
            except Exception as error:
                self._failures += 1
                self._count_error("WatchesEnded")
                wait_seconds = _BACKOFF.wait_seconds(self._failures, 0.0)
                logger.warning("the watches ended, and are opened again in %g s: %r", wait_seconds, error)
                self._stop.wait(wait_seconds)

    async def _watch(self) -> None:
        registry, settings = kopf.OperatorRegistry(), _kopf_settings(bool(self._namespaces))
        kopf.on.login(registry=registry)(self._login)
        for kind in _WATCHED:
            version = kind.api_version.rpartition("/")[2]
            kopf.on.event(kind.group, version, kind.plural, registry=registry)(self._tell)
            if kind is not MODELS:
                settings.watching.label_selectors[kind.group, version, kind.plural] = SELECTOR
        self._open, self._asked, self._answered = set(), set(), False
        asked, loop = asyncio.Event(), asyncio.get_running_loop()
        loop.set_exception_handler(_note_left_over)
        self._end = lambda: loop.call_soon_threadsafe(asked.set)
        try:
            if self._stop.is_set():
                return
            tasks = await kopf.spawn_tasks(
                registry=registry,
                settings=settings,
                standalone=True,
                identity=_IDENTITY,
                clusterwide=not self._namespaces,
                namespaces=self._namespaces,
            )
            ending = asyncio.create_task(asked.wait())
            missing = asyncio.create_task(self._until_some_stay_closed())
            done, _ = await asyncio.wait([ending, missing, *tasks], return_when="FIRST_COMPLETED")
        finally:
            self._end = lambda: None
            self._open = set()
            await _end_tasks()
            self._wake()
        for task in done:
            task.result()
        if not ending.done():
            raise RuntimeError("Kopf ended though nobody asked it to")

    async def _until_some_stay_closed(self) -> None:
        """Kopf asks once which kinds there are; an API server just come back may not name all of them.

        Those that Kopf asks for are its own to open.
        """
        closed_seconds = 0.0
        while closed_seconds < OPENING_SECONDS:
            await asyncio.sleep(LOOK_SECONDS)
            closed = self.closed() - self._asked if self._answered else set()
            closed_seconds = closed_seconds + LOOK_SECONDS if closed else 0.0
        raise RuntimeError(
            f"not asked for within {OPENING_SECONDS:g} s: the watches of {', '.join(sorted(closed))}"
        )

    async def _tell(self, event: Any, **_: Any) -> None:
        self._told.append((event["type"], event["object"]))
        if len(self._told) == 1:  # waking the other loop costs more than an event: once for a burst
            asyncio.get_running_loop().call_later(BURST_SECONDS, self._wake)

    def _wake(self) -> None:
        self._home.call_soon_threadsafe(self._arrived.set)

    async def _at_home(self, act: Any) -> Any:
        """Run something in the loop that made this."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(act, self._home))

    async def _login(self, **_: Any) -> kopf.AiohttpSession:
        given: Credentials = await self._at_home(self._credentials())
        prefix = urlsplit(given.server).path.rstrip("/")
        return kopf.AiohttpSession(server=given.server, aiohttp_session=_session(given, self._trace(prefix)))

    def _trace(self, prefix: str) -> aiohttp.TraceConfig:
        """Follow the requests: Kopf itself does not tell when the watch of a kind is open."""

        async def answered(
            _: aiohttp.ClientSession, __: SimpleNamespace, request: aiohttp.TraceRequestEndParams
        ) -> None:
            path = request.url.path.removeprefix(prefix)
            self._asked.add(path)
            if request.response.status == 403:
                self._refuse(path)
            elif request.response.status == 200 and "watch" in request.url.query:
                self._take_open(path)
            elif request.response.status == 200:
                self._answered = True
                self._listed.add(path)

        trace = aiohttp.TraceConfig()
        trace.on_request_end.append(answered)
        return trace

    def _take_open(self, path: str) -> None:
        self._answered = True
        self._open.add(path)
        if path in self._refused:
            self._refused.discard(path)
            logger.info("%s may be watched now", path)
        if not self.closed():  # one that can never be opened must not have all others opened every time
            self._failures = 0
        self._home.call_soon_threadsafe(self._opened, path in self._listed)
        self._listed.discard(path)

    def _refuse(self, path: str) -> None:
        if path not in self._wanted():
            return
        self._open.discard(path)
        if path not in self._refused:
            self._refused.add(path)
            self._count_error("WatchForbidden")
            logger.warning(
                "%s may not be watched, it is tried again every %g s: give the operator the rights list and "
                "watch; until then changes of such objects are not seen",
                path,
                max(_PATIENCE),
            )


def _note_left_over(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log the tasks that Kopf leaves when it ends; their failure is the one that it ended with."""
    logger.debug("%s: %r", context["message"], context.get("exception"))


def watched_paths(namespaces: Sequence[str], known_kinds: Collection[str]) -> set[str]:
    """The paths of all watches that can be open, where these optional kinds are known."""

    def known(kind: Kind) -> bool:
        return not kind.optional or kind.name in known_kinds

    return {kind.path(namespace) for kind in _WATCHED if known(kind) for namespace in namespaces or (None,)}


async def _end_tasks() -> None:
    """End all other tasks of this loop; one of Kopf's may swallow that it is cancelled once."""
    while others := asyncio.all_tasks() - {asyncio.current_task()}:
        for task in others:
            task.cancel()
        await asyncio.wait(others, timeout=ENDING_SECONDS)


def _session(given: Credentials, trace: aiohttp.TraceConfig) -> aiohttp.ClientSession:
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
    return aiohttp.ClientSession(connector=connector, headers=info.as_http_headers(), trace_configs=[trace])


class _NoStorage(kopf.DiffBaseStorage):
    """Nothing is stored or compared: else each event costs a deep copy of its object."""

    def build(self, **_: Any) -> Any:
        return {}

    def fetch(self, **_: Any) -> None:
        return None

    def store(self, **_: Any) -> None:
        return None


def _kopf_settings(single_namespaces: bool) -> kopf.OperatorSettings:
    """Kopf keeps no state in the cluster and posts nothing."""
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.persistence.finalizer = "tidegauge.io/none"
    settings.persistence.diffbase_storage = _NoStorage()
    settings.scanning.disabled = single_namespaces  # definitions and namespaces cannot be watched then
    settings.watching.server_timeout = 300
    settings.watching.client_timeout = 330
    settings.watching.chunk_size = PAGE
    settings.networking.request_timeout = 60
    settings.networking.error_backoffs = _PATIENCE
    settings.process.ultimate_exiting_timeout = None  # else this process is killed after Kopf alone has ended
    return settings
