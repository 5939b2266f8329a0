"""The loop: the queue, the reconcile of one model, periodic tasks, health and metrics.

It imports every other room.
The operator's event loop; network through `kube`, `report_client` and the health server.
"""
