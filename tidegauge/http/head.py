"""Heads that the parser accepts and RFC 9112 forbids."""

import re
from collections.abc import Sequence
from typing import Final

__all__ = ["head_fault", "syntax_fault"]

_HOST: Final = re.compile(rb"[\w.~%!$&'()*+,;=:\[\]-]*")
_SHOWN: Final = 60


def head_fault(fields: Sequence[tuple[bytes, bytes]], version: str) -> str:
    """Return the fault in the fields of a complete head; empty if there is none.

    Parameters
    ----------
    fields
        Names in small letters, and values.
    version
        Of HTTP, as ``1.1``.
    """
    hosts = [value for name, value in fields if name == b"host"]
    if len(hosts) > 1 or (not hosts and version == "1.1"):
        return f"the request has {len(hosts)} fields Host: HTTP/1.1 has one"
    if hosts and not _HOST.fullmatch(hosts[0]):
        return f"Host is {_shown(hosts[0])}: it must be a name or an address, and a port"
    for name, value in fields:
        if name == b"transfer-encoding" and value.strip().lower() != b"chunked":
            return (
                f"Transfer-Encoding is {_shown(value)}: only chunked is taken; compress by Content-Encoding"
            )
    return ""


def syntax_fault(fields: Sequence[tuple[bytes, bytes]] | None, *, in_body: bool) -> str:
    """Return where a request stopped to be HTTP, by the fields that were read before."""
    if in_body:
        where = "the body's chunks are"
    elif fields:
        where = f"the head is, at or after its field {_shown(fields[-1][0])},"
    else:
        where = "the request line, or the first field after it, is"
    return f"{where} not HTTP/1.1: the connection is closed"


def _shown(value: bytes) -> str:
    return repr(value[:_SHOWN].decode("latin-1"))
