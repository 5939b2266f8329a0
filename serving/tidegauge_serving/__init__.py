"""The model server: answers first, and leaves every answered row in the capture log.

A request comes in by `http`, is read by `protocols` and `rows`, and answered by `predict` and `models`.
`python -m tidegauge_serving` runs it; `docs/serving.md` is its manual.
"""
