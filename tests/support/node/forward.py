"""`python -m support.node.forward NETWORK PORT HOST:PORT`: a loopback port that leads into a box's network.

A socket belongs to the network it was opened in. So one process can listen outside and connect inside, and
nothing of the machine's own network is changed.
"""

import asyncio
import contextlib
import socket
import sys

from support.node.box import enter_network

_CHUNK_BYTES = 1 << 16


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while chunk := await reader.read(_CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()


async def _serve(listener: socket.socket, host: str, port: int) -> None:
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


def main(network: str, port: str, target: str) -> None:
    listener = socket.create_server(("127.0.0.1", int(port)), backlog=512)
    enter_network(network)
    host, _, inner_port = target.rpartition(":")
    with contextlib.suppress(asyncio.CancelledError, KeyboardInterrupt):
        asyncio.run(_serve(listener, host, int(inner_port)))


if __name__ == "__main__":
    main(*sys.argv[1:])
