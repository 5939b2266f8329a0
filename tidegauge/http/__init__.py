"""HTTP/1.1 connections of the programs that listen: what uvicorn's parser does not bound is bounded here.

It imports `kit`; from outside `httptools`, `uvicorn`. The extras `serving` and `aggregator` bring uvicorn
and httptools.
The event loop of the program that listens, and its port.
"""

from tidegauge.http.connection import Connection
from tidegauge.http.limits import Limits
from tidegauge.http.refused import Refuse, RefusedRequest

__all__ = ["Connection", "Limits", "Refuse", "RefusedRequest"]
