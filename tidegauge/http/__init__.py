"""HTTP/1.1 connections of the programs that listen: what uvicorn's parser does not bound is bounded here.

Needs uvicorn and httptools, which the extras `serving` and `aggregator` bring.
"""

from tidegauge.http.connection import Connection
from tidegauge.http.limits import Limits
from tidegauge.http.refused import Refuse, RefusedRequest

__all__ = ["Connection", "Limits", "Refuse", "RefusedRequest"]
