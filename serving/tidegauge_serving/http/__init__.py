"""Requests in, answers out: the routes, the fast path of a connection, health, server state, OpenAPI.

It imports `protocols` and all below it.
The event loop and its port.
"""
