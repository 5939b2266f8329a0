"""The model server: answers first, and leaves every answered row in the capture log.

`python -m tidegauge_serving` runs it; `docs/serving.md` is its manual.
"""
