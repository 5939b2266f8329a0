"""A model's status: conditions, availability, drift, events, reasons of pods.

It imports `children` for labels, and the library's report.
Pure.
"""
