"""The aggregator's HTTP edge: routes, tokens, metrics.

It imports `domain`, `service`; of the library `http`, `kit`, `profile`, `protocol`, `report`; from outside
`fastapi`, `prometheus_client`, `pydantic`, `starlette`.
Runs in the event loop, and is the only room that touches the network.
"""
