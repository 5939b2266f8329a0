"""HTTP/1.1 connections of the programs that listen: what uvicorn's parser does not bound is bounded here.

Needs uvicorn and httptools, which the extras `serving` and `aggregator` bring.
"""

from tidegauge.http.connection import Connection, Refuse, Refused
from tidegauge.http.limits import Limits

__all__ = ["Connection", "Limits", "Refuse", "Refused"]
