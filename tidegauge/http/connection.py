"""One connection: uvicorn's httptools protocol, with offers to upgrade ignored and with limits.

- An offer to upgrade (`Upgrade: h2c`) is ignored, as RFC 9110 7.8 allows. httptools stops at such a head,
  drops the body, and would read it as the next request. A second parser goes on after the head instead.
- Heads, trailers and declared lengths have limits; heads and bodies have times.
- A refusal waits for the answers before it on the same connection.

A client may close its side after a request (`nc -N`): it is answered all the same.
"""

import asyncio
import enum
import urllib.parse
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, TypeAlias

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.utils import get_local_addr, get_remote_addr, is_ssl
from uvicorn.server import ServerState

from tidegauge.http.cycle import Cycle, Flow, disconnect
from tidegauge.http.head import head_fault, syntax_fault
from tidegauge.http.limits import Limits
from tidegauge.http.refused import Refuse, RefusedRequest, last_answer

__all__ = ["Connection"]

Headers: TypeAlias = list[tuple[bytes, bytes]]

_FRAMING: Final = (b"content-length", b"transfer-encoding")
_VERSIONS: Final = ("1.0", "1.1")
_CONTINUE: Final = b"100-continue"
_SLOW_HEAD: Final = "the request's head took more than {:g} s: send it at once"
_CUT_HEAD: Final = "the client closed its side in a head: end it with an empty line"
_CUT_BODY: Final = "the client closed its side after {} bytes of a body: send as many as its length says"
_SLOW_BODY: Final = "{} bytes of the body came in {:.0f} s: send it faster, or in parts"


class _At(enum.Enum):
    """Where the parser is."""

    BETWEEN = "between two requests"
    HEAD = "in a head"
    BODY = "in a body"


class _Broken(Exception):
    """Ends the parser's work: the refusal is known already."""


class Connection(HttpToolsProtocol):
    """One client's connection.

    Parameters
    ----------
    config, server_state, app_state, _loop
        As uvicorn gives them.
    limits
        Bounds of each request.
    refuse
        Counts refusals and words them.
    more_headers
        Further headers of a refusal, by those of its request.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        limits: Limits,
        refuse: Refuse,
        more_headers: Callable[[Headers], Headers] | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._more_headers = more_headers
        self._limits = limits
        self._refuse_with = refuse
        self._most_head, self._most_fields = limits.head_bytes, limits.fields
        self._at = _At.BETWEEN
        self._since = 0.0  # when the parser came to where it is
        self._head_bytes = 0
        self._received = 0  # bytes of the body
        self._stalled_bytes = 0  # bytes since a head, a piece of a body or a request was complete
        self._moved = False
        self._past_head = False  # while a second parser reads the head again
        self._deaf = False  # a refusal is the last answer: what comes after it is thrown away
        self._host = b""  # the last that was checked
        self._ended = False  # the client has closed its side
        self._refused: RefusedRequest | None = None
        # The one that is answered now; `cycle` is the newest.
        self._active: RequestResponseCycle | None = None
        self._look: asyncio.TimerHandle | None = None

    # --- the transport -----------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin a connection."""
        self.connections.add(self)
        self.transport = transport
        self.flow = Flow(transport, self.pipeline)
        self.server, self.client = get_local_addr(transport), get_remote_addr(transport)
        self.scheme = "https" if is_ssl(transport) else "http"
        self._since = self.loop.time()
        self._look = self.loop.call_later(self._limits.check_seconds, self._check_times)

    def connection_lost(self, exc: Exception | None) -> None:
        """End the connection."""
        if self._look is not None:
            self._look.cancel()
        if self._active is not None:
            disconnect(self._active)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what the client sent."""
        if self._deaf:
            return
        self._moved = False
        try:
            self._feed(data)
        except httptools.HttpParserError:
            said = syntax_fault(self.headers, in_body=self._at is _At.BODY)
            self._refuse(self._refused or RefusedRequest(400, "bad_http", said))
            return
        self._stalled_bytes = 0 if self._moved else self._stalled_bytes + len(data)
        # White space and chunk extensions, which nothing else counts.
        if self._stalled_bytes > 2 * self._most_head:
            self._refuse(self._too_large())

    def eof_received(self) -> bool:  # type: ignore[override]
        """Answer what has come whole, refuse what has not, then close; whether anything is due."""
        self._ended = True
        if self._deaf:
            return not self.cycle.response_started
        if self._at is not _At.BETWEEN:
            said = _CUT_HEAD if self._at is _At.HEAD else _CUT_BODY.format(self._received)
            self._refuse(self._named(400, "bad_http", said))
            return not self.transport.is_closing()
        if not self.is_answering:
            return False
        self.shutdown()
        return True

    def shutdown(self) -> None:
        """Close after the answers that are due."""
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()
        else:
            self.cycle.keep_alive = False

    # --- the parser --------------------------------------------------------------------------------------

    def _feed(self, data: bytes) -> None:
        while True:
            try:
                self.parser.feed_data(data)
                return
            except httptools.HttpParserUpgrade as offer:
                data = data[offer.args[0] :]
                self._read_past_head()

    def _read_past_head(self) -> None:
        """Replace a parser that stopped at an upgrade by one that has read a head of the same framing."""
        keep_alive = b"keep-alive" if self.parser.should_keep_alive() else b"close"
        fields = [(name, value) for name, value in self.headers if name in _FRAMING]
        fields.append((b"connection", keep_alive))
        lines = [b"%b: %b\r\n" % field for field in fields]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._past_head = True
        self.parser.feed_data(b"POST / HTTP/1.1\r\n%b\r\n" % b"".join(lines))
        self._past_head = False

    def on_message_begin(self) -> None:
        """Begin a request."""
        if not self._past_head:
            self._at, self._since = _At.HEAD, self.loop.time()
            self._head_bytes = self._received = 0
            self.url = b""
            self.headers = []

    def on_url(self, url: bytes) -> None:
        """Take a part of the request target."""
        if not self._past_head:
            self.url += url
            self._head_bytes += len(url)
            if self._head_bytes > self._most_head:
                self._break(self._too_large())

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header field, or throw a trailer away."""
        if self._past_head:
            return
        self._head_bytes += len(name) + len(value) + 4
        if self._head_bytes > self._most_head:
            self._break(self._too_large())
        if self._at is _At.HEAD:
            self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Begin to answer, or wait for the answers before it."""
        if self._past_head:
            return
        if len(self.headers) > self._most_fields:
            self._break(self._too_large())
        fields = dict(self.headers)
        is_known = fields.get(b"host") == self._host and len(fields) == len(self.headers)
        if not is_known or b"transfer-encoding" in fields:
            self._check_fields(fields.get(b"host"))
        length = int(fields.get(b"content-length", 0))
        if length > self._limits.body_bytes:
            self._break(self._named(413, "body_too_large", self._limits.body_rule(length)))
        self.begin(length)
        self._moved = True
        self._at, self._since = _At.BODY, self.loop.time()

    def _check_fields(self, host: bytes | None) -> None:
        if fault := head_fault(self.headers, self.parser.get_http_version()):
            self._break(self._named(400, "bad_http", fault))
        self._host = host or b""

    def begin(self, length: int) -> None:  # noqa: ARG002
        """Begin to answer a request whose head is complete and whose body has this declared length."""
        self._begin(self._make_cycle(), self.app)

    def begin_whole(self, app: Any, *, keep_alive: bool) -> None:
        """Let an application answer that needs no body any more."""
        cycle = self._make_cycle()
        cycle.more_body = False
        cycle.keep_alive = cycle.keep_alive and keep_alive
        self._begin(cycle, app)

    @property
    def is_between(self) -> bool:
        """Whether the parser is between two requests."""
        return self._at is _At.BETWEEN

    @property
    def is_deaf(self) -> bool:
        """Whether a refusal is the last answer."""
        return self._deaf

    @property
    def is_answering(self) -> bool:
        """Whether a request has begun whose answer is not out."""
        return self.cycle is not None and not self.cycle.response_complete

    def _make_cycle(self) -> Cycle:
        """The cycle of the request whose head is complete."""
        version = self.parser.get_http_version()
        if version not in _VERSIONS:
            self._break(self._named(400, "bad_http", f"this is HTTP/{version}: HTTP/1.1 is spoken here"))
        target = httptools.parse_url(self.url)
        path = target.path or b"/"
        method = self.parser.get_method().decode("ascii")
        self.scope = self._scope(method, version, path, target.query or b"")
        keep_alive = version != "1.0" and self.parser.should_keep_alive()
        expects = version != "1.0" and any(
            name == b"expect" and value.strip().lower() == _CONTINUE for name, value in self.headers
        )
        return self._cycle_of(self.scope, keep_alive=keep_alive, expects=expects)

    def _scope(self, method: str, version: str, raw_path: bytes, query: bytes) -> Any:
        path = raw_path.decode("ascii")
        return {
            "type": "http",
            "asgi": {"version": self.asgi_version, "spec_version": "2.3"},
            "http_version": version,
            "server": self.server,
            "client": self.client,
            "scheme": self.scheme,
            "root_path": self.root_path,
            "method": method,
            "path": self.root_path + (urllib.parse.unquote(path) if "%" in path else path),
            "raw_path": self.root_path.encode("ascii") + raw_path,
            "query_string": query,
            "headers": self.headers,
            "state": self.app_state.copy(),
        }

    def _cycle_of(self, scope: Any, *, keep_alive: bool, expects: bool) -> Cycle:
        return Cycle(
            scope=scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=expects,
            keep_alive=keep_alive,
            on_response=self.on_response_complete,
        )

    def _begin(self, cycle: Cycle, app: Any) -> None:
        """Answer now, or when all answers before it are out."""
        before, self.cycle = self.cycle, cycle
        if before is None or before.response_complete:
            self._start(cycle, app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((cycle, app))

    def _start(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._active = cycle
        self._start_asgi_task(cycle, app)

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        self.received(len(body))
        if self.cycle.response_complete:
            return
        self.cycle.body += body
        if len(self.cycle.body) > HIGH_WATER_LIMIT:
            self.flow.pause_reading()
        self.cycle.message_event.set()

    def received(self, size: int) -> None:
        """Count a piece of a body."""
        self._moved = True
        self._received += size

    def on_message_complete(self) -> None:
        """End a request; the parser that stopped at an upgrade says so too early."""
        if self.parser.should_upgrade():
            return
        self.ended()
        if not self.cycle.response_complete:
            self.cycle.more_body = False
            self.cycle.message_event.set()

    def ended(self) -> None:
        """Note the end of a request."""
        self._moved = True
        self._at, self._since = _At.BETWEEN, self.loop.time()

    def responded(self) -> None:
        """Note the end of an answer."""
        self.server_state.total_requests += 1
        self._since = self.loop.time()

    def on_response_complete(self) -> None:
        """Go on with the next request that waits, if one does."""
        self.responded()
        if self.transport.is_closing():
            return
        if self.pipeline:
            self._start(*self.pipeline.pop())
        self.flow.resume_reading()

    # --- refusals ----------------------------------------------------------------------------------------

    def _break(self, refused: RefusedRequest) -> None:
        self._refused = refused
        raise _Broken

    def _too_large(self) -> RefusedRequest:
        return RefusedRequest(431, "head_too_large", self._limits.head_rule)

    def _named(self, status: int, reason: str, message: str) -> RefusedRequest:
        """A refusal that knows its request."""
        with suppress(httptools.HttpParserError, UnicodeDecodeError):
            path = httptools.parse_url(self.url).path or b""
            method = self.parser.get_method().decode("ascii")
            return RefusedRequest(status, reason, message, method, urllib.parse.unquote(path.decode("ascii")))
        return RefusedRequest(status, reason, message)

    def _refuse(self, refused: RefusedRequest) -> None:
        """Answer with a refusal in its turn, then close; nothing more of this client is read."""
        self._deaf = True
        unread = self.unread_cycle() if self._at is _At.BODY else None
        if unread is not None and (unread.response_started or unread.response_complete):
            self.transport.close()
            return
        scope = self._scope(refused.method or "GET", "1.1", b"/", b"")
        last = self._cycle_of(scope, keep_alive=False, expects=False)
        headers = self._more_headers(self.headers or []) if self._more_headers else []
        app = last_answer(refused.status, self._refuse_with(refused), headers, self._linger_seconds)
        if unread is None:
            self._begin(last, app)
        elif self.pipeline and self.pipeline[0][0] is unread:
            self.cycle = last
            self.pipeline[0] = (last, app)
        else:
            disconnect(unread)  # its application waits for the rest of the body
            self.cycle = last
            self._start(last, app)

    def _linger_seconds(self) -> float:
        """How long to wait, after a refusal, for what the client still sends."""
        return 0.0 if self._ended else self._limits.linger_seconds

    def unread_cycle(self) -> RequestResponseCycle | None:
        """Return the cycle of the request whose body is coming in."""
        return self.cycle

    def _check_times(self) -> None:
        """Close what is idle and refuse what is slow; time in which we did not read is not the client's."""
        if self._deaf or self.transport.is_closing():
            return
        limits, now = self._limits, self.loop.time()
        self._look = self.loop.call_later(limits.check_seconds, self._check_times)
        waited = now - self._since
        if self._at is _At.BETWEEN:
            if waited > limits.idle_seconds and not self.is_answering:
                self.transport.close()
        elif self.flow.read_paused:
            self._since = now
        elif self._at is _At.HEAD and waited > limits.head_seconds:
            self._refuse(self._named(408, "too_slow", _SLOW_HEAD.format(limits.head_seconds)))
        elif self._at is _At.BODY and waited > limits.body_allowance(self._received):
            self._refuse(self._named(408, "too_slow", _SLOW_BODY.format(self._received, waited)))
