"""Rows to predictions: the service, its engine and batches, capture, what was counted, the start.

It imports `models`, `rows`, `settings`; of the library `counting`, `errors`, `profile`, `protocol`; from
outside `numpy`.
The event loop; a model that takes long runs in a thread. Capture writes to the log's folder.
"""
