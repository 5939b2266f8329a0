"""The model server: answers first, and leaves every answered row in the tap's log.

`python -m tidegauge_serving` runs it; `docs/serving.md` is its manual.
"""
