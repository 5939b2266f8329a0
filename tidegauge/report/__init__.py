"""The report on a model's traffic as a value: report, coverage, words for a drift.

It imports the standard library and `protocol`: the operator reads reports without NumPy.
Pure.
"""
