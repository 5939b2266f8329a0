"""Addresses of the local stack: ports that stay free over a restart, and the socket all replicas share."""

import http.client
import json
import random
import socket
from typing import Final

from tidegauge.errors import ResourceError
from tidegauge.kit import listening
from tidegauge.kit.refusal import message_of
from tidegauge.telling import found

__all__ = ["free_ports", "is_free", "listen", "unhealthy"]

HOST: Final = "127.0.0.1"
FREE_IT: Final = "end it, or choose another port (0 is any free one)"
# Below the range from which the kernel takes the ports of outgoing connections, or one of them could take
# the port of a process while it restarts.
_LOWEST, _HIGHEST = 20_000, 32_000


def listen(port: int, option: str = "--port") -> socket.socket:
    """Return a listening socket on localhost; port 0 is any free one, `option` is what chooses it.

    Raises
    ------
    ResourceError
        If the port is taken or not allowed.
    """
    try:
        return listening.listen(HOST, port)
    except listening.ListenError as error:
        reason = error.__cause__.strerror if isinstance(error.__cause__, OSError) else error
        raise ResourceError(
            f"it cannot be used ({reason})",
            argument=found("port", port, f"port {port}"),
            step=f"choose another with {option}, or 0 for any",
        ) from error


def free_ports(count: int, rng: random.Random) -> list[int]:
    """Return `count` different free ports on localhost."""
    found: list[int] = []
    for port in rng.sample(range(_LOWEST, _HIGHEST), _HIGHEST - _LOWEST):
        if len(found) == count:
            return found
        if is_free(port):
            found.append(port)
    raise ResourceError(
        f"{count} free ports between {_LOWEST} and {_HIGHEST} are needed, there are {len(found)}"
    )


def is_free(port: int) -> bool:
    """Return whether nobody listens on a port of localhost."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def unhealthy(port: int, path: str, timeout_seconds: float = 0.5, stack: str = "") -> str | None:
    """Return why the process behind a port is not well, "" without an answer, None if it is well.

    Raises
    ------
    ResourceError
        With the id of a stack: it is well, and of another stack or none.
    """
    connection = http.client.HTTPConnection(HOST, port, timeout=timeout_seconds)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        body = response.read()
    except (OSError, http.client.HTTPException):
        return ""
    finally:
        connection.close()
    if response.status != http.HTTPStatus.OK:
        return _message(body)
    if stack and _stack_of(body) != stack:
        raise ResourceError(f"port {port}: a program that is not of this stack answers there; {FREE_IT}")
    return None


def _stack_of(body: bytes) -> str | None:
    """The stack's id in an answer of readiness."""
    try:
        found: object = json.loads(body)["stack"]
    except (ValueError, LookupError, TypeError):
        return None
    return found if isinstance(found, str) else None


def _message(body: bytes) -> str:
    """Return the message in the JSON of an error."""
    try:
        found = message_of(json.loads(body))
    except ValueError:
        found = None
    return found or "its answer is none of Tidegauge's programs: see which program listens on that port"
