"""What is done, and when: the queue, one model brought in order, periodic tasks, health and metrics.

It imports every other room.
The operator's event loop; network through `kube`, `report_client` and the health server.
"""
