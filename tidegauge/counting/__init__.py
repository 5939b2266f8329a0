"""Rows to counts: cells, counts that add, their bytes, Kolmogorov-Smirnov from counts.

It imports `data`, `profile` and `protocol`; scipy only for a p-value.
Pure.
"""
