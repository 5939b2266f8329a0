"""The loop: the queue, the reconcile of one model, periodic tasks, health and metrics.

It imports `children`, `kube`, `settings`, `status`; of the library `errors`, `kit`, `protocol`, `report`,
`resource`; from outside `aiohttp`, `prometheus_client`.
The operator's event loop; network through `kube`, `report_client` and the health server.
"""
