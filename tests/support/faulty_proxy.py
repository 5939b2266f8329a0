"""A proxy before an API server that answers for it now and then, and cuts connections when it is told to."""

import asyncio
import json
import ssl
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from aiohttp import web

Fault = Callable[[str, str], int | None]
_HOP = ("Connection", "Keep-Alive", "Transfer-Encoding", "Content-Length", "Content-Encoding", "Host")


class FaultyProxy:
    """Passes requests on, watches included.

    Parameters
    ----------
    kubeconfig
        Whom it acts as, and where the API server is.

    Attributes
    ----------
    fault
        Says for a method and a path with its query which status to answer with; None passes the request on.
    requests
        All requests that came: method, path with query, and the status they were answered with.
    """

    def __init__(self, kubeconfig: Path) -> None:
        self._kubeconfig = kubeconfig
        self.fault: Fault | None = None
        self.requests: list[tuple[str, str, int]] = []
        self.address = ""
        self._open: set[asyncio.Task[Any]] = set()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        started = threading.Event()
        self._thread = threading.Thread(target=lambda: self._loop.run_until_complete(self._serve(started)))
        self._thread.start()
        assert started.wait(30)

    def kubeconfig(self) -> Path:
        """A kubeconfig file that leads through this proxy."""
        document = yaml.safe_load(self._kubeconfig.read_text())
        document["clusters"][0]["cluster"] = {"server": self.address}
        document["users"][0]["user"] = {}
        path = self._kubeconfig.with_suffix(f".{self.address.rpartition(':')[2]}.kubeconfig")
        path.write_text(yaml.safe_dump(document))
        return path

    def cut(self) -> None:
        """Cut all connections on which an answer is still under way, as watches are."""
        self._loop.call_soon_threadsafe(lambda: [task.cancel() for task in self._open])

    def stop(self) -> None:
        """End it."""
        self.cut()
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(30)

    async def _serve(self, started: threading.Event) -> None:
        document = yaml.safe_load(self._kubeconfig.read_text())
        there, user = document["clusters"][0]["cluster"], document["users"][0]["user"]
        tls = ssl.create_default_context(cafile=there["certificate-authority"])
        tls.load_cert_chain(user["client-certificate"], user["client-key"])
        connector = aiohttp.TCPConnector(ssl=tls, limit=0)
        async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as session:
            app = web.Application(client_max_size=1 << 24)
            app.router.add_route("*", "/{path:.*}", partial(self._pass, session, there["server"]))
            runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.address = f"http://127.0.0.1:{runner.addresses[0][1]}"
            started.set()
            await self._stop.wait()
            await runner.cleanup()

    async def _pass(
        self, session: aiohttp.ClientSession, server: str, request: web.Request
    ) -> web.StreamResponse:
        status = self.fault(request.method, request.path_qs) if self.fault else None
        if status is not None:
            self.requests.append((request.method, request.path_qs, status))
            return _refusal(status)
        task = asyncio.current_task()
        assert task
        self._open.add(task)
        try:
            return await self._stream(session, server, request)
        except aiohttp.ClientError:
            return _refusal(502)
        finally:
            self._open.discard(task)

    async def _stream(
        self, session: aiohttp.ClientSession, server: str, request: web.Request
    ) -> web.StreamResponse:
        headers = {name: value for name, value in request.headers.items() if name not in _HOP}
        body = await request.read() or None
        url = f"{server}{request.path_qs}"
        async with session.request(request.method, url, headers=headers, data=body) as answer:
            self.requests.append((request.method, request.path_qs, answer.status))
            kept = {name: value for name, value in answer.headers.items() if name not in _HOP}
            if "Content-Encoding" in answer.headers:
                kept["Content-Encoding"] = answer.headers["Content-Encoding"]
            response = web.StreamResponse(status=answer.status, headers=kept)
            await response.prepare(request)
            async for chunk in answer.content.iter_any():
                await response.write(chunk)
            await response.write_eof()
            return response


def _refusal(status: int) -> web.Response:
    document = {"kind": "Status", "code": status, "reason": "Made", "message": f"made to answer {status}"}
    return web.Response(status=status, text=json.dumps(document), content_type="application/json")
