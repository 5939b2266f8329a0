"""The statistics, one a file: the formula with its source, the plug, a worked example.

It imports `arrays`, `errors`, `profile`, `stats`; from outside `numpy`, `scipy`. No file imports another
one here.
Pure.
"""
