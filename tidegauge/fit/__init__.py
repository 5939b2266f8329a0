"""Data to a profile: feature builders, cut points, limits of rounding.

It imports `data`, `counting`, `stats` and what is below them.
Pure, save for the files that `data` reads.
"""
