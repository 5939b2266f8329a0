"""The drift sidecar: rows of the capture log in, panes of counts out (`docs/sidecar.md`).

It imports of the library `counting`, `errors`, `kit`, `profile`, `protocol`, `telling`; from outside
`numpy`, `prometheus_client`, `urllib3`.
The main loop reads the log and counts; a thread of its own sends panes. Files of one log folder, and the
aggregators over HTTP.
"""
