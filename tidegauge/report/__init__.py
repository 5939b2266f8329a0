"""The report on a model's traffic as a value: report, coverage, words for a drift.

It imports `errors`, `protocol`, `telling`. The operator reads reports without NumPy.
Pure.
"""
