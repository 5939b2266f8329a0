"""Requests in, answers out: the routes, the fast path of a connection, health, server state, OpenAPI.

It imports `predict`, `protocols`, `rows`, `settings`; of the library `errors`, `http`, `kit`, `profile`,
`protocol`; from outside `fastapi`, `msgspec`, `prometheus_client`, `starlette`, `uvicorn`.
The event loop and its port.
"""
