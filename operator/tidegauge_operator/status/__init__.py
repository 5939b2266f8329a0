"""A model's status: conditions, availability, drift, events, reasons of pods.

It imports `children`; of the library `protocol`, `report`, `resource`.
Pure.
"""
