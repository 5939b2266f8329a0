"""`python relay.py PORT HOST:PORT`: takes connections, and opens one of its own to HOST:PORT for each.

It needs nothing but the standard library, so that it also runs in a pod, as the text of this file.
"""

import asyncio
import contextlib
import socket
import sys

_CHUNK_BYTES = 1 << 16


async def relay(listener: socket.socket, host: str, port: int) -> None:
    """Pass on what comes, both ways, until cancelled."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            inner_reader, inner_writer = await asyncio.open_connection(host, port)
        except OSError:
            writer.transport.abort()  # as the one behind would have refused
            return
        await asyncio.gather(_copy(reader, inner_writer), _copy(inner_reader, writer))
        for one in (writer, inner_writer):
            one.close()

    server = await asyncio.start_server(connected, sock=listener)
    await server.serve_forever()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while chunk := await reader.read(_CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()


def run(listener: socket.socket, target: str) -> None:
    """Relay to HOST:PORT until told to end."""
    host, _, port = target.rpartition(":")
    with contextlib.suppress(asyncio.CancelledError, KeyboardInterrupt):
        asyncio.run(relay(listener, host, int(port)))


if __name__ == "__main__":
    run(socket.create_server(("", int(sys.argv[1])), backlog=512), sys.argv[2])
