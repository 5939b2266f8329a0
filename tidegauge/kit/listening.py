"""The socket that a program listens on, and the line that says where."""

import json
import socket
from typing import Final

from tidegauge.errors import TidegaugeError

__all__ = ["BACKLOG", "ListenError", "announce", "listen"]

BACKLOG: Final = 2048


class ListenError(TidegaugeError):
    """A program cannot listen where its settings say."""


def listen(host: str, port: int) -> socket.socket:
    """Open a socket that takes connections at once, before anybody has read its port.

    Raises
    ------
    ListenError
        The address is none of this machine, or the port is taken or not allowed.
    """
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise ListenError(
            f"{host} port {port} cannot be listened on ({error.strerror}): "
            "choose others with --host and --port, where port 0 takes a free one"
        ) from error
    listening.listen(BACKLOG)
    return listening


def announce(listening: socket.socket) -> None:
    """Print where a program listens, as a line of JSON on standard output."""
    host, port = listening.getsockname()[:2]
    print(json.dumps({"event": "listening", "host": host, "port": port}), flush=True)
