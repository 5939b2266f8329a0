"""Rows in: columns of frames and files, times, and rows drawn from a profile.

It imports `arrays`, `errors`, `nearest`, `profile`, `protocol`, `telling`; from outside `numpy`, `pyarrow`.
It reads the files that it is given; no clock, no network.
"""
