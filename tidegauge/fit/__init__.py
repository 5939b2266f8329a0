"""Data to a profile: feature builders, cut points, limits of rounding.

It imports `arrays`, `counting`, `data`, `errors`, `nearest`, `profile`, `protocol`, `stats`, `telling`;
from outside `numpy`.
Pure, save for the files that `data` reads.
"""
