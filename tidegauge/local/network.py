"""Addresses of the local stack: ports that stay free over a restart, and the socket all replicas share."""

import errno
import http.client
import json
import random
import socket
from typing import Final

from tidegauge.errors import ResourceError

__all__ = ["free_ports", "listen", "unhealthy"]

HOST: Final = "127.0.0.1"
_BACKLOG: Final = 1024
# Below the range from which the kernel takes the ports of outgoing connections, or one of them could take
# the port of a process while it restarts.
_LOWEST, _HIGHEST = 20_000, 32_000


def listen(port: int) -> socket.socket:
    """A listening socket on localhost for all replicas; port 0 is any free one.

    Raises
    ------
    ResourceError
        If the port is taken.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError as error:
        listener.close()
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        raise ResourceError(
            f"port {port} cannot be used ({error.strerror}): choose another, or 0 for any"
        ) from error
    listener.listen(_BACKLOG)
    return listener


def free_ports(count: int, rng: random.Random) -> list[int]:
    """`count` different ports on localhost that nobody listens on."""
    found: list[int] = []
    for port in rng.sample(range(_LOWEST, _HIGHEST), _HIGHEST - _LOWEST):
        if len(found) == count:
            return found
        if _is_free(port):
            found.append(port)
    raise ResourceError(
        f"{count} free ports between {_LOWEST} and {_HIGHEST} are needed, there are {len(found)}"
    )


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def unhealthy(port: int, path: str, timeout_seconds: float = 0.5) -> str | None:
    """Why the process behind a port is not well: its own words, "" without an answer, None if it is well."""
    connection = http.client.HTTPConnection(HOST, port, timeout=timeout_seconds)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        body = response.read()
    except (OSError, http.client.HTTPException):
        return ""
    finally:
        connection.close()
    return None if response.status == http.HTTPStatus.OK else _message(body)


def _message(body: bytes) -> str:
    """The message in an error's body: `{"error": {"message": ...}}`, of the model server `{"error": ...}`."""
    try:
        error = json.loads(body)["error"]
        return error if isinstance(error, str) else str(error["message"])
    except (ValueError, LookupError, TypeError):
        return body.decode(errors="replace")[:200]
