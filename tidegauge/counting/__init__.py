"""Rows to counts: cells, counts that add, their bytes, Kolmogorov-Smirnov from counts.

It imports `arrays`, `data`, `errors`, `profile`, `telling`; from outside `numpy`, `scipy`. scipy only for a
p-value.
Pure.
"""
