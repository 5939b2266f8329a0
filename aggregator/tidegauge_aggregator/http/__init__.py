"""The aggregator's HTTP edge: routes, tokens, metrics.

May import `service` and the rooms below it.
Runs in the event loop, and is the only room that touches the network.
"""
