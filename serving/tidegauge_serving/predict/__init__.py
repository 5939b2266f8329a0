"""Rows to predictions: the service, its engine and batches, capture, what was counted, the start.

It imports `models` and `rows`.
The event loop; a model that takes long runs in a thread. Capture writes to the log's folder.
"""
